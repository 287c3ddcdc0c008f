"""Reads answers that are not 2xx: CloudPress's own errors, a proxy's error page, `Retry-After`."""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from itertools import islice

from app.cloudpress.decoding import load_json
from app.cloudpress.errors import BadAnswer, NotFound, Refused
from app.cloudpress.redaction import Redaction, redaction, unescaped_html
from app.network.dates import seconds_of_retry_after

MAX_ERRORS = 20
MAX_RETRY_AFTER_SECONDS = 86_400.0
EXCERPT_LENGTH = 4096
UNSEEN_ELEMENTS = re.compile(r"<(script|style)\b.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
TAGS = re.compile(r"<[^<>]*>")


def refusal(
    status: int,
    body: bytes,
    *,
    retry_after: str | None,
    date: datetime | None,
    is_known_host: bool,
) -> Refused:
    """Build the exception for an answer with a status other than 2xx.

    `date` is the answer's own time, against which a `Retry-After` date is read.
    """
    kind = NotFound if status == 404 else Refused
    wait_seconds = seconds_of_retry_after(retry_after, date)
    return kind(
        status,
        _errors(body, redaction()),
        None if wait_seconds is None else min(wait_seconds, MAX_RETRY_AFTER_SECONDS),
        is_own_form=is_own_form(body),
        is_known_host=is_known_host,
        date=date,
    )


def is_own_form(body: bytes) -> bool:
    """Tell whether a refusal has the documented form. (provider page: `{"errors": [string, …]}`)"""
    try:
        document = load_json(body)
    except BadAnswer:
        return False
    errors = document.get("errors") if isinstance(document, dict) else None
    return isinstance(errors, list) and bool(errors) and all(isinstance(text, str) for text in errors)


def _errors(body: bytes, redact: Redaction) -> tuple[str, ...]:
    try:
        document = load_json(body)
    except BadAnswer:
        texts = [_excerpt(body, redact)]
    else:
        texts = list(islice(_own_errors(document), MAX_ERRORS))
    return tuple(tidy for tidy in map(redact.tidy, texts) if tidy)


def _own_errors(document: object) -> Iterator[str]:
    """Yield the texts of `{"errors": [...]}`; one text, or lists of texts by field, are read as well."""
    errors = document.get("errors") if isinstance(document, dict) else None
    if isinstance(errors, dict):
        errors = [
            f"{field}: {text}"
            for field, texts in errors.items()
            for text in (texts if isinstance(texts, list) else [texts])
            if isinstance(text, str)
        ]
    elif isinstance(errors, str):
        errors = [errors]
    for text in errors if isinstance(errors, list) else []:
        if isinstance(text, str):
            yield text


def _excerpt(body: bytes, redact: Redaction) -> str:
    encoding = json.detect_encoding(body)  # a page, too, tells by its first bytes whether it is UTF-16
    # Concealed before it is cut: half a secret would no longer be recognised.
    start = redact.beginning(body.decode(encoding, errors="replace"))[:EXCERPT_LENGTH]
    return unescaped_html(TAGS.sub(" ", UNSEEN_ELEMENTS.sub(" ", start)))
