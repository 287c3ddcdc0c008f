"""Probes of `presshook doctor`: that one came in is written down, for whoever sent it. The database only."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, select

from app.db.database import Database
from app.db.errors import repeated
from app.db.models import Probe

FORGOTTEN_AFTER = timedelta(hours=1)
PROBE = "X-Presshook-Probe"
"""The header that carries a probe's value a second time, where proxies take `Authorization` away."""
PROOF = "X-Presshook-Proof"
"""The header of the answer: what was seen of the probe, and what proves who saw it."""


@repeated
async def record_probe(db: Database, probe_id: UUID, *, authorization: str) -> None:
    """Write down that a probe came in, and forget those that were long ago."""
    async with db.write() as tx:
        await tx.session.execute(delete(Probe).where(Probe.arrived_at < tx.now - FORGOTTEN_AFTER))
        known = await tx.session.get(Probe, probe_id)
        if known is None:
            tx.session.add(Probe(id=probe_id, authorization=authorization, arrived_at=tx.now))
        else:
            known.authorization = authorization


async def find_probe(db: Database, probe_id: UUID) -> str | None:
    """Return what became of a probe's `Authorization` on the way, None if it did not come in here."""
    async with db.read() as session:
        found = select(Probe.authorization).where(Probe.id == probe_id)
        return (await session.execute(found)).scalar_one_or_none()
