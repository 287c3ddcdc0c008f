"""The `.env` file: each line counts as it is written, or stops the start without being shown."""

from pathlib import Path

import pytest

from app.env_file import EnvFileError, near_misses, read_env_file

KNOWN = frozenset({"PLACING", "SECRET_KEY"})


def read(folder: Path, written: str) -> dict[str, str | None]:
    """Return what a file with this text sets."""
    path = folder / ".env"
    path.write_bytes(written.encode())
    return read_env_file(path, KNOWN)


@pytest.mark.parametrize(
    ("written", "place", "reason"),
    [
        ('A=1\n\n# a note\nPLACING="0ff\n', r"line 4 \(PLACING\)", "a quote is not closed"),
        ("A=1\r\n\r\nPLACING: 0ff\r\n", r"line 3 \(PLACING\)", "a colon instead of ="),
        ("A=1\r\rPLACING 0ff\r", r"line 3 \(PLACING\)", "neither"),
        ("\ufeffexport placing='0ff", r"line 1 \(PLACING\)", "a mark, and other letters"),
        ("set PLACING=0ff", r"line 1 \(PLACING\)", "as Windows sets it"),
        ("PLACING:0ff", r"line 1 \(PLACING\)", "a colon without a blank"),
        ('A="1\n2"\nSECRET_KEY="0ff" 0ff\n', r"line 3 \(SECRET_KEY\)", "more after the quotes"),
        ("0ff 0ff\n", "line 1", "no name at all, which may be a secret"),
        ("OTHER: 0ff\n", "line 1", "no setting's name"),
        ("=0ff\n", "line 1", "no name"),
        # The quote that was forgotten is found before the #, and what follows that is a comment.
        ('A="0ff\nPLACING=0ff\nB="#0ff"\n', "line 1", "the quote is closed by another setting's"),
        (
            'SECRET_KEY="0ff\nexport PLACING = 0ff\n"',
            r"line 1 \(SECRET_KEY\)",
            "the same to the end of the file",
        ),
    ],
)
def test_a_line_that_cannot_be_read_is_named_and_not_shown(
    tmp_path: Path, written: str, place: str, reason: str
) -> None:
    with pytest.raises(EnvFileError, match=rf"^.*/\.env: {place} cannot be read: [^\n]*$") as caught:
        read(tmp_path, written)
    assert "0ff" not in str(caught.value), reason


@pytest.mark.parametrize(
    ("written", "values", "reason"),
    [
        ("# a note\n\n \t\n  # another\nA=1 # a note\n", {"A": "1"}, "comments and empty lines"),
        ("export A=1\nexport B = 2\n'C'=3\n", {"A": "1", "B": "2", "C": "3"}, "as a shell reads it"),
        ("A=x#y\nB='x # y'\nC=\"x # y\" # z\nD=#x\nE= # x\n", {
            "A": "x#y", "B": "x # y", "C": "x # y", "D": "#x", "E": "",
        }, "where a # is a comment"),
        ('A="1\n2: 3\nan other=4\n"\nB=5', {"A": "1\n2: 3\nan other=4\n", "B": "5"}, "several lines"),
        ("A='1\n2'\nB=5", {"A": "1\n2", "B": "5"}, "several lines"),
        ("\ufeffA=1\r\nB='2'\r\n", {"A": "1", "B": "2"}, "as Windows writes it"),
        ("A=1\nA=2\nB\nC=\n", {"A": "2", "B": None, "C": ""}, "set twice, and not at all"),
        ("my-app.port=1\nfoo:bar=2\n", {"my-app.port": "1", "foo:bar": "2"}, "names that no shell has"),
        ("A=it's\nB=a=b==\n", {"A": "it's", "B": "a=b=="}, "quotes and = within"),
    ],
)  # fmt: skip
def test_what_people_write_is_read(
    tmp_path: Path, written: str, values: dict[str, str | None], reason: str
) -> None:
    assert read(tmp_path, written) == values, reason


def test_variables_are_put_in_but_for_single_quotes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a shell and Docker Compose read the same file."""
    monkeypatch.setenv("HERE", "h")
    monkeypatch.delenv("NOWHERE", raising=False)
    found = read(
        tmp_path,
        "A=1\nB=${A}${HERE}${NOWHERE:-n}\nC=\"${A}${HERE}\"\nD='${A}${HERE}'\nE=${D}\n"
        "export F = '${A}' # it's\n'G'='${A}'\nH='${A}\n=${A}'\n",
    )
    assert found == {
        "A": "1", "B": "1hn", "C": "1h", "D": "${A}${HERE}", "E": "${A}${HERE}",
        "F": "${A}", "G": "${A}", "H": "${A}\n=${A}",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("quoted", "value"),
    [(r"a\nb\t", r"a\nb\t"), (r"a\\b\\", r"a\\b\\"), (r"it\'s", "it's"), (r"a\\\'b", r"a\\'b"), ("", "")],
)
def test_a_backslash_in_single_quotes_stays(tmp_path: Path, quoted: str, value: str) -> None:
    """Without it there is no way to write a quote there; Docker Compose reads `\\'` so, too."""
    assert read(tmp_path, f"A='{quoted}'\n") == {"A": value}


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("PLACING:sqlite://u:0ff@host/db?mode=require\n", "an address with a query"),
        ("PLACING:0ff=\n", "base64, which may end with ="),
        ('"PLACING"=0ff\n', "the name in double quotes"),
        ('$env:PLACING="0ff"\n', "as PowerShell sets it"),
    ],
)
def test_a_known_name_that_is_not_all_of_the_name_is_not_lost(
    tmp_path: Path, written: str, reason: str
) -> None:
    """Docker Compose takes `NAME:value`. What is read as a name without end sets nothing, unnoticed."""
    with pytest.raises(EnvFileError) as caught:
        read(tmp_path, written)
    assert "0ff" not in str(caught.value), reason


def test_what_cannot_be_a_name_is_near_none() -> None:
    """It may hold a part of a value: that something like a setting was found is told by its name."""
    known = {"CLOUDPRESS_API_TOKEN"}
    assert near_misses({"CLOUDPRESS_API_TOKEN:s3cr"}, known) == {}
    assert near_misses({"CLOUDPRESS_API_TOKENS"}, known) == {"CLOUDPRESS_API_TOKENS": "CLOUDPRESS_API_TOKEN"}


def test_a_misspelt_name_whose_value_is_behind_a_colon_is_not_lost_either(tmp_path: Path) -> None:
    with pytest.raises(EnvFileError, match=r"line 1 cannot be read"):
        read(tmp_path, "PLCING:off\n")
