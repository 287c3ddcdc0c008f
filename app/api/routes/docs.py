"""`/docs`: the API's description to browse, from this service alone, without the internet."""

import hashlib
import re
from base64 import b64encode
from functools import cache
from importlib import resources

from fastapi import APIRouter, Response
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute

from app.api.shared_routes import shared_routes
from app.version import VERSION

ASSETS = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon-32x32.png": "image/png",
}
SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
# The key that is typed in is forgotten when the page is left.
PARAMETERS = {"persistAuthorization": False, "displayRequestDuration": True}


@cache
def routes(title: str, path: str = "") -> tuple[BaseRoute, ...]:
    """Return the page and what it loads, and at `/` the word where they are; `path` is the service's own."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def index() -> dict[str, str]:
        return {
            "service": title,
            "version": VERSION,
            "docs": f"{path}/docs",
            "openapi": f"{path}/openapi.json",
        }

    @router.get("/docs")
    async def docs() -> Response:
        page = get_swagger_ui_html(
            openapi_url=f"{path}/openapi.json",
            title=f"{title} API",
            swagger_js_url=f"{path}/docs/swagger-ui-bundle.js",
            swagger_css_url=f"{path}/docs/swagger-ui.css",
            swagger_favicon_url=f"{path}/docs/favicon-32x32.png",
            swagger_ui_parameters=PARAMETERS,
        )
        page.headers["Content-Security-Policy"] = _policy(bytes(page.body))
        return page

    @router.get("/docs/{name}")
    async def asset(name: str) -> Response:
        if name not in ASSETS:
            raise HTTPException(404)
        content = resources.files("fastapi_swagger.resources").joinpath(name).read_bytes()
        return Response(content, media_type=ASSETS[name], headers={"Cache-Control": "public, max-age=86400"})

    return shared_routes(router)


def _policy(page: bytes) -> str:
    """Return the policy under which the page runs: its own files, its own script, and this service."""
    digests = [b64encode(hashlib.sha256(script).digest()).decode() for script in SCRIPT.findall(page)]
    scripts = " ".join(["'self'", *(f"'sha256-{digest}'" for digest in digests)])
    return (
        f"default-src 'none'; script-src {scripts}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
        "form-action 'none'"
    )
