"""The applications of the simulation: told by webhook, they answer well, badly, late or not at all."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import datetime
from random import Random
from typing import Any
from uuid import UUID

from app.db.database import Database
from app.db.errors import DATABASE_AWAY
from app.events.timeline import Actor
from app.orders.lifecycle_events import LifecycleEvent
from app.webhooks import redelivering, registry
from app.webhooks.outcomes import Attempt
from tests.simulation.provider import Chaos
from tests.simulation.sqlite import CrashedError
from tests.simulation.times import EPOCH

# One is told of everything, the other of what is final.
WANTS: dict[str, tuple[str, ...] | None] = {
    "https://everything.test/": None,
    "https://final.test/": (LifecycleEvent.COMPLETED, LifecycleEvent.FAILED, LifecycleEvent.CANCELLED),
}
GONE_RATE = 0.02
SIMULATION = Actor("simulation")


class Applications:
    """What the applications were told, and how they answer while there is chaos."""

    def __init__(self, random: Random, chaos: Chaos) -> None:
        """Draw how badly they behave."""
        self._random = random
        self._chaos = chaos
        self._trouble = random.choice([0, 0.2, 0.7])
        self.ids: dict[str, UUID] = {}
        self.taken: defaultdict[str, dict[str, bytes]] = defaultdict(dict)
        """By URL and message id, what was taken."""
        self.repeats = 0
        self.lies: list[str] = []

    async def register(self, db: Database) -> None:
        """Have the webhooks made."""
        for url, types in WANTS.items():
            self.ids[url] = (
                await registry.make_webhook(db, registry.NewWebhook(url, types), by=SIMULATION)
            ).stored.id

    def sender(self, is_crashed: Callable[[], bool], thawed: Callable[[], Awaitable[None]]) -> "Postman":
        """Return what one process sends with."""
        return Postman(self, is_crashed, thawed)

    async def answer(self, url: str, headers: dict[str, str], body: bytes) -> Attempt:
        """Take a message, or not."""
        random = self._random
        await asyncio.sleep(random.choice([0, 0.01, 0.5]))
        troubled = not self._chaos.calm and random.random() < self._trouble
        kind = random.choice(["refused", "500", "503", "lost", "hangs"]) if troubled else "well"
        if kind in {"well", "lost", "hangs"}:
            self._take(url, headers["webhook-id"], body)
        if kind == "hangs":
            await asyncio.sleep(15)
        if kind in {"lost", "hangs", "refused"}:
            return Attempt(None, error=kind)
        if not self._chaos.calm and random.random() < GONE_RATE:
            return Attempt(410, error="gone")
        if kind == "well":
            return Attempt(200, excerpt="thanks")
        after = random.choice([None, 1.0, 700.0]) if kind == "503" else None
        return Attempt(int(kind), error="trouble", retry_after_seconds=after)

    def _take(self, url: str, message_id: str, body: bytes) -> None:
        known = self.taken[url].setdefault(message_id, body)
        self.repeats += known is not body
        if known != body:
            self.lies.append(f"{url} was told two things as {message_id}")

    async def recover(self, db: Callable[[], Database], since: datetime) -> None:
        """Be the operator who enables again what was disabled, and has sent again what was missed."""
        for webhook_id in self.ids.values():
            while True:
                try:
                    await registry.change_webhook(db(), webhook_id, {"is_enabled": True}, by=SIMULATION)
                    await redelivering.redeliver_since(db(), webhook_id, since)
                    break
                except DATABASE_AWAY:
                    await asyncio.sleep(1)

    def complaints(
        self, events: list[dict[str, Any]], deliveries: list[dict[str, Any]], *, restored: bool
    ) -> list[str]:
        """Return what is wrong at the end: whatever was not told, or was told and should not have been.

        Of a database that was restored they know more than it does.
        """
        undelivered = [it for it in deliveries if it["status"] != "delivered"]
        found = [*self.lies, *(f"delivery {it['id']} is {it['status']} in the end" for it in undelivered)]
        for url, types in WANTS.items():
            wanted = {f"evt_{it['id']}": it for it in events if types is None or it["type"] in types}
            # What happened while our clock showed a time from before the webhook is not sent afterwards.
            unasked = {message_id for message_id, event in wanted.items() if event["at"] < EPOCH}
            missed = wanted.keys() - self.taken[url].keys() - unasked
            too_much = set() if restored else self.taken[url].keys() - wanted.keys()
            if missed or too_much:
                found.append(f"{url} was not told {missed}, and {too_much} too much")
                continue
            for message_id in wanted.keys() & self.taken[url].keys():
                event = wanted[message_id]
                told = json.loads(self.taken[url][message_id])
                if (told["type"], told["sequence"], told["data"]) != (
                    event["type"],
                    event["id"],
                    event["shown"],
                ):
                    found.append(f"{url} was told otherwise than it was: {message_id}")
        return found


class Postman:
    """The sender of one process."""

    def __init__(
        self,
        applications: Applications,
        is_crashed: Callable[[], bool],
        thawed: Callable[[], Awaitable[None]],
    ) -> None:
        """Send for as long as the process lives."""
        self._applications = applications
        self._is_crashed = is_crashed
        self._thawed = thawed

    async def send(self, url: str, headers: dict[str, str], body: bytes) -> Attempt:
        """Send a message."""
        await self._thawed()
        if self._is_crashed():
            raise CrashedError("crashed")
        attempt = await self._applications.answer(url, headers, body)
        await self._thawed()
        if self._is_crashed():
            raise CrashedError("crashed")
        return attempt
