"""The wheel and the sdist: complete, the same however often they are built, and alone with their packages."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHIPPED = ("app", "migrations", "presshook.py")
NOT_OURS = shutil.ignore_patterns(
    ".git", ".venv*", "__pycache__", ".*_cache", ".hypothesis", "dist", "build", "*.db*", ".env"
)


@dataclass(frozen=True)
class Built:
    """What a build gave."""

    wheel: Path
    sdist: Path


def build(tree: Path, target: Path, *kinds: str) -> list[Path]:
    """Build from a tree, with the build environment that is locked, and nothing from the network."""
    arguments = [part for kind in kinds for part in ("-t", kind)]
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(target), *arguments],
        cwd=tree, check=True, capture_output=True, env={"PATH": os.environ["PATH"]},
    )  # fmt: skip
    return sorted(target.iterdir(), key=lambda path: path.suffix, reverse=True)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree whose files are younger, with what lies about while one works."""
    tree = tmp_path_factory.mktemp("tree") / "presshook"
    shutil.copytree(ROOT, tree, ignore=NOT_OURS, copy_function=shutil.copyfile)
    (tree / "app" / "__pycache__").mkdir()
    (tree / "app" / "__pycache__" / "left.pyc").write_bytes(b"left")
    (tree / ".env").write_text("SECRET_KEY=s3cr3t")
    (tree / "presshook.db").write_bytes(b"an operator's")
    return tree


@pytest.fixture(scope="module")
def built(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    return Built(*build(tree, tmp_path_factory.mktemp("built"), "wheel", "sdist"))


def of_the_tree(*names: str) -> Iterator[str]:
    """Return the files of some of the tree's folders, and single ones, by their paths."""
    for name in names:
        path = ROOT / name
        for each in [path] if path.is_file() else sorted(path.rglob("*")):
            if each.is_file() and "__pycache__" not in each.parts:
                yield each.relative_to(ROOT).as_posix()


def test_the_wheel_has_what_runs_and_nothing_else(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
        entrances = wheel.read(next(name for name in wheel.namelist() if name.endswith("entry_points.txt")))
    assert names == set(of_the_tree(*SHIPPED))
    assert b"presshook = presshook:main" in entrances


def test_the_sdist_has_what_one_works_with(built: Built) -> None:
    with tarfile.open(built.sdist) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    wanted = (*SHIPPED, "tests", "docs", "contrib", "requirements", "Makefile", "LICENSE", "SECURITY.md")
    assert names >= set(of_the_tree(*wanted))
    assert [name for name in names if name.endswith((".pyc", ".db")) or name == ".env"] == []


def test_the_same_comes_of_every_build(tree: Path, built: Built, tmp_path: Path) -> None:
    """A year later, by somebody else, from the sdist alone."""
    for path in tree.rglob("*"):
        os.utime(path, (2_000_000_000, 2_000_000_000))
    again = Built(*build(tree, tmp_path / "again", "wheel", "sdist"))
    assert again.wheel.read_bytes() == built.wheel.read_bytes()
    assert again.sdist.read_bytes() == built.sdist.read_bytes()
    with tarfile.open(built.sdist) as sdist:
        sdist.extractall(tmp_path, filter="data")
    [unpacked] = tmp_path.glob("presshook-*")
    [wheel] = build(unpacked, tmp_path / "of_the_sdist", "wheel")
    assert wheel.read_bytes() == built.wheel.read_bytes()


def test_what_is_installed_works_beside_a_folder_of_the_same_name(built: Built, tmp_path: Path) -> None:
    with zipfile.ZipFile(built.wheel) as wheel:
        wheel.extractall(tmp_path / "installed")  # noqa: S202 - we have built it
    for name in ("app", "migrations"):
        (tmp_path / "work" / name).mkdir(parents=True)
        (tmp_path / "work" / name / "__init__.py").write_text("raise SystemExit('another application')")
    env = {"PATH": os.environ["PATH"], "DATABASE_URL": "sqlite:///made.db", "CLOUDPRESS_API_TOKEN": "t"}
    env |= {"CLOUDPRESS_BASE_URL": "http://127.0.0.1:9", "CLOUDPRESS_ACCOUNT_ID": "a"}
    env["SECRET_KEY"] = "the key of this test and of no other place"
    start = "import sys; sys.path.insert(0, sys.argv.pop(1)); import presshook; presshook.main()"
    migrated = subprocess.run(
        [sys.executable, "-c", start, str(tmp_path / "installed"), "migrate"],
        cwd=tmp_path / "work", env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (migrated.stdout, migrated.returncode) == ("The database is up to date.\n", 0), migrated.stderr
