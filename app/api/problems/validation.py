"""What a request that breaks its schema is told."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError

from app.api.problems.kinds import malformed_json, unsupported_media_type
from app.api.problems.problem import Problem


def of_validation(request: Request, invalid: RequestValidationError) -> Problem:
    """Return what is wrong with a request: its fields by name, or how its body is sent."""
    errors: Sequence[Any] = invalid.errors()
    if any(error["type"] == "json_invalid" for error in errors):
        return malformed_json()
    sent_as = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    whole_body = any(tuple(error["loc"]) == ("body",) for error in errors)
    if whole_body and not (sent_as == "application/json" or sent_as.endswith("+json")):
        return unsupported_media_type()
    fields = [{"field": _field(error, invalid.body), "detail": _reason(error)} for error in errors]
    return Problem(422, "invalid-request", "Some fields are missing or not acceptable.", errors=fields)


def _field(error: Mapping[str, Any], body: object) -> str:
    """Name a field as the client knows it: `site.name`, or the header's or parameter's name."""
    location: Sequence[str | int] = error["loc"]
    if error["type"].startswith("union_tag"):
        return str(error["ctx"]["discriminator"]).strip("'")
    names: list[str] = []
    sent = body if location[0] == "body" else None
    for place, part in enumerate(location[1:], 2):
        if part == "[key]":
            # A name that may not be is no field's: what holds it is told.
            return ".".join(names if isinstance(sent, dict) else names[:-1])
        is_tag = place < len(location) and isinstance(sent, dict) and part not in sent
        if not is_tag:  # which of several forms the body takes is no field of it
            names.append(str(part))
            sent = sent.get(part) if isinstance(sent, dict) else None
    return ".".join(names) or str(location[0])


def _reason(error: Mapping[str, Any]) -> str:
    if error["type"] == "union_tag_invalid":
        return f"Input should be one of {error['ctx']['expected_tags']}"
    if error["type"] == "union_tag_not_found":
        return "Field required"
    return str(error["msg"]).removeprefix("Value error, ")
