"""The `curl` line beside a button: the request to the API that does the same."""

import json
from shlex import quote
from typing import Any

AUTHORIZATION = '-H "Authorization: Bearer $PRESSHOOK_API_KEY"'
JSON = "-H 'Content-Type: application/json'"


def curl_line(url: str, method: str, body: dict[str, Any] | None = None) -> str:
    """Return a line for a shell. What is foreign in it is quoted: whoever copies the line runs it."""
    parts = ["curl", *([] if method == "POST" and body is not None else ["-X", method]), quote(url)]
    parts.append(AUTHORIZATION)
    if body is not None:
        parts += [JSON, "-d", quote(json.dumps(body, ensure_ascii=True))]
    return " ".join(parts)
