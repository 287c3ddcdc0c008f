"""Which requests may change something: those that a page of ours has sent."""

from urllib.parse import urlsplit

from starlette.requests import Request

from app.api.problems.problem import Problem


def require_same_origin(request: Request, public_url: str) -> None:
    """Refuse a request that another origin's page may have caused.

    The browser says where it comes from: in `Sec-Fetch-Site`, and where it does not send that, in `Origin`,
    which is held against the address that was asked and against `PUBLIC_URL`. What says neither is no browser
    that we know of: it may use the API.

    Raises:
        Problem: 403.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    is_ours = origin is not None and _host_of(origin) in {
        request.headers.get("host", "").lower(),
        urlsplit(public_url).netloc.lower(),
    }
    # A browser that says both never says less than it knows, so one that speaks against it is enough.
    if site == "same-origin" and (origin is None or is_ours):
        return
    if site is None and is_ours:
        return
    raise Problem(
        403,
        "cross-origin",
        "This request did not come from a page of this dashboard, so nothing was changed. Open the page anew "
        "and try again. Behind a proxy: PUBLIC_URL has to be the address that your browser shows.",
    )


def _host_of(origin: str) -> str | None:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return None
    return parts.netloc.lower() if parts.scheme in {"http", "https"} else None
