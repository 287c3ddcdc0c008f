"""The loop: runs a pass over each order that is due."""

import time
from collections import Counter
from collections.abc import Collection
from dataclasses import replace

import structlog
from sqlalchemy import bindparam
from sqlalchemy.exc import SQLAlchemyError

from app.accounts.store import UnknownAccountError
from app.cloudpress.redaction import concealing
from app.db.errors import DATABASE_AWAY, repeated
from app.db.models import Order
from app.events.timeline import record
from app.events.types import EventType
from app.queue import leases
from app.queue.leases import Claim, Claimed
from app.queue.signals import Signals
from app.queue.worker import Worker
from app.reconciler.choosing import run_pass
from app.reconciler.concluding import put_off
from app.reconciler.dependencies import Dependencies
from app.reconciler.known import read_known
from app.reconciler.passes import Pass, PassResult
from app.reconciler.turns import Turn, Turns
from app.states import PLACED, Attention, OrderStatus, attention
from app.telemetry import tracing
from app.telemetry.defects import where_raised
from app.telemetry.metrics import Metrics

# A pass mostly waits for CloudPress, which costs nothing here: there is room for many accounts that are slow.
SLOTS = 256
ACCOUNT_CONCURRENCY = 8
# How many rows a claim looks at: of one account's there are seldom more slots free, and others come next.
CLAIM_LIMIT = 32
# How many slots have to stay free for each that an account has, before it gets another.
OTHERS_SHARE = 4
# The part of its passes with which an account has enough to ask as often as it may, until more are claimed.
FULL_ENOUGH = 0.5
POLL_SECONDS = 2.0
# While PostgreSQL tells of other replicas' orders, polling is only the backstop.
BACKSTOP_POLL_SECONDS = 10.0
_NOT_OF = Order.account_id.not_in(bindparam("full", expanding=True))

log = structlog.get_logger()


class Reconciler(Worker[Order]):
    """The one loop that moves orders."""

    def __init__(
        self,
        dependencies: Dependencies,
        signals: Signals,
        *,
        slots: int = SLOTS,
        account_concurrency: int = ACCOUNT_CONCURRENCY,
        poll_seconds: float = POLL_SECONDS,
        metrics: Metrics | None = None,
    ) -> None:
        """Prepare the loop, which runs at most `slots` passes at a time; `run` runs it.

        No more than `account_concurrency` requests of an account are in flight at CloudPress. It gets a few
        passes for each of them, so that one whose CloudPress is slow leaves the others room.
        """
        # So many that one account alone may have all its requests in flight. (`_free_slots`)
        slots = max(slots, (OTHERS_SHARE + 1) * account_concurrency)
        super().__init__(
            Order, signals, slots=slots, poll_seconds=poll_seconds, backstop_seconds=BACKSTOP_POLL_SECONDS
        )
        self._dependencies = dependencies
        self._metrics = metrics or Metrics()
        self._turns = Turns(account_concurrency)
        self._in_flight: Counter[str] = Counter()
        self._passed_over: Collection[str] = ()
        """The accounts that were full when the last claim found nothing more of any other.

        None where it did, and none while a claim is under way: nobody knows what that will find.
        """

    @repeated
    async def claim(self, limit: int) -> Claimed[Order]:
        """Claim orders that are due, of each account no more than its slots."""
        self._passed_over = ()
        full = [account for account in self._in_flight if self._free_slots(account) <= 0]
        async with self._dependencies.db.write() as tx:
            self.watch.see(tx)
            is_mended = await self.watch.mend(tx, Order)
            claimed = await leases.claim(
                tx,
                Order,
                limit=min(limit, CLAIM_LIMIT, max(1, self._free() // OTHERS_SHARE)),
                lease_seconds=self._dependencies.lease_seconds,
                only=_NOT_OF if full else None,
                values={"full": full},
                share=leases.Share(Order.account_id, self._free_slots),
                watch=self.watch,
            )
            known = await read_known(tx, [claim.row for claim in claimed.claims])
            for claim in claimed.claims:
                if claim.was_cut_off:
                    record(tx, claim.row.id, EventType.LEASE_TAKEN_OVER, status=claim.row.status)
        claims = tuple(replace(claim, beside=known.get(claim.row.id)) for claim in claimed.claims)
        self._passed_over = () if claimed.is_more_due else full
        self._in_flight.update(claim.row.account_id for claim in claims)
        is_full = any(self._free_slots(account) <= 0 for account in list(self._in_flight))
        # Orders of an account that was full when this began were passed over, though it may be full no more.
        is_more_due = claimed.is_more_due or bool(full) or is_full
        return replace(claimed, claims=claims, is_more_due=is_more_due).again_unless(is_mended)

    def is_news(self, accounts: Collection[str | None]) -> bool:
        """Tell whether it is worth a claim that orders of these accounts are due.

        It is not where all of them are accounts that have no room, which were passed over: what ends there
        is heeded once there is.
        """
        left = {account for account in self._passed_over if not self._has_room(account)}
        return not left.issuperset(accounts)

    def is_room_enough(self) -> bool:
        """Tell whether it is worth a claim that a pass has ended.

        Passes of an account end a few at a time, and most of its others wait for their turn to ask. Where
        nothing is due but of accounts that are full, one of them has to have a good part of its passes free.
        """
        return not self._passed_over or any(map(self._has_room, self._passed_over))

    def _has_room(self, account_id: str) -> bool:
        return self._in_flight[account_id] <= self._turns.most_passes(account_id) * FULL_ENOUGH

    def _free_slots(self, account_id: str) -> int:
        """Return how many more passes an account may have: in all no more than a quarter of what stays free.

        So many accounts that are slow leave slots to one that is not, and one alone gets all it may have.
        """
        own, free = self._in_flight[account_id], self._free()
        room = max((free - OTHERS_SHARE * own) // (OTHERS_SHARE + 1), int(own == 0 < free))
        return min(self._turns.most_passes(account_id) - own, room)

    def _free(self) -> int:
        return self.slots - self._in_flight.total()

    async def give_back(self, claim: Claim[Order]) -> None:
        """Give back an order whose pass was cut off: another process goes on with it."""
        await leases.give_back(self._dependencies.db, claim)

    async def work(self, claim: Claim[Order]) -> None:
        """Run a pass over a claimed order."""
        account_id = claim.row.account_id
        turn = self._turns.of(account_id)
        try:
            is_in_line = claim.row.status == OrderStatus.PENDING and turn.line_up()
            patience_seconds = self._dependencies.lease_reserve_seconds
            if not (is_in_line or await turn.take(patience_seconds, uptime=claim.clock.uptime)):
                await self.give_back(claim)
                return
            with tracing.span("pass", parent=claim.row.traceparent, is_root=True) as span:
                span.tell(order=str(claim.row.id))
                await self._pass(claim, turn, span)
        finally:
            turn.leave()
            self._in_flight[account_id] -= 1
            if self._in_flight[account_id] <= 0:
                del self._in_flight[account_id]
                self._turns.forget(account_id)

    async def _pass(self, claim: Claim[Order], turn: Turn, span: tracing.Span) -> None:
        started = time.monotonic()
        try:
            # CloudPress may tell what it was given for the order in whatever it is asked about it.
            with concealing(*self._dependencies.callback_signer.authorizations(claim.row.id)):
                result = await run_pass(Pass(self._dependencies, claim, turn=turn))
        except UnknownAccountError:
            log.error("account_unknown", order=str(claim.row.id), status=claim.row.status)
            await self._put_off(claim, attention.NO_TOKEN)
        except DATABASE_AWAY as error:
            # The lease runs out by itself, and the order is taken up again when the database is back.
            self._dependencies.db.outages.note(error)
            log.info("pass_failed", order=str(claim.row.id), error=type(error).__name__)
        except Exception as error:  # noqa: BLE001 - one order that our code chokes on must not stop the others
            where = where_raised(error)
            log.error("pass_broken", order=str(claim.row.id), error=where)
            await self._put_off(claim, attention.defect(where))
        else:
            if result is not None and result.due_in_seconds is not None:
                self.wake_in(result.due_in_seconds)
            seconds = time.monotonic() - started
            _log_pass(claim, result, seconds)
            if result is not None:
                span.name(f"pass {result.action}")
                span.tell(before=str(result.before), after=str(result.after))
            self._miss_callback(claim, result)
            self._measure(result, seconds)

    def _miss_callback(self, claim: Claim[Order], result: PassResult | None) -> None:
        """Tell of an order that was found out about by asking alone: callbacks may not get in."""
        finished = result.finished if result is not None else None
        wait_seconds = self._dependencies.schedule.callback_wait_seconds
        if (
            finished is not None
            and finished.since_callback_seconds is None
            and finished.lasted_seconds > wait_seconds
            and result is not None
            and result.before in PLACED
        ):
            detail = "no callback was let in: can CloudPress reach PUBLIC_URL, and was the database there?"
            log.warning("callback_missed", order=str(claim.row.id), status=result.after, detail=detail)

    def _measure(self, result: PassResult | None, seconds: float) -> None:
        if result is None:
            self._metrics.passed("lost", "none", seconds)
            return
        self._metrics.passed(result.action, str(result.after), seconds)
        if result.finished is not None:
            self._metrics.finished(
                str(result.after),
                result.finished.lasted_seconds,
                since_callback_seconds=result.finished.since_callback_seconds,
            )

    async def _put_off(self, claim: Claim[Order], asked: Attention) -> None:
        try:
            due_in_seconds = await put_off(Pass(self._dependencies, claim), asked)
            if due_in_seconds is not None:
                self.wake_in(due_in_seconds)
        except DATABASE_AWAY as error:
            self._dependencies.db.outages.note(error)
        except SQLAlchemyError as error:
            log.error("put_off_failed", order=str(claim.row.id), error=type(error).__name__)


def _log_pass(claim: Claim[Order], result: PassResult | None, seconds: float) -> None:
    if result is None:
        log.info("pass", order=str(claim.row.id), action="lost", duration_ms=round(seconds * 1000))
        return
    begins_to_fail = result.failures.bit_count() == 1  # the first, second, fourth, eighth, … in a row
    tell = log.error if result.attention else log.warning if begins_to_fail else log.info
    tell(
        "pass",
        order=str(claim.row.id),
        before=result.before,
        after=result.after,
        action=result.action,
        failures=result.failures,
        reason=result.reason,
        status=result.status,
        attention=result.attention,
        due_in_seconds=None if result.due_in_seconds is None else round(result.due_in_seconds, 1),
        duration_ms=round(seconds * 1000),
    )
