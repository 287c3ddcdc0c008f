"""Who has signed in: a cookie with a sealed digest of an API key, held against the key at each request.

So a key that is revoked or expires is out at once. The cookie is worth nothing at `/v1`, and a header is
worth nothing here: neither can be used to get at the other.
"""

import secrets
import time
from dataclasses import replace
from functools import partial
from ipaddress import ip_address
from typing import Literal
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from app.api.admission import Admission
from app.api.auth import BOOTSTRAP
from app.api.context import Context
from app.keys.authentication import KeyRefusedError, authenticate_digest, require_form
from app.keys.form import digest_of
from app.keys.grants import Grant
from app.secrets import SessionSeals, SignedIn, same_key

SESSION_SECONDS = 12 * 3600
LONGEST_COOKIE = 2048
NAME = "presshook"
LOCAL_NAMES = {"localhost", "localhost."}
PROXIES = {"forwarded", "via", "x-real-ip"}
Way = Literal["https", "loopback", "open"]


class Sessions:
    """Signs in, and finds who has signed in."""

    def __init__(self, context: Context) -> None:
        """Prepare."""
        self._context = context
        self._seals = SessionSeals(context.settings.secret_keys, seconds=SESSION_SECONDS)
        key = context.settings.api_key
        self._bootstrap = digest_of(key.get_secret_value()) if key else None
        self._once: dict[str, str] = {}
        self._is_public_https = urlsplit(context.settings.public_url).scheme == "https"

    async def check(self, key: str) -> Grant:
        """Return what a key that somebody signs in with may do.

        Raises:
            KeyRefusedError: it is not let in.
        """
        digest = digest_of(key)
        if self._bootstrap is None or not same_key(digest, self._bootstrap):
            require_form(key)
        return await self._grant(SignedIn(digest, SESSION_SECONDS))

    async def find(self, request: Request) -> Admission | None:
        """Return who has signed in; None where nobody has, or the cookie is too old.

        Raises:
            KeyRefusedError: the key is let in no more.
        """
        sealed = request.cookies.get(self.cookie_name(request), "")
        if not 0 < len(sealed) <= LONGEST_COOKIE:
            return None
        signed_in = self._open(sealed)
        if signed_in is None:
            return None
        return Admission(await self._grant(signed_in), partial(self._again, sealed))

    def _open(self, sealed: str) -> SignedIn | None:
        return self._seals.open(sealed, now=time.time())

    async def _again(self, sealed: str) -> Grant:
        signed_in = self._open(sealed)
        if signed_in is None:
            raise KeyRefusedError("ended session")
        return await self._grant(signed_in)

    async def _grant(self, signed_in: SignedIn) -> Grant:
        """Return what the key may do now, for no longer than the session lasts."""
        lasts_seconds = max(0.0, signed_in.lasts_seconds)
        if self._bootstrap is not None and same_key(signed_in.digest, self._bootstrap):
            return replace(BOOTSTRAP, lasts_seconds=lasts_seconds)
        await self._context.require_migrated()
        grant = await authenticate_digest(self._context.db, signed_in.digest)
        ends = [lasts_seconds, *([] if grant.lasts_seconds is None else [grant.lasts_seconds])]
        return replace(grant, lasts_seconds=min(ends))

    def way(self, request: Request) -> Way:
        """Tell how the browser reaches this: by https, from this machine, or in the open.

        A proxy may not say that its side is https; where `PUBLIC_URL` does, the browser holds us to it, since
        it keeps no `Secure` cookie of a page that came over plain http. What came through one is not from
        this machine, whatever host the proxy asks for.
        """
        if request.url.scheme == "https":
            return "https"
        if is_loopback(request.url.hostname) and not _is_forwarded(request):
            return "loopback"
        return "https" if self._is_public_https else "open"

    def cookie_name(self, request: Request) -> str:
        """Return the cookie's name. On loopback cookies are told apart by no port, so the name has it."""
        if self.way(request) == "loopback":
            return f"{NAME}-{request.url.port or 80}"
        return f"__Host-{NAME}"

    def link_once(self, key: str) -> str:
        """Return the path of a link that signs in with a key, once, on this machine.

        It is for the demo, whose key is on the terminal anyway: the link grants no more than that, is worth
        nothing once it was followed, and nothing from another machine. No other program makes one.
        """
        token = secrets.token_urlsafe(32)
        self._once[token] = key
        return f"/ui/sign-in?once={token}"

    def redeem(self, token: str) -> str | None:
        """Return the key of such a link, which is worth nothing from now on."""
        return self._once.pop(token, None)

    def begin(self, request: Request, response: Response, key: str) -> None:
        """Have the browser keep that it has signed in."""
        sealed = self._seals.seal(digest_of(key), now=time.time())
        self._set(request, response, sealed, SESSION_SECONDS)

    def end(self, request: Request, response: Response) -> None:
        """Have the browser forget it."""
        self._set(request, response, "", 0)

    def _set(self, request: Request, response: Response, value: str, seconds: int) -> None:
        response.set_cookie(
            self.cookie_name(request),
            value,
            max_age=seconds,
            path="/",
            secure=self.way(request) != "loopback",
            httponly=True,
            samesite="strict",
        )


def _is_forwarded(request: Request) -> bool:
    """Tell whether a request carries what proxies add. Whoever adds it himself gains nothing by it."""
    return any(name in PROXIES or name.startswith("x-forwarded-") for name in request.headers)


def is_loopback(host: str | None) -> bool:
    """Tell whether a host is this machine, by its name alone."""
    if host is None:
        return False
    if host.lower() in LOCAL_NAMES:
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
