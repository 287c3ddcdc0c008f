"""How many of an account's orders are worked on at a time, and when more of them are claimed."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from app.db.models import Order
from app.db.notice import Notice
from app.orders.callbacks import record_callback
from app.queue import leases
from app.queue.leases import Claim
from app.queue.signals import Signals
from app.reconciler import Reconciler, turns
from app.reconciler.loop import FULL_ENOUGH
from app.reconciler.turns import PASSES_FOR_A_REQUEST
from tests.harness import NEVER_SECONDS, eventually
from tests.reconciler.scripted import ACCOUNT, Bench

pytestmark = pytest.mark.usefixtures("_slow_cloudpress")


async def test_an_account_has_a_few_passes_for_each_request_that_it_may_have_in_flight(bench: Bench) -> None:
    reconciler = Reconciler(bench.dependencies, bench.signals, account_concurrency=3)
    for account in ("acct", "another"):
        for number in range(3 * PASSES_FOR_A_REQUEST + 2):
            await bench.order(f"Shop {number}", account=account)
    claimed: list[Claim[Order]] = []
    while found := (await reconciler.claim(100)).claims:
        claimed += found
    accounts = [claim.row.account_id for claim in claimed]
    assert accounts.count("acct") == accounts.count("another") == 3 * PASSES_FOR_A_REQUEST


async def test_what_a_share_leaves_is_told_to_be_due(bench: Bench) -> None:
    """Slots may be free for it once the claim is committed, and who has freed them has told so already."""
    for number in range(3):
        await bench.order(f"Shop {number}")
    async with bench.db.write() as tx:
        share = leases.Share(Order.account_id, lambda _account: 2)
        claimed = await leases.claim(tx, Order, limit=100, lease_seconds=60, share=share)
    assert (len(claimed.claims), claimed.is_more_due) == (2, True)


async def test_what_a_full_account_leaves_is_told_to_be_due_though_it_is_full_no_more(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pass ends while a claim is under way that has passed over its account's orders."""
    reconciler = Reconciler(bench.dependencies, bench.signals, account_concurrency=1)
    for number in range(PASSES_FOR_A_REQUEST + 1):
        await bench.order(f"Shop {number}")
    assert len((await reconciler.claim(PASSES_FOR_A_REQUEST)).claims) == PASSES_FOR_A_REQUEST
    claim = leases.claim

    async def claim_meanwhile(*arguments: Any, **options: Any) -> Any:
        claimed = await claim(*arguments, **options)
        reconciler._in_flight.clear()
        return claimed

    monkeypatch.setattr(leases, "claim", claim_meanwhile)
    claimed = await reconciler.claim(1)
    assert (claimed.claims, claimed.is_more_due) == ((), True)


async def test_no_account_takes_every_slot(bench: Bench) -> None:
    reconciler = Reconciler(bench.dependencies, bench.signals, account_concurrency=8 // PASSES_FOR_A_REQUEST)
    for number in range(20):
        await bench.order(f"Shop {number}")
    bench.clock.time += timedelta(seconds=1)
    for number in range(4):
        await bench.order(f"Shop {number}", account="another")
    claimed: list[Claim[Order]] = []
    for _ in range(3):
        found = await reconciler.claim(16 - len(claimed))
        assert found.is_more_due, "whoever has free slots comes again at once"
        claimed += found.claims
    accounts = [claim.row.account_id for claim in claimed]
    assert (accounts.count("acct"), accounts.count("another")) == (8, 4)
    await reconciler.work(claimed[0])
    [more] = (await reconciler.claim(4)).claims
    assert more.row.account_id == "acct"


async def test_however_many_accounts_are_slow_there_is_a_slot_for_another(bench: Bench) -> None:
    reconciler = Reconciler(bench.dependencies, bench.signals, slots=32, account_concurrency=8)
    slow = [f"slow {number}" for number in range(6)]
    for account in slow:
        for number in range(20):
            await bench.order(f"Shop {number}", account=account)
    claimed: list[Claim[Order]] = []
    while found := (await reconciler.claim(32 - len(claimed))).claims:
        claimed += found
    shares = Counter(claim.row.account_id for claim in claimed)
    assert shares.keys() == set(slow)
    assert shares.total() < 32, "the slow ones leave something free"
    order_id = await bench.order("Shop", account="another")
    [claim] = (await reconciler.claim(32 - len(claimed))).claims
    assert claim.row.id == order_id


def test_an_account_may_have_as_many_requests_as_it_is_allowed(bench: Bench) -> None:
    reconciler = Reconciler(bench.dependencies, bench.signals, account_concurrency=1000)
    assert reconciler._free_slots("acct") >= 1000


# --- when more are claimed ---------------------------------------------------------------------------


def full(bench: Bench) -> Reconciler:
    """Return a reconciler that may ask once at a time for an account."""
    bench.signals = Signals(bench.db)  # which wakes no other
    return Reconciler(bench.dependencies, bench.signals, account_concurrency=1)


async def filled(bench: Bench) -> tuple[Reconciler, list[Claim[Order]]]:
    """Return a reconciler that has claimed all it may of an account, of which alone more is due."""
    reconciler = full(bench)
    for number in range(PASSES_FOR_A_REQUEST * 2):
        await bench.order(f"Shop {number}")
    claims = list((await reconciler.claim(100)).claims)
    assert not (await reconciler.claim(100)).claims
    bench.signals.due_of(Order).clear()
    return reconciler, claims


def is_heeded(bench: Bench, *accounts: str | None) -> bool:
    """Tell of orders that are due, as a commit does; tell whether that wakes the loop."""
    bench.signals.due_of(Order).clear()
    bench.signals.publish(Notice(due=frozenset(("orders", account) for account in accounts)))
    return bench.signals.due_of(Order).is_set()


async def test_what_a_full_account_gets_besides_is_not_looked_for(bench: Bench) -> None:
    await filled(bench)
    assert not is_heeded(bench, ACCOUNT)
    await bench.order("Late")
    assert not bench.signals.due_of(Order).is_set()


async def test_another_account_is_looked_for_beside_a_full_one(bench: Bench) -> None:
    await filled(bench)
    assert is_heeded(bench, "another")
    assert is_heeded(bench, ACCOUNT, "another")
    assert is_heeded(bench, None), "nobody knows whose"
    await bench.order("Late", account="another")
    assert bench.signals.due_of(Order).is_set()


async def test_callbacks_say_whose_orders_they_make_due(bench: Bench) -> None:
    mine, others = await bench.order("Mine"), await bench.order("Other", account="another")
    bench.clock.time += timedelta(seconds=1)
    await filled(bench)
    await record_callback(bench.db, mine, b"{}")
    assert not bench.signals.due_of(Order).is_set()
    await record_callback(bench.db, others, b"{}")
    assert bench.signals.due_of(Order).is_set()


async def test_a_full_account_is_looked_for_once_enough_of_its_passes_have_ended(bench: Bench) -> None:
    reconciler, claims = await filled(bench)
    enough = PASSES_FOR_A_REQUEST * FULL_ENOUGH
    heeded = []
    for left in range(len(claims) - 1, -1, -1):
        await reconciler.work(claims[left])
        assert reconciler.is_room_enough() == (left <= enough)
        heeded.append(is_heeded(bench, ACCOUNT))
    assert heeded == [left <= enough for left in range(len(claims) - 1, -1, -1)]


async def test_what_comes_while_a_claim_is_under_way_is_looked_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the claim has seen it, nobody knows; and it may find that the account is full no more."""
    reconciler, _claims = await filled(bench)
    claim, heeded = leases.claim, []

    async def claim_meanwhile(*arguments: Any, **options: Any) -> Any:
        claimed = await claim(*arguments, **options)
        heeded.extend([is_heeded(bench, ACCOUNT), reconciler.is_room_enough()])
        return claimed

    monkeypatch.setattr(leases, "claim", claim_meanwhile)
    await reconciler.claim(100)
    assert heeded == [True, True], "what is due, and that a pass has ended"
    assert not is_heeded(bench, ACCOUNT)
    assert not reconciler.is_room_enough()


async def test_where_more_is_due_of_others_any_end_is_worth_a_claim(bench: Bench) -> None:
    reconciler = full(bench)
    for account in ("acct", "another"):
        for number in range(PASSES_FOR_A_REQUEST + 1):
            await bench.order(f"Shop {number}", account=account)
    await reconciler.claim(PASSES_FOR_A_REQUEST)
    [claim] = (await reconciler.claim(1)).claims
    assert (claim.row.account_id, reconciler._free_slots("acct")) == ("another", 0)
    assert reconciler.is_room_enough()
    assert is_heeded(bench, "acct")


@pytest.fixture
async def running(bench: Bench) -> AsyncIterator[Reconciler]:
    """A reconciler that runs and never polls: what it is not told of it never finds."""
    bench.accounts.add("another")
    bench.signals = Signals(bench.db)  # which wakes no other
    reconciler = Reconciler(
        bench.dependencies, bench.signals, account_concurrency=2, poll_seconds=NEVER_SECONDS
    )
    task = asyncio.create_task(reconciler.run(grace_seconds=1))
    yield reconciler
    bench.signals.stop()
    await task


@pytest.mark.parametrize("wait_seconds", [0.0, turns.WAIT_SECONDS])
async def test_every_order_of_a_full_account_has_its_turn_without_polling(
    bench: Bench, running: Reconciler, wait_seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They come while passes end, claims are under way and the account is full."""
    monkeypatch.setattr(turns, "WAIT_SECONDS", wait_seconds)
    passes = running._turns.most_passes(ACCOUNT)
    for number in range(passes * 4):
        await bench.order(f"Shop {number}")
        if number % 5 == 0:
            await asyncio.sleep(0)
    for number in range(passes):
        await bench.order(f"Shop {number}", account="another")

    async def statuses() -> Counter[str]:
        return Counter(order.status for order in await bench.orders())

    ended = await eventually(statuses, lambda found: found["pending"] + found["placing"] == 0)
    assert ended.total() == passes * 5
