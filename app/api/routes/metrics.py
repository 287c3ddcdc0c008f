"""`/metrics`: what Prometheus reads."""

from fastapi import APIRouter, Response

from app.api.auth import WholeReader
from app.api.context import ContextDep
from app.api.problems.documented import documented
from app.telemetry.metrics import CONTENT_TYPE

router = APIRouter(tags=["health"])


@router.get(
    "/metrics",
    operation_id="getMetrics",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus text"},
        **documented(401, 403, 503),
    },
)
async def get_metrics(_grant: WholeReader, context: ContextDep) -> Response:
    """Tell the metrics of this process, and what all replicas share as the database has it."""
    shared = await context.snapshots.collector()
    return Response(context.metrics.text([shared]), media_type=CONTENT_TYPE)
