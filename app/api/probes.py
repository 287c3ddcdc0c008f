"""Probes of `presshook doctor`: let in as callbacks are, by a value of their own, answered with a proof.

A probe shows that what CloudPress sends comes through name, certificate, proxies and limits of size to this
very deployment. It costs a stranger nothing to try: without the right value it is a callback like any other.
"""

from contextlib import suppress
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope

from app.api.context import Context
from app.api.middleware.body_limit import read_body
from app.db.errors import DATABASE_AWAY
from app.orders.probes import PROBE, PROOF, record_probe
from app.secrets import ProbeSecrets

HEADER = PROBE.lower().encode()

log = structlog.get_logger()


class Probes:
    """Knows probes, and answers them."""

    def __init__(self, context: Context) -> None:
        """Prepare."""
        self._context = context
        self._secrets = ProbeSecrets(context.settings.secret_keys)

    def find(self, scope: Scope, name: str) -> UUID | None:
        """Return the probe that a request to the callback address of `name` is; None if it is none."""
        values = [value for key, value in scope["headers"] if key == HEADER]
        if len(values) != 1 or not self._secrets.verify(name, values[0]):
            return None
        with suppress(ValueError):
            return UUID(name)
        return None

    async def answer(self, probe: UUID, scope: Scope, receive: Receive) -> Response:
        """Say what came of the probe's `Authorization` and body, and whether that is written down."""
        try:
            size, status = len(await read_body(scope, receive)), 204
        except HTTPException as error:
            if error.status_code != 413:
                raise
            size, status = 0, 413
        authorization = self._seen(probe, scope)
        stored = "unstored"
        with suppress(SQLAlchemyError, *DATABASE_AWAY):
            await self._context.require_migrated()
            await record_probe(self._context.db, probe, authorization=authorization)
            stored = "stored"
        log.info("probe", authorization=authorization, bytes=size, status=status)
        said = f"{status} {authorization} {size} {stored}"
        return Response(
            status_code=status, headers={PROOF: f"{said} {self._secrets.proof(str(probe), said)}"}
        )

    def _seen(self, probe: UUID, scope: Scope) -> str:
        values = [value for name, value in scope["headers"] if name == b"authorization"]
        if not values:
            return "missing"
        is_ours = len(values) == 1 and self._secrets.verify(str(probe), values[0])
        return "arrived" if is_ours else "changed"
