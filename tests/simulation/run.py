"""One simulated life: replicas that crash, a CloudPress that misbehaves, clients that retry; from one seed.

The reconciler, the leases, the intake and the SQL are the real ones. The invariants are checked at steps and
at the end.
"""

import asyncio
import gc
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from random import Random
from typing import Any, NoReturn
from uuid import UUID

import pytest
from sqlalchemy import ColumnElement, event
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from app.cloudpress import SiteOrder
from app.cloudpress.circuit_breaker import CircuitBreaker
from app.db.clock import asking_for_time
from app.db.database import Database
from app.db.notice import Notice
from app.db.url import async_database_url
from app.maintenance import after_restore as restoring
from app.orders import intake as orders
from app.orders.callbacks import CallbackIntake
from app.queue.signals import Signals
from app.reconciler import Dependencies, Reconciler, looking_up
from app.schedule import Schedule
from app.webhooks import outbox, registry
from app.webhooks.deliverer import Deliverer
from tests.reconciler.rare_looks import RareLooks
from tests.simulation.applications import Applications
from tests.simulation.engines import share_compiled_statements
from tests.simulation.habits import PLACID, STEPS_SECONDS, Habits, draw, none
from tests.simulation.invariants import Auditor, ViolationError
from tests.simulation.loop import VirtualLoop
from tests.simulation.people import ACCOUNT, SECRETS, People
from tests.simulation.postgresql import PostgresConnections
from tests.simulation.provider import Chaos, CloudPressTruth, MadeOrder, SimulatedCloudPress
from tests.simulation.reader import Reader
from tests.simulation.rules import Rules
from tests.simulation.sqlite import Connection, CrashedError
from tests.simulation.times import EPOCH, Times

GRACE_SECONDS = 300.0
LEASE_SECONDS = 20.0
UPSTREAM_TIMEOUT_SECONDS = 5.0
CALLBACK_WAIT_SECONDS = 60.0
POLL_SECONDS = 3600.0
FREEZE_SECONDS = (LEASE_SECONDS / 2, LEASE_SECONDS * 1.5, 60.0)
CHAOS_SECONDS = 3600.0
DRAWN = "drawn"
CALM_STEP_SECONDS = 900.0
CALM_SECONDS = 9 * 3600.0
LASTING_SECONDS = 27 * 3600.0
"""How long it lasts where something has to have lasted for a day before a person is told."""
LOOK_EVERY_SECONDS = 1.0
LONG_FREEZE_SECONDS = (60.0, 400.0, 1500.0)


class PlainCipher:
    """Encrypts nothing: what is encrypted is not what is proven here, and it costs half of the time."""

    def encrypt(self, value: bytes) -> bytes:
        """Return the value."""
        return value

    def decrypt(self, value: bytes) -> bytes:
        """Return the value."""
        return value


@dataclass(eq=False)
class Process:
    """What becomes of a replica's process: it may stand still for a while, and crash."""

    crashed: bool = False
    frozen_until: float = 0.0
    machine: str = "the machine of all"
    booted_before_seconds: float = 0.0
    """How long its machine had been up when the life began."""
    halts_anywhere: bool = False
    """Whether it may stand still in the middle of a transaction too."""
    sleeps: list[tuple[float, float]] = field(default_factory=list)
    """From when to when its machine slept, in the loop's time: its monotonic clock did not go on."""
    connections: list[Connection] = field(default_factory=list)
    """To SQLite."""

    def is_crashed(self) -> bool:
        """Tell whether it is gone."""
        return self.crashed

    def stand_still(self, seconds: float, *, asleep: bool = False) -> None:
        """Have it stand still from now on; a machine that is asleep does not know of it afterwards."""
        now = asyncio.get_running_loop().time()
        self.frozen_until = max(self.frozen_until, now + seconds)
        if asleep:
            self.sleeps.append((now, now + seconds))

    async def thawed(self) -> None:
        """Wait while it stands still: a machine that swaps, a paused container, a laptop that sleeps."""
        await asyncio.sleep(max(0.0, self.frozen_until - asyncio.get_running_loop().time()))

    async def halted(self) -> None:
        """Wait the same way between two statements."""
        while self.halts_anywhere and self.frozen_until > asyncio.get_running_loop().time():
            await self.thawed()

    def monotonic(self) -> float:
        """Return what its monotonic clock shows, which a machine's sleep does not move."""
        now = asyncio.get_running_loop().time()
        return now - sum(max(0.0, min(end, now) - begin) for begin, end in self.sleeps)


class VirtualClock:
    """The database's clock, as one replica reads it when its transaction begins, and the process's own."""

    def __init__(self, times: Times, process: Process) -> None:
        """Let nothing begin while the process stands still."""
        self._times = times
        self._process = process

    async def now(self, session: AsyncSession, *also: ColumnElement[Any]) -> datetime:
        """Return the wall clock's time."""
        await self._process.thawed()
        if also:
            await session.execute(asking_for_time(*also))
        return self._times.give()

    @property
    def boot(self) -> str:
        """Return which machine's start the uptime is counted from."""
        return self._process.machine

    def uptime(self) -> float:
        """Return seconds that count the machine's sleep as well, as Linux's `CLOCK_BOOTTIME` does."""
        return asyncio.get_running_loop().time() + self._process.booted_before_seconds

    def monotonic(self) -> float:
        """Return seconds that do not; nobody asks for them, and whoever does again is found out."""
        return self._process.monotonic()


class OrderedSignals(Signals):
    """Wakes in the same order each time: that of a set of words differs from process to process."""

    def publish(self, notice: Notice) -> None:
        """Wake who waits for what the notice tells."""
        for table in sorted({table for table, _account in notice.due}):
            due = frozenset(each for each in notice.due if each[0] == table)
            super().publish(Notice(due=due))
        super().publish(replace(notice, due=frozenset()))


@dataclass(eq=False)
class Replica:
    """One process of the service, which runs until it crashes."""

    name: str
    process: Process
    db: Database
    signals: Signals
    reconciler: Reconciler
    deliverer: Deliverer
    callbacks: CallbackIntake
    running: tuple[asyncio.Task[None], ...] = ()

    @property
    def crashed(self) -> bool:
        """Whether it is gone."""
        return self.process.crashed


@dataclass
class Simulation:
    """One life, and what was seen of it."""

    seed: int
    url: str
    habits: Habits = field(default_factory=none)
    random: Random = field(init=False)
    times: Times = field(default_factory=Times)
    replicas: list[Replica] = field(default_factory=list)
    trace: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    placing: bool = True
    """Whether replicas that start from now on may place orders."""
    is_restoring: bool = False
    pace: type[Schedule] = field(init=False)
    """How often what is as it was is looked at: in every other life as the service does it."""
    violation: str | None = None
    postgres: PostgresConnections = field(default_factory=PostgresConnections)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.pace = Random(f"pace of {self.seed}").choice([Schedule, RareLooks])
        random = self.random
        kinds = (
            "well",
            "not_sent",
            "held_off",
            "rejected",
            "failed",
            "very_late",
            "lost",
            "failed_after",
            "garbled",
            "anothers",
        )
        placements = {kind: random.random() ** 2 for kind in kinds}
        placements["very_late"] *= random.choice([0, 0, 0.5])
        self.chaos = Chaos(
            read_failures=random.choice([0, 0.1, 0.4]),
            placements=placements,
            callback_loss=random.choice([0, 0.3, 1]),
            unpaid=random.choice([0, 0.3]),
            reticence=random.choice([0, 0, 0.5]),
            hiding=random.choice([0, 0, 0.3]),
            skew_seconds=random.choice([0, 0, -200, 200]),
            dateless=random.choice([0, 0.2]),
            page=random.choice([100, 100, 2]),
        )
        self.crash_every_steps = random.choice([300, 1000, 4000])
        self.freeze_every_steps = random.choice([200, 1000, 10**9])
        self.next_look_seconds = 0.0
        self.placing_off_seconds = random.choice([0, 0, 0, 800])
        self.grace_seconds = self.habits.grace_seconds if self.habits.are_on else GRACE_SECONDS
        self._be_as_habits_say()
        self.next_mishap_step = self.steps_to_mishap()
        self.reader = Reader(self.url)
        self.truth = CloudPressTruth(
            random,
            self.chaos,
            Times.true,
            self.call_back,
            self.grace_seconds,
            self.before_post,
            self.touch,
            self.held_by_another,
            self.habits,
            EPOCH,
            self.posted,
            self.note,
            self.listed_page,
        )
        rules = Rules(
            self.reader,
            self.truth,
            self.times,
            self.grace_seconds,
            LEASE_SECONDS,
            self.violate,
        )
        self.auditor = Auditor(self.reader, self.truth, self.times.wall, self.grace_seconds, rules)
        self.people = People(
            random,
            self.chaos,
            self.truth,
            self.auditor,
            lambda: self.anyone().db,
            lambda: self.anyone().callbacks,
            self.note,
        )
        self.applications = Applications(random, self.chaos)
        restores = self.url.startswith("sqlite") and random.random() < 0.2 and PLACID not in self.habits
        self.restore_after_seconds = random.choice([30, 300, 1500]) if restores else None

    def _be_as_habits_say(self) -> None:
        """Have what else goes wrong fit the habits, so that they can show."""
        habits, chaos = self.habits, self.chaos
        if not habits.are_on:
            return
        for kind in ("lost", "failed_after", "failed"):
            chaos.placements[kind] = max(chaos.placements[kind], 0.3)
        if {"pages", "clamps", "sorting"} & habits.drawn:
            chaos.page = 4
        if "meddling" in habits:
            chaos.placements["very_late"], chaos.callback_loss, chaos.read_failures = 2, 0, 0.4
        if "retry_after" in habits:
            chaos.placements |= {"very_late": 2, "held_off": 1}
        if "strangers" in habits:
            chaos.placements["very_late"] = max(chaos.placements["very_late"], 1)
            chaos.callback_loss = min(chaos.callback_loss, 0.3)
        if "renumbering" in habits:
            chaos.unpaid = max(chaos.unpaid, 0.5)
        if PLACID in habits:
            chaos.placements = {"well": 0.3, "not_sent": 0.2, "failed": 1, "lost": 0.5}
            chaos.read_failures = min(chaos.read_failures, 0.1)
            chaos.reticence = chaos.hiding = chaos.skew_seconds = chaos.dateless = chaos.callback_loss = 0
            chaos.unpaid, chaos.page, self.placing_off_seconds = 0, 100, 0
            self.crash_every_steps = self.freeze_every_steps = 10**9

    @property
    def is_sqlite(self) -> bool:
        """Whether the life is on SQLite."""
        return self.url.startswith("sqlite")

    # CloudPress is made first, and who judges and hears it after it.

    async def call_back(self, made: MadeOrder) -> None:
        """Send the callback of an order."""
        await self.people.call_back(made)

    def before_post(self, order_id: UUID, placing: bool) -> datetime:  # noqa: FBT001 - a callback of the provider
        """Judge a request to place an order."""
        return self.auditor.before_post(order_id, placing)

    def posted(self, order_id: UUID, site: SiteOrder) -> None:
        """Have others act at the moment at which a request is sent."""
        self.people.posted(order_id, site)
        if "our_clock" in self.habits and not self.chaos.calm and self.random.random() < 0.5:
            self.call_in(self.random.choice([0.005, 1, 60, 400]), self.step_clock)

    def call_in(self, seconds: float, call: Callable[[], None]) -> None:
        """Call something then."""
        asyncio.get_running_loop().call_later(seconds, call)

    def step_clock(self) -> None:
        """Have our wall clock step."""
        seconds = self.random.choice(STEPS_SECONDS)
        self.times.step(seconds)
        self.auditor.step_excuse(seconds)
        self.counts["clock_steps"] += 1
        self.auditor.excuse_until(self.times.wall() + timedelta(seconds=abs(seconds)))
        self.note(f"our clock steps by {seconds:.0f} s")

    def listed_page(self, page: int, orders: int) -> None:
        """Judge a request for a page of the list."""
        self.auditor.rules.listed_page(page, orders)

    def violate(self, text: str) -> NoReturn:
        """Tell of a broken invariant."""
        self.auditor.violate(text)

    def touch(self) -> None:
        """Have the invariants checked."""
        self.auditor.touch()

    def committed(self, tables: frozenset[str]) -> None:
        """Have the invariants checked on what was committed."""
        self.reader.forget(tables)
        self.auditor.touch()

    def held_by_another(self, order_id: UUID) -> str | None:
        """Draw a CloudPress order that another order holds."""
        rows = self.reader.orders().items()
        held: list[str | None] = [row["cloudpress_order_id"] for other, row in rows if other != order_id]
        return self.random.choice([it for it in held if it is not None] or [None])

    @property
    def accepted(self) -> set[UUID]:
        """The orders that were accepted and must not be lost."""
        return self.auditor.accepted

    # --- life ---------------------------------------------------------------------------------------

    async def live(self) -> None:
        """Live through chaos and the calm after it, and check what came of it."""
        self.placing = not self.placing_off_seconds
        for number in range(self.random.choice([1, 1, 2, 3])):
            self.start(f"r{number}")
        self.chaos.calm = True
        await self.applications.register(self.anyone().db)
        self.chaos.calm = False
        self.auditor.begin()
        clients = range(self.random.randint(2, 5))
        acts = [*(self.people.order(number) for number in clients), self.people.others_orders()]
        acts += [self.people.lie(), self.people.operate(), self.let_place(), self.restore()]
        acts += [self.people.steadily(), self.restore_cloudpress(), self.refuse_on()]
        acting = [asyncio.create_task(act) for act in acts]
        await asyncio.sleep(CHAOS_SECONDS)
        self.chaos.calm = True
        await asyncio.gather(*acting)
        for replica in list(self.replicas):
            if replica.crashed:
                self.replicas.remove(replica)
        if not self.replicas:
            self.start("calm")
        # A clock that stepped back has given times from before the beginning.
        await self.applications.recover(lambda: self.anyone().db, EPOCH - timedelta(days=1))
        has_to_last = "refusals" in self.habits or any(made.is_gone for made in self.truth.orders.values())
        await self.calm_down(LASTING_SECONDS if has_to_last else CALM_SECONDS)
        self.check_end()
        await self.end()

    async def calm_down(self, seconds: float) -> None:
        """Let time pass until nothing can happen any more, or so long."""
        while seconds > 0 and (self.truth.working or self.reader.is_anything_due()):
            await asyncio.sleep(CALM_STEP_SECONDS)
            seconds -= CALM_STEP_SECONDS

    async def refuse_on(self) -> None:
        """Have CloudPress refuse every order from some moment on."""
        if "refusals" in self.habits:
            await asyncio.sleep(self.habits.refusing_after_seconds)
            self.truth.refusing_since = Times.true()
            self.note(f"CloudPress refuses every order from now on: {self.habits.refusal}")

    async def restore_cloudpress(self) -> None:
        """Have CloudPress itself be restored from a backup, or number its tasks anew."""
        if "renumbering" not in self.habits:
            return
        await asyncio.sleep(self.random.choice([20, 100, 700, 1500]))
        if self.random.random() < 0.5:
            self.truth.renumber()
            self.note("CloudPress numbers its tasks anew")
        else:
            lost = self.truth.restore(self.random.choice([60, 600]))
            self.note(f"CloudPress is restored, without {lost}")
            self.people.order_instead(len(lost))

    async def let_place(self) -> None:
        """Be the operator who starts every replica anew with placing on."""
        if self.placing:
            return
        await asyncio.sleep(self.placing_off_seconds)
        self.placing = True
        self.counts["placing_off"] += 1
        for replica in list(self.replicas):
            self.crash(replica)

    async def restore(self) -> None:
        """Copy the database, and put the copy back later as an operator does after a loss."""
        if self.restore_after_seconds is None:
            return
        await asyncio.sleep(self.random.choice([5, 100, 700]))
        copied, copied_at = self.reader.copy(), self.times.true()
        finals = dict(self.auditor.finals)
        self.note("the database is copied")
        await asyncio.sleep(self.restore_after_seconds)
        self.is_restoring = True
        for replica in list(self.replicas):
            self.crash(replica)
        self.auditor.excuse_until(self.times.wall() + timedelta(hours=1))
        await asyncio.sleep(1)
        self.reader.put_back(copied)
        self.note("the copy is put back")
        self.counts["restores"] += 1
        db = self.connect(Process())
        # As `presshook after-restore` does.
        await restoring.skip_event_numbers(db)
        await restoring.doubt_unplaced_orders(db)
        await db.dispose()
        self.is_restoring = False
        self.auditor.restore(finals)
        self.auditor.rules.forget(copied_at)
        self.start("restored")
        self.auditor.excused_until = self.times.wall()

    def check_end(self) -> None:
        """Check what came of it all."""
        self.auditor.check()
        self.auditor.check_end()
        complaints = self.applications.complaints(
            self.reader.lifecycle_events(), self.reader.deliveries(), restored=self.auditor.restored
        )
        for complaint in complaints:
            self.auditor.violate(complaint)

    def note(self, text: str) -> None:
        """Add to the trace."""
        self.trace.append(f"{asyncio.get_running_loop().time():12.3f} {text}")

    def connect(self, process: Process) -> Database:
        """Return what a process has of the database."""

        def connect(path: str, busy_seconds: float) -> Connection:
            connection = Connection(
                path,
                busy_seconds,
                is_crashed=process.is_crashed,
                thawed=process.halted,
                committed=self.committed,
            )
            process.connections.append(connection)
            return connection

        creator = self.postgres.creator(process.is_crashed)
        db = Database(
            async_database_url(self.url),
            PlainCipher(),
            clock=VirtualClock(self.times, process),
            connect_arguments={} if self.is_sqlite else {"async_creator_fn": creator},
            connect_sqlite=connect,
        )
        share_compiled_statements(db)
        return db

    def start(self, name: str) -> None:
        """Start a replica."""
        if self.is_restoring:
            return
        process = Process(halts_anywhere="stops" in self.habits or "sleep" in self.habits)
        if self.habits.has_many_machines:
            process.machine = f"the machine of {name}"
            process.booted_before_seconds = self.random.choice([0.0, 1e3, 1e7])
        self.times.booted_before_seconds[process.machine] = process.booted_before_seconds
        db = self.connect(process)
        if not db.is_sqlite:
            _silence_the_dead(db, process.is_crashed)
        if process.halts_anywhere:
            self.halt_in_transactions(db, process)
        signals = OrderedSignals(db)
        provider = CircuitBreaker(
            SimulatedCloudPress(
                self.truth,
                ACCOUNT,
                UPSTREAM_TIMEOUT_SECONDS,
                process.is_crashed,
                process.thawed,
                placing=self.placing,
                stand_still=lambda seconds: self.halt(process, seconds),
            )
        )

        async def provide(_account_id: str) -> CircuitBreaker:
            return provider

        world = Dependencies(
            db=db,
            providers=provide,
            callback_signer=SECRETS,
            public_url="http://presshook.test",
            schedule=self.pace(CALLBACK_WAIT_SECONDS, self.grace_seconds, self.random),
            lease_seconds=LEASE_SECONDS,
            upstream_timeout_seconds=UPSTREAM_TIMEOUT_SECONDS,
            placing=self.placing,
        )
        reconciler = Reconciler(world, signals, poll_seconds=POLL_SECONDS)
        deliverer = Deliverer(
            db,
            signals,
            self.applications.sender(process.is_crashed, process.thawed),
            random=self.random,
            poll_seconds=POLL_SECONDS,
            wall_seconds=lambda: self.times.wall().timestamp(),
        )
        replica = Replica(name, process, db, signals, reconciler, deliverer, CallbackIntake(db))
        # As NOTIFY does between processes.
        db.on_commit(lambda notice: self.hear(replica, notice))
        replica.running = (
            asyncio.create_task(reconciler.run(grace_seconds=1)),
            asyncio.create_task(deliverer.run(grace_seconds=1)),
        )
        self.replicas.append(replica)
        self.note(f"{name} starts")

    def hear(self, speaker: Replica, notice: Notice) -> None:
        """Carry a notice to the other replicas."""
        for replica in self.replicas:
            if replica is not speaker and not replica.crashed:
                for payload in sorted(notice.payloads):
                    replica.signals.hear(payload)

    def step(self, steps: int, seconds: float) -> None:
        """Check what has changed; perhaps crash a replica between two steps."""
        auditor = self.auditor
        # Between two changes only time can break an invariant.
        if auditor.dirty or auditor.broken or seconds >= self.next_look_seconds:
            self.next_look_seconds = seconds + LOOK_EVERY_SECONDS
            if not self.is_restoring:
                auditor.step()
        if steps >= self.next_mishap_step and not self.chaos.calm:
            self.go_wrong()
            self.next_mishap_step = steps + self.steps_to_mishap()

    def steps_to_mishap(self) -> int:
        """Draw how many steps it is to the next crash or freeze."""
        rate = 1 / self.crash_every_steps + 1 / self.freeze_every_steps
        return 1 + int(self.random.expovariate(rate))

    def go_wrong(self) -> None:
        """Crash or freeze a replica, where one lives."""
        alive = [replica for replica in self.replicas if not replica.crashed]
        if not alive:
            return
        one = self.random.choice(alive)
        if self.random.random() < self.freeze_every_steps / (
            self.crash_every_steps + self.freeze_every_steps
        ):
            self.crash(one)
        else:
            self.freeze(one)

    def freeze(self, replica: Replica) -> None:
        """Let a replica stand still, perhaps for longer than its leases last; then it goes on unaware."""
        seconds = self.random.choice(FREEZE_SECONDS)
        self.note(f"{replica.name} stands still for {seconds:.0f} s")
        self.counts["freezes"] += 1
        self.auditor.excuse_until(self.times.wall() + timedelta(seconds=seconds))
        replica.process.frozen_until = asyncio.get_running_loop().time() + seconds

    def halt(self, process: Process, seconds: float) -> None:
        """Let a process stand still; where machines sleep, perhaps its clock with it."""
        asleep = "sleep" in self.habits
        self.note(f"a process {'sleeps' if asleep else 'stands still'} for {seconds:.0f} s")
        self.counts["halts"] += 1
        self.auditor.excuse_until(self.times.wall() + timedelta(seconds=seconds))
        process.stand_still(seconds, asleep=asleep)

    def halt_in_transactions(self, db: Database, process: Process) -> None:
        """Let a process stand still while it holds locks, now and then: above all as it intends a request."""

        def halt(share: float) -> None:
            if not (self.chaos.calm or process.crashed) and self.random.random() < share:
                self.halt(process, self.random.choice(LONG_FREEZE_SECONDS))

        def executing(*arguments: Any) -> None:
            statement: str = arguments[2]
            if statement.startswith("INSERT INTO placements"):
                halt(0.15)
            elif statement.startswith(("UPDATE", "INSERT")):
                halt(0.003)

        event.listen(db.engine.sync_engine, "before_cursor_execute", executing)

    def crash(self, replica: Replica) -> None:
        """Kill a replica: whatever it has not sent or committed is gone."""
        self.note(f"{replica.name} crashes")
        self.counts["crashes"] += 1
        replica.process.crashed = True
        self.replicas.remove(replica)
        for task in (*replica.running, *replica.reconciler.running, *replica.deliverer.running):
            task.cancel()
        for connection in replica.process.connections:
            connection.die()
        self.postgres.cut()
        name = f"{replica.name}'"
        seconds = self.random.choice([0, 1, 60])
        self.auditor.excuse_until(self.times.wall() + timedelta(seconds=seconds))
        asyncio.get_running_loop().call_later(seconds, lambda: self.start(name))

    def anyone(self) -> Replica:
        """Return a replica that lives."""
        alive = [replica for replica in self.replicas if not replica.crashed]
        if not alive:
            raise CrashedError("nobody is there")
        return self.random.choice(alive)

    async def end(self) -> None:
        """End everything."""
        for task in list(self.truth.working):
            task.cancel()
        for replica in self.replicas:
            replica.signals.stop()
            await asyncio.gather(*replica.running)
            await replica.db.dispose()

    def told(self) -> Counter[str]:
        """Return how much happened."""
        return Counter(
            seeds=1,
            orders=len(self.accepted),
            placements=self.auditor.placements,
            cloudpress_orders=len(self.truth.orders),
            deliveries=sum(len(taken) for taken in self.applications.taken.values()),
            failed=int(self.violation is not None),
            **self.counts,
            **self.auditor.rules.counts,
            **self.people.counts,
        )


def _silence_the_dead(db: Database, is_crashed: Callable[[], bool]) -> None:
    """Let a crashed process say nothing more to PostgreSQL, whatever its code still tries.

    On SQLite its connections see to it.
    """

    def refuse(*_arguments: object) -> None:
        if is_crashed():
            raise CrashedError("crashed")

    event.listen(db.engine.sync_engine, "before_cursor_execute", refuse)
    event.listen(db.engine.sync_engine, "commit", refuse)


def simulate(seed: int, url: str, *, habits: str | None = None) -> Simulation:
    """Run one life on a migrated, empty database; a violation is in the result, with its trace.

    `habits` is `drawn`, or the name of the one that this world has; without, it is the tame world of old.
    """
    loop = VirtualLoop(Random(seed))
    asyncio.set_event_loop(loop)
    has = none() if habits is None else draw(seed, None if habits == DRAWN else habits)
    simulation = Simulation(seed, url, has)
    simulation.trace.append(f"habits: {has}, {simulation.pace.__name__}")
    loop.on_step = simulation.step

    def committed(_session: Session) -> None:
        simulation.auditor.touch()

    if not simulation.is_sqlite:
        event.listen(Session, "after_commit", committed)
    patches = pytest.MonkeyPatch()
    # What is collected when depends on all that ran before, and ends what dead processes had begun.
    gc.collect()
    if not gc.get_freeze_count():
        # What is loaded stays, and need not be looked through for each life. Once: what whoever asked for the
        # life before still holds would stay as well, with its connections.
        gc.freeze()
    gc.disable()
    patches.setattr(looking_up, "FULL_PAGE", simulation.chaos.page, raising=False)
    # Ids that come from the machine's clock would sort otherwise each time.
    numbers = count(1)
    for module in (orders, outbox, registry):
        patches.setattr(module, "uuid7", lambda: UUID(int=next(numbers)))
    # A broken invariant is found between two steps, where no coroutine could be told of it.
    try:
        loop.run_until_complete(simulation.live())
    except ViolationError as error:
        simulation.violation = str(error)
        simulation.trace.append(f"{loop.time():12.3f} violation: {error}")
    finally:
        loop.on_step = None
        if not simulation.is_sqlite:
            event.remove(Session, "after_commit", committed)
        patches.undo()
        gc.enable()
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        ended = asyncio.gather(*left, return_exceptions=True)
        # A life that ended between its last step and being heard of has left word to stop the loop.
        while not ended.done():
            with suppress(RuntimeError):
                loop.run_until_complete(ended)
        simulation.postgres.close()
        simulation.reader.close()
        loop.close()
        asyncio.set_event_loop(None)
    return simulation
