"""The files that pages load: our own, from this host alone."""

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.dashboard.desk import Desk, accepts_gzip, desk_of
from app.dashboard.page import OpenPage

FOR_A_YEAR = "public, max-age=31536000, immutable"

router = APIRouter(prefix="/ui/static", route_class=OpenPage, include_in_schema=False)


@router.get("/{name}")
async def asset(name: str, request: Request) -> Response:
    """Return a file."""
    return file_of(desk_of(request), request, name)


def file_of(desk: Desk, request: Request, name: str) -> Response:
    """Return a file. Its address changes with it, so that a browser asks once.

    Raises:
        HTTPException: 404, there is none of that name.
    """
    found = desk.assets.get(name)
    if found is None:
        raise HTTPException(404)
    headers = {"Cache-Control": FOR_A_YEAR, "Vary": "Accept-Encoding"}
    if not accepts_gzip(request):
        return Response(found.content, media_type=found.kind, headers=headers)
    headers["Content-Encoding"] = "gzip"
    return Response(found.compressed, media_type=found.kind, headers=headers)
