"""What the pages are made with: the templates, who has signed in, and the files that pages load."""

import gzip
import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib import resources
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, urlsplit
from uuid import UUID

from starlette.requests import Request
from starlette.responses import HTMLResponse

from app.api.admission import Admission
from app.api.context import PROGRESS, Context
from app.api.middleware.guessing import Guesses
from app.dashboard.brand import Brand
from app.dashboard.curl import curl_line
from app.dashboard.sessions import Sessions
from app.dashboard.words import FILTERS, navigation
from app.version import VERSION

if TYPE_CHECKING:
    from jinja2 import Environment

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-store",
    # Forms have to say where they come from; nobody else is told.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
KINDS = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
WORTH_COMPRESSING = 1024
LEVEL = 5


@dataclass(frozen=True)
class Asset:
    """A file that pages load, compressed once."""

    content: bytes
    compressed: bytes
    kind: str
    digest: str


def _assets() -> dict[str, Asset]:
    found = {}
    for file in resources.files("app.dashboard").joinpath("static").iterdir():
        ending = file.name.rpartition(".")[2]
        if ending in KINDS:
            content = file.read_bytes()
            digest = hashlib.sha256(content).hexdigest()[:16]
            found[file.name] = Asset(content, gzip.compress(content, 9, mtime=0), KINDS[ending], digest)
    return found


class Desk:
    """What pages are made with. There is one, which the application holds."""

    def __init__(self, context: Context) -> None:
        """Load the templates and the files; `context` is what the API works with."""
        self.context = context
        self.sessions = Sessions(context)
        self.guesses = Guesses()
        self.assets = _assets()
        self.brand = Brand.of(context.settings)
        self.watched: Counter[UUID] = Counter()
        """How many look at each end user's page."""
        self._public_url = context.settings.public_url
        self._path = urlsplit(self._public_url).path.rstrip("/")

    @cached_property
    def _templates(self) -> "Environment":
        """Return the templates; whoever shows no page needs none, nor the library."""
        from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - see above

        templates = Environment(
            loader=PackageLoader("app.dashboard"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        templates.filters |= FILTERS
        templates.globals |= {
            "at": self.at,
            "asset": self._asset,
            "progress_asset": self._progress_asset,
            "public_url": self._public_url,
            "curl_line": self._curl_line,
            "version": VERSION,
        }
        return templates

    def at(self, path: str) -> str:
        """Return the address of a path of ours on this host, which the service may have a part of."""
        return f"{self._path}{path}"

    @staticmethod
    def quoted(value: str) -> str:
        """Return a value as it stands in a query."""
        return quote(value, safe="")

    def _asset(self, name: str) -> str:
        """Return the address of a file, which is another one once the file is."""
        return f"{self.at('/ui/static/')}{name}?v={self.assets[name].digest}"

    def _curl_line(self, method: str, path: str, body: dict[str, Any] | None = None) -> str:
        """Return the line that asks the API for something by its path."""
        return curl_line(f"{self.context.settings.public_url}{path}", method, body)

    def _progress_asset(self, name: str) -> str:
        """Return the address of a file for the end user's page, which is there without the dashboard."""
        digest = self.brand.digest if name == "brand.css" else self.assets[name].digest
        return f"{self.at(PROGRESS)}/static/{name}?v={digest}"

    def render(
        self,
        request: Request,
        template: str,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        is_secret: bool = False,
        **values: Any,  # noqa: ANN401 - whatever the template shows
    ) -> HTMLResponse:
        """Return a page. One that shows a secret is not compressed: its length would tell of it."""
        admission: Admission | None = getattr(request.state, "admission", None)
        grant = admission.grant if admission is not None else None
        text = self._templates.get_template(template).render(
            grant=grant,
            path=request.url.path,
            navigation=navigation(grant, request.url.path) if grant else [],
            now=datetime.now(UTC),
            **values,
        )
        body = text.encode()
        sent = {**HEADERS, **(headers or {})}
        if not is_secret and len(body) >= WORTH_COMPRESSING:
            sent["Vary"] = "Accept-Encoding"
            if accepts_gzip(request):
                body = gzip.compress(body, LEVEL, mtime=0)
                sent["Content-Encoding"] = "gzip"
        return HTMLResponse(body, status, headers=sent)


def accepts_gzip(request: Request) -> bool:
    """Tell whether a browser takes compressed answers, as all do."""
    coding = [part.strip().lower() for part in request.headers.get("accept-encoding", "").split(",")]
    return "gzip" in coding


def desk_of(request: Request) -> Desk:
    """Return what the application's pages are made with."""
    return cast("Desk", request.app.state.desk)


async def get_desk(request: Request) -> Desk:
    """Return the same, as a dependency."""
    return desk_of(request)
