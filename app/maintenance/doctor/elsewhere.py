"""The way in as another machine finds it: what is to be sent from there, and what of it has come in here."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from sqlalchemy.exc import SQLAlchemyError

from app.db.database import Database
from app.db.errors import DATABASE_AWAY, in_words, secrets_of
from app.maintenance.doctor.checks import Check, Result, failed, ok, skipped, warning
from app.maintenance.doctor.way_in import MORE_ROOM, MOST_BODY_BYTES, Prober, authorization_of
from app.orders.probes import find_probe

PATIENCE_SECONDS = 300.0
# How long the large ones may take once the small one is here: whoever pasted the commands has sent all.
LARGE_SECONDS = 30.0
LOOK_SECONDS = 0.5
# Whatever has come in is written down, also what is then answered 413.
SIZES = (2, MOST_BODY_BYTES, MOST_BODY_BYTES + 1)


@dataclass(frozen=True)
class Sent:
    """A probe of a size, and the command that sends it."""

    probe: str
    command: str


class Elsewhere:
    """Probes that another machine sends."""

    def __init__(self, prober: Prober, db: Database) -> None:
        """Make the probes, one of each size."""
        self._db = db
        self._sent = [_sent(prober, size) for size in SIZES]

    @property
    def commands(self) -> Sequence[str]:
        """What is to be run on the other machine, the small one first."""
        return [each.command for each in self._sent]

    async def wait(
        self, *, patience_seconds: float = PATIENCE_SECONDS, large_seconds: float = LARGE_SECONDS
    ) -> Sequence[Result]:
        """Wait until the probes have come in, and tell of each."""
        try:
            return await self._wait(patience_seconds, large_seconds)
        except (SQLAlchemyError, *DATABASE_AWAY) as error:
            reason = in_words(error, secrets_of(self._db.url))
            told = f"the database that would tell cannot be asked: {reason}"
            return [failed(Check.DATABASE, told, "run `presshook doctor`, which says more")]

    async def _wait(self, patience_seconds: float, large_seconds: float) -> Sequence[Result]:
        small, whole, more = self._sent
        seen = await self._arrival(small, patience_seconds)
        if seen is None:
            advice = "what curl printed on the other machine says more"
            told = f"nothing came in within {patience_seconds:.0f} s"
            return [
                failed(Check.WAY_IN, told, advice),
                *(skipped(check, "nothing came in") for check in (Check.AUTHORIZATION, Check.BODY_LIMIT)),
            ]
        arrived = await asyncio.gather(*(self._arrival(each, large_seconds) for each in (whole, more)))
        return [
            ok(Check.WAY_IN, "a probe came in from elsewhere"),
            authorization_of("from elsewhere: ", seen),
            _limit(*(each is not None for each in arrived)),
        ]

    async def _arrival(self, sent: Sent, patience_seconds: float) -> str | None:
        """Return what became of a probe's `Authorization`, None if it does not come in in time."""
        deadline = asyncio.get_running_loop().time() + patience_seconds
        while True:
            authorization = await find_probe(self._db, UUID(sent.probe))
            if authorization is not None or asyncio.get_running_loop().time() >= deadline:
                return authorization
            await asyncio.sleep(LOOK_SECONDS)


def _sent(prober: Prober, size: int) -> Sent:
    probe = str(uuid4())
    named = {**prober.headers_of(probe), "Content-Type": "application/json"}
    headers = " ".join(f"-H '{name}: {value}'" for name, value in named.items())
    post = f"curl -sS -i -X POST {headers} --data-binary @- '{prober.address_of(probe)}'"
    return Sent(probe, f"printf '%{size}s' '' | {post}")


def _limit(is_whole: bool, is_more: bool) -> Result:  # noqa: FBT001 - in the order in which they were sent
    check = Check.BODY_LIMIT
    if not is_whole:
        return failed(check, "from elsewhere: 64 KiB do not come in", MORE_ROOM)
    if not is_more:
        told = "from elsewhere: something before Presshook refuses what is larger than 64 KiB"
        return warning(check, told, f"a little more room does no harm. {MORE_ROOM}")
    return ok(check, "from elsewhere 64 KiB come in, more is refused here")
