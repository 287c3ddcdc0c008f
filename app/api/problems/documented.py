"""How the OpenAPI document tells of problems."""

from typing import Any

from app.api.problems.kinds import (
    database_away,
    malformed_json,
    rate_limited,
    unauthorized,
    unread,
    unsupported_media_type,
)
from app.api.problems.problem import MEDIA_TYPE, TITLES


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe error answers for the OpenAPI document, each with an example where there is one for all."""
    described: dict[int | str, dict[str, Any]] = {}
    # What every body and every key can meet.
    further = {413: 408, 403: 429}
    for status in sorted({*statuses, *(further[status] for status in statuses if status in further)}):
        content: dict[str, Any] = {"schema": {"$ref": "#/components/schemas/ProblemBody"}}
        if status in EXAMPLES:
            content["example"] = EXAMPLES[status].body
        described[status] = {"description": TITLES[status], "content": {MEDIA_TYPE: content}}
    return described


EXAMPLES = {
    400: malformed_json(),
    401: unauthorized(),
    408: unread(408),
    413: unread(413),
    415: unsupported_media_type(),
    429: rate_limited(100, 60, wait_seconds=1),
    503: database_away(),
}
