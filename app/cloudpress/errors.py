"""How a request to CloudPress can fail.

* CloudPressError
  · NotSent      nothing of the request left this machine
  · NoAnswer     it was sent, but no complete answer came back
  · BadAnswer    a 2xx answer that cannot be understood
  x Refused      a complete status line other than 2xx
    · NotFound   404

The classes state facts. What a fact means for an order that was being placed is decided elsewhere.
No secret is ever in the text, the arguments, the cause or the context of these exceptions.
"""

from datetime import datetime


class CloudPressError(Exception):
    """A request to CloudPress failed.

    `kind` is a short, stable word for logs; `retry_after_seconds` is how long CloudPress asked to be
    left alone, if it did.
    """

    def __init__(self, message: str, *, kind: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.retry_after_seconds = retry_after_seconds


class NotSent(CloudPressError):
    """Nothing was sent: connection refused, DNS, TLS, connect or pool timeout, no time left."""


class NoAnswer(CloudPressError):
    """The request was sent, perhaps in part, and its fate is unknown: timeout, reset, disconnect."""


class BadAnswer(CloudPressError):
    """CloudPress answered 2xx with something else than the documented JSON, or with too much of it."""


class Refused(CloudPressError):
    """CloudPress, or a proxy before it, answered with a status other than 2xx.

    `errors` are CloudPress's own texts, free of our secrets, at most 20 of 500 characters each; for
    an HTML or plain text body one excerpt, or none. The rest is what tells who speaks, since a proxy's word
    says nothing of what became of a request:

    `is_own_form`: the whole body came, and is the documented `{"errors": [text, …]}` with at least one text.
    `is_known_host`: an earlier answer from there, to any request of this process, was CloudPress's own JSON.
    `retry_after_seconds`: None also where `Retry-After` could not be read.
    `date`: CloudPress's own clock (the `Date` header, UTC), None if it told none.
    """

    def __init__(
        self,
        status: int,
        errors: tuple[str, ...] = (),
        retry_after_seconds: float | None = None,
        *,
        is_own_form: bool = False,
        is_known_host: bool = False,
        date: datetime | None = None,
    ) -> None:
        reasons = f": {'; '.join(errors)}" if errors else ""
        super().__init__(
            f"CloudPress answered {status}{reasons}"[:500],
            kind=f"status_{status}",
            retry_after_seconds=retry_after_seconds,
        )
        self.status = status
        self.errors = errors
        self.is_own_form = is_own_form
        self.is_known_host = is_known_host
        self.date = date


class NotFound(Refused):
    """CloudPress answered 404."""
