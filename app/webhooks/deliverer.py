"""The loop that delivers: claims deliveries that are due, and sends each.

An endpoint has few slots, and while it fails a single one, so that one that hangs takes no place that
another needs. Where many of them are slow, the last quarter of all slots is for those to which nothing is
being sent: each gets one, whatever waits for the others.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from random import Random
from uuid import UUID

import structlog
from sqlalchemy import bindparam, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload, undefer

from app.db.database import Database
from app.db.errors import DATABASE_AWAY, repeated
from app.db.models import Delivery, DeliveryAttempt, Event, Order, Webhook
from app.db.transactions import Transaction
from app.queue import leases
from app.queue.leases import Claim, Claimed
from app.queue.signals import Signals
from app.queue.worker import Worker
from app.telemetry import tracing
from app.telemetry.metrics import Metrics
from app.webhooks.messages import body_of, message_id
from app.webhooks.outcomes import Attempt, decide
from app.webhooks.registry import disable, secrets_of
from app.webhooks.sender import Sender
from app.webhooks.signing import sign

SLOTS = 256
SLOTS_OF_A_WEBHOOK = 4
RESERVED_SHARE = 4
"""The last so manieth part of the slots is for webhooks to which nothing is being sent."""
POLL_SECONDS = 3.0
BACKSTOP_POLL_SECONDS = 10.0
# Longer than an attempt may take, with time to write down how it ended.
LEASE_SECONDS = 30.0
# Built once: each delivery asks these, and each replica the first of them after each commit.
_FIRST_DUE = (
    select(Delivery.id)
    .where(Delivery.webhook_id == Webhook.id, leases.is_claimable(Delivery))
    .order_by(Delivery.due_at, Delivery.id)
    .limit(1)
    .correlate(Webhook)
    .scalar_subquery()
)
_FIRST_OF_EACH = Delivery.id.in_(
    select(_FIRST_DUE).select_from(Webhook).where(Webhook.id.not_in(bindparam("full", expanding=True)))
)
_TO_SEND = (
    select(Delivery)
    .where(Delivery.id == bindparam("id"), Delivery.lease_token == bindparam("token"))
    .options(selectinload(Delivery.event).undefer(Event.shown))
)
_WEBHOOK = select(Webhook).where(Webhook.id == bindparam("id"))
_RECEIVER = _WEBHOOK.options(undefer(Webhook.secret), undefer(Webhook.former_secret))
_LOCKED = _WEBHOOK.with_for_update(key_share=True)

log = structlog.get_logger()


class Deliverer(Worker[Delivery]):
    """The one loop that sends deliveries."""

    def __init__(
        self,
        db: Database,
        signals: Signals,
        sender: Sender,
        *,
        random: Random,
        poll_seconds: float = POLL_SECONDS,
        wall_seconds: Callable[[], float] = time.time,
        metrics: Metrics | None = None,
    ) -> None:
        """Prepare; `wall_seconds` is the time that messages are stamped with, in seconds since 1970."""
        super().__init__(
            Delivery, signals, slots=SLOTS, poll_seconds=poll_seconds, backstop_seconds=BACKSTOP_POLL_SECONDS
        )
        self._db = db
        self._sender = sender
        self._random = random
        self._wall_seconds = wall_seconds
        self._metrics = metrics or Metrics()
        self._in_flight: Counter[UUID] = Counter()
        self._failing: set[UUID] = set()

    @repeated
    async def claim(self, limit: int) -> Claimed[Delivery]:
        """Claim what is due, of each webhook no more than its slots."""
        claims: list[Claim[Delivery]] = []
        taken = Counter(self._in_flight)
        async with self._db.write() as tx:
            self.watch.see(tx)
            is_mended = await self.watch.mend(tx, Delivery)
            while True:
                one_each = await self._claim_one_each(tx, taken, limit - len(claims))
                claims += one_each.claims
                taken.update(claim.row.webhook_id for claim in one_each.claims)
                if not one_each.claims or len(claims) == limit:
                    break
        self._in_flight.update(claim.row.webhook_id for claim in claims)
        full = self._full(taken, limit - len(claims))
        is_more_due = bool(full) or len(claims) == limit
        return replace(one_each, claims=tuple(claims), is_more_due=is_more_due).again_unless(is_mended)

    @property
    def _reserved(self) -> int:
        """How many slots are for webhooks to which nothing is being sent."""
        return self.slots // RESERVED_SHARE

    async def _claim_one_each(self, tx: Transaction, taken: Counter[UUID], free: int) -> Claimed[Delivery]:
        """Claim one delivery of each webhook that may have one of the free slots: the longest due."""
        full, reserved = self._full(taken, free), self._reserved
        return await leases.claim(
            tx,
            Delivery,
            limit=free - reserved if free > reserved else free,
            lease_seconds=LEASE_SECONDS,
            only=_FIRST_OF_EACH,
            values={"full": full},
            watch=self.watch,
        )

    def _full(self, taken: Counter[UUID], free: int) -> list[UUID]:
        """Return the webhooks that may have none of the slots that are free besides what they have taken."""
        most = SLOTS_OF_A_WEBHOOK if free > self._reserved else 1
        return [each for each, count in taken.items() if count >= (1 if each in self._failing else most)]

    async def work(self, claim: Claim[Delivery]) -> None:
        """Send a claimed delivery and write down how that ended."""
        webhook_id = claim.row.webhook_id
        began = time.monotonic()
        try:
            try:
                attempt = await self._attempt(claim)
            except (SQLAlchemyError, *DATABASE_AWAY):
                raise
            except Exception as error:  # noqa: BLE001 - one delivery that our code chokes on stops no other
                log.error("delivery_broken", delivery=str(claim.row.id), error=type(error).__name__)
                attempt = Attempt(None, error=f"A defect of Presshook ({type(error).__name__}): report it.")
            if attempt is not None:
                attempt = replace(attempt, seconds=time.monotonic() - began)
                (self._failing.discard if attempt.is_success else self._failing.add)(webhook_id)
                await self._conclude(claim, attempt)
                self._measure(claim, attempt, time.monotonic() - began)
        # The lease runs out by itself; then it is sent again, which its id tells the receiver.
        except DATABASE_AWAY as error:
            self._db.outages.note(error)
            log.info("delivery_failed", delivery=str(claim.row.id), error=type(error).__name__)
        except SQLAlchemyError as error:
            log.error("delivery_failed", delivery=str(claim.row.id), error=type(error).__name__)
        finally:
            self._in_flight[webhook_id] -= 1
            self._in_flight += Counter()  # forgets those with none

    def _measure(self, claim: Claim[Delivery], attempt: Attempt, seconds: float) -> None:
        age_seconds = self._wall_seconds() - claim.row.created_at.timestamp()
        lag_seconds = age_seconds if attempt.is_success and claim.row.failures == 0 else None
        self._metrics.attempt("taken" if attempt.is_success else "failed", seconds, lag_seconds=lag_seconds)

    async def give_back(self, claim: Claim[Delivery]) -> None:
        """Give back a delivery whose attempt was cut off: another process sends it, perhaps once more."""
        await leases.give_back(self._db, claim)

    async def _attempt(self, claim: Claim[Delivery]) -> Attempt | None:
        """Send; None if there is nothing to send any more."""
        async with self._db.read() as session:
            asked = {"id": claim.row.id, "token": claim.token}
            delivery = (await session.scalars(_TO_SEND, asked)).one_or_none()
            webhook = (await session.scalars(_RECEIVER, {"id": claim.row.webhook_id})).one_or_none()
            now = await self._db.now(session)
            traceparent = await _trace_of(session, delivery) if tracing.is_on() else None
        if delivery is None or webhook is None:
            return None
        if not webhook.is_enabled:
            return Attempt(None, error="The webhook was disabled.")
        body = body_of(delivery)
        headers = sign(message_id(delivery), int(self._wall_seconds()), body, secrets_of(webhook, now))
        with tracing.span("deliver", kind="client", parent=traceparent, is_root=True) as span:
            attempt = await self._sender.send(webhook.url, headers, body)
            span.tell(delivery=str(delivery.id), status=attempt.status or 0)
        return attempt

    @repeated
    async def _conclude(self, claim: Claim[Delivery], attempt: Attempt) -> None:
        async with self._db.write() as tx:
            # The webhook first, as everywhere, so that two transactions never wait for each other.
            webhook = (await tx.session.scalars(_LOCKED, {"id": claim.row.webhook_id})).one_or_none()
            delivery = await leases.hold(tx, claim)
            if delivery is None or webhook is None:
                return
            was_enabled = webhook.is_enabled
            status, due_in_seconds = await self._write(tx, webhook, delivery, attempt, claim)
        if due_in_seconds is not None:
            self.wake_in(due_in_seconds)
        begins_to_fail = not attempt.is_success and delivery.failures.bit_count() == 1
        is_given_up = was_enabled and (status == "failed" or not webhook.is_enabled)
        tell = log.error if is_given_up else log.warning if begins_to_fail else log.info
        tell(
            "delivery",
            delivery=str(delivery.id),
            webhook=str(webhook.id),
            answered=attempt.status,
            error=attempt.error,
            status=status,
            failures=delivery.failures,
            webhook_disabled=webhook.disabled_reason if was_enabled else None,
            due_in_seconds=None if due_in_seconds is None else round(due_in_seconds, 1),
        )

    async def _write(
        self,
        tx: Transaction,
        webhook: Webhook,
        delivery: Delivery,
        attempt: Attempt,
        claim: Claim[Delivery],
    ) -> tuple[str, float | None]:
        delivery.attempts += 1
        delivery.last_attempt_at = tx.now
        delivery.response_status, delivery.response_excerpt = attempt.status, attempt.excerpt
        delivery.error = attempt.error
        tx.session.add(
            DeliveryAttempt(
                delivery_id=delivery.id,
                number=delivery.attempts,
                ended_at=tx.now,
                duration_ms=round(attempt.seconds * 1000),
                response_status=attempt.status,
                response_excerpt=attempt.excerpt,
                error=attempt.error,
            )
        )
        if attempt.is_success:
            webhook.failing_since = None
            delivery.delivered_at = tx.now
        elif webhook.failing_since is None:
            webhook.failing_since = tx.now
        failing_for = timedelta() if webhook.failing_since is None else tx.now - webhook.failing_since
        outcome = decide(attempt, failures=delivery.failures, failing_for=failing_for, random=self._random)
        status, delay_seconds = outcome.status, outcome.delay_seconds
        if not webhook.is_enabled and status == "pending":
            status, delay_seconds = "failed", None
        delivery.status = status
        if not attempt.is_success:
            delivery.failures += 1
        due_at = None if delay_seconds is None else tx.now + timedelta(seconds=delay_seconds)
        if delivery.wakes != claim.wakes and webhook.is_enabled:
            # Asked for again while it was under way.
            delivery.status, delivery.failures = "pending", 0
        leases.release(tx, delivery, claim, due_at)
        if outcome.disabled_reason is not None and webhook.is_enabled:
            await disable(tx, webhook, outcome.disabled_reason)
        if delivery.status != "pending":
            delivery.due_at = None
        return delivery.status, delay_seconds


async def _trace_of(session: AsyncSession, delivery: Delivery | None) -> str | None:
    """Return the trace of the order that a delivery tells of, None if it has none."""
    if delivery is None or delivery.event is None or delivery.event.order_id is None:
        return None
    found = select(Order.traceparent).where(Order.id == delivery.event.order_id)
    return (await session.execute(found)).scalar_one_or_none()
