"""What is refused of an answer: a coded body, one that is too large, and more than one answer."""

from collections.abc import Iterable

# What a request has to say so that nothing comes that is larger than it looks.
ACCEPT_IDENTITY = ("Accept-Encoding", "identity")
CODING_FIELD = b"content-encoding"


class TooLargeError(Exception):
    """The body is larger than is taken."""


class CodedError(Exception):
    """The body is coded, although that was not asked for."""


class NotAloneError(Exception):
    """More came than one answer: which one is to be believed?"""


def check_coding(codings: Iterable[str]) -> None:
    """Check the values of `Content-Encoding`.

    Inflating is refused rather than bounded: a few hundred bytes may stand for gigabytes.

    Raises:
        CodedError: there is one other than `identity`.
    """
    for value in codings:
        if any(coding.strip().lower() not in {"", "identity"} for coding in value.split(",")):
            raise CodedError
