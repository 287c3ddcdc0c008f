"""The problems that more than one place tells."""

from app.api.problems.problem import TITLES, Problem

RETRY_SECONDS = 5
RETRY = {"Retry-After": str(RETRY_SECONDS)}
UNREAD = {
    400: "The body could not be read.",
    404: "There is nothing at this address.",
    405: "This address does not take this method.",
    408: "The body did not come within 30 seconds.",
    413: "The body is too large.",
}


def unauthorized() -> Problem:
    """Return the one answer to whoever is not let in, whatever the reason."""
    return Problem(
        401,
        "unauthorized",
        "The Authorization header is missing or is not accepted here.",
        headers={"WWW-Authenticate": "Bearer"},
    )


def database_away() -> Problem:
    """Return the answer while the database cannot be used."""
    return Problem(
        503,
        "database-away",
        "The database cannot be used at the moment. Try again; an order that has an Idempotency-Key is not "
        "stored twice, should this one have been stored all the same.",
        headers=RETRY,
    )


def busy() -> Problem:
    """Return the answer while more comes in than can be stored."""
    return Problem(
        503,
        "busy",
        "More comes in than can be stored at the moment, and this was not stored. Try again.",
        headers={"Retry-After": "1"},
    )


def too_much_at_once() -> Problem:
    """Return the answer to a key whose requests have waited for each other too long."""
    return Problem(
        503,
        "busy",
        "This API key asks for more at once than this replica reads for one key. Try again, with fewer "
        "requests at a time; an order that has an Idempotency-Key is not stored twice.",
        headers=RETRY,
    )


def internal_error() -> Problem:
    """Return the answer where a defect of ours has shown."""
    return Problem(
        500,
        "internal-error",
        "Something broke in Presshook. Try again, and report it with the X-Request-ID of this answer.",
    )


def not_found(what: str = "order") -> Problem:
    """Return the answer for what does not exist, or not for this API key."""
    return Problem(404, "not-found", f"There is no such {what}.")


def events_gone(oldest: int) -> Problem:
    """Return the answer where a list or a stream begins before what is kept; `oldest` is what is."""
    return Problem(
        410,
        "events-gone",
        f"Events before number {oldest} may have been pruned. Read orders anew for what they say now, and "
        f"begin after {oldest - 1} (`cursor`, `Last-Event-ID`).",
        oldest=oldest,
    )


def invalid_field(name: str, detail: str) -> Problem:
    """Return the answer for a field that is well-formed and still not acceptable."""
    field = {"field": name, "detail": detail}
    return Problem(422, "invalid-request", "Some fields are missing or not acceptable.", errors=[field])


def malformed_json() -> Problem:
    """Return the answer to a body that is no JSON."""
    return Problem(400, "malformed-json", "The body is not valid JSON.")


def unsupported_media_type() -> Problem:
    """Return the answer to a body that does not say that it is JSON."""
    return Problem(
        415, "unsupported-media-type", "Send the body as JSON, with Content-Type: application/json."
    )


def unread(status: int) -> Problem:
    """Return the answer where a request is turned away before it is understood."""
    return Problem(status, TITLES[status].lower().replace(" ", "-"), UNREAD[status])


def rate_limited(requests: int, seconds: int, *, wait_seconds: int) -> Problem:
    """Return the answer to a key that asks too often."""
    return Problem(
        429,
        "rate-limited",
        f"This API key may send {requests} requests in {seconds} seconds. Try again in {wait_seconds} s.",
        headers={"Retry-After": str(wait_seconds)},
    )


def too_many_streams(most: int) -> Problem:
    """Return the answer to a key that has as many streams open as it may: none where others have all."""
    told = (
        f"This API key may have {most} streams and waiting requests open at this replica, and has."
        if most
        else "Other API keys have all streams and waiting requests open that this replica admits."
    )
    return Problem(
        429,
        "too-many-streams",
        f"{told} Try again once one of them has ended, or have several readers share a stream.",
        headers=RETRY,
    )
