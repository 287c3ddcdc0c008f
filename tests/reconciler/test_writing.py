"""What passes write together is as if each had written alone."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.db.models import Order
from app.orders.changing import ForbiddenTransitionError
from app.queue.leases import Claim
from app.reconciler.loop import Reconciler
from app.reconciler.passes import Pass
from app.reconciler.writing import Held
from app.states import OrderStatus
from tests.harness import eventually
from tests.reconciler.scripted import ACCOUNT, Bench

Write = Callable[[Held], Awaitable[Any]]


async def claimed(bench: Bench, number: int) -> list[Claim[Order]]:
    """Accept orders and claim them, as they were accepted."""
    for each in range(number):
        await bench.order(f"Shop {each}")
    claims = (await bench.reconciler.claim(100)).claims
    assert len(claims) == number
    return sorted(claims, key=lambda claim: claim.row.id)


async def together(bench: Bench, claims: list[Claim[Order]], *writes: Write) -> list[Any]:
    """Write in one transaction what each pass writes; return what came of each."""
    begun, first = asyncio.Event(), asyncio.Event()

    async def hold_up(_: Held) -> None:
        begun.set()
        await first.wait()

    # What comes while this one is written gathers.
    holding = asyncio.create_task(Pass(bench.dependencies, claims[0]).write(hold_up))
    await begun.wait()
    writing = [
        asyncio.create_task(Pass(bench.dependencies, claim).write(write, named=("cp-1",)))
        for claim, write in zip(claims, writes, strict=True)
    ]
    await asyncio.sleep(0)
    first.set()
    await holding
    return list(await asyncio.gather(*writing, return_exceptions=True))


async def move(held: Held, status: OrderStatus) -> None:
    held.order.status = status


async def number_of(written: list[UUID]) -> int:
    return len(written)


async def statuses(bench: Bench) -> list[str]:
    return [str(order.status) for order in await bench.orders()]


async def test_all_of_them_are_in_one_transaction(bench: Bench) -> None:
    claims = await claimed(bench, 3)
    sizes: list[int] = []
    bench.set(measure_batch=lambda size, _seconds: sizes.append(size))
    await together(bench, claims, *[lambda held: move(held, OrderStatus.PLACING)] * 3)
    assert sizes == [1, 3]
    assert await statuses(bench) == ["placing"] * 3


async def test_who_cannot_be_written_fails_alone_and_what_he_has_found_is_whole(bench: Bench) -> None:
    claims = await claimed(bench, 3)
    found: list[set[str]] = []

    async def fail(held: Held) -> None:
        found.append(set(held.findings.duplicates))
        held.findings.duplicates.add("cp-9")
        held.order.status = OrderStatus.PLACING
        raise ForbiddenTransitionError

    good = lambda held: move(held, OrderStatus.PLACING)  # noqa: E731 - three in a row
    results = await together(bench, claims, good, fail, good)
    assert [type(result) for result in results] == [type(None), ForbiddenTransitionError, type(None)]
    assert await statuses(bench) == ["placing", "pending", "placing"]
    assert found == [set(), set()], "tried with the others and alone, each time with what had been found"


async def test_who_has_lost_his_lease_writes_nothing(bench: Bench) -> None:
    claims = await claimed(bench, 2)
    claims[1] = replace(claims[1], token=UUID(int=1))
    results = await together(bench, claims, *[lambda held: move(held, OrderStatus.PLACING)] * 2)
    assert results == [None, None]
    assert await statuses(bench) == ["placing", "pending"]


async def test_two_cannot_come_to_hold_one_order(bench: Bench) -> None:
    """The second one finds it held by the first: the database refuses nothing, and no step is run again."""
    claims = await claimed(bench, 2)
    run: list[UUID] = []

    async def take(held: Held) -> bool:
        run.append(held.order.id)
        if await held.loaded.is_held_by_another(held.order, "cp-1"):
            return False
        held.order.cloudpress_order_id = "cp-1"
        held.loaded.note_holder(held.order)
        return True

    assert await together(bench, claims, take, take) == [True, False]
    assert run == [claim.row.id for claim in claims]


async def test_two_cannot_come_to_have_one_site(bench: Bench) -> None:
    """The second one finds it taken by the first, before anything of it has reached the database."""
    claims = await claimed(bench, 2)

    async def take(held: Held) -> bool:
        if await held.loaded.is_site_of_another(held.order, "site-1"):
            return False
        held.loaded.note_site(held.order, "site-1")
        return True

    assert await together(bench, claims, take, take) == [True, False]


async def test_who_has_locked_an_order_holds_up_no_other(postgres_url: str) -> None:
    bench = Bench(postgres_url)
    claims = await claimed(bench, 3)
    locked = claims[1].row.id
    written: list[UUID] = []

    async def write(held: Held) -> None:
        written.append(held.order.id)

    async with bench.db.write() as tx:
        await tx.session.get_one(Order, locked, with_for_update=True)
        waiting = asyncio.create_task(together(bench, claims, write, write, write))
        await eventually(lambda: number_of(written), lambda number: number == 2)
        assert locked not in written
    await waiting
    assert written[2:] == [locked], "he was waited for, and is written"
    await bench.db.dispose()


@pytest.mark.parametrize("number", [1, 3])
async def test_no_more_of_an_account_ask_than_may(bench: Bench, number: int) -> None:
    asking, most = 0, 0
    place = bench.cloudpress.place

    async def slowly(*arguments: Any, **options: Any) -> Any:
        nonlocal asking, most
        asking += 1
        most = max(most, asking)
        for _ in range(20):  # whoever could ask now would
            await asyncio.sleep(0)
        asking -= 1
        return await place(*arguments, **options)

    bench.cloudpress.place = slowly  # type: ignore[method-assign]
    reconciler = Reconciler(bench.dependencies, bench.signals, account_concurrency=number)
    for each in range(9):
        await bench.order(f"Shop {each}")
    while claims := (await reconciler.claim(100)).claims:
        await asyncio.gather(*(reconciler.work(claim) for claim in claims))
    assert most == number
    assert [order.account_id for order in await bench.orders()] == [ACCOUNT] * 9
    assert await statuses(bench) == ["provisioning"] * 9


async def test_who_has_waited_long_for_his_turn_gives_the_order_back(bench: Bench) -> None:
    reconciler = Reconciler(bench.dependencies, bench.signals, account_concurrency=1)
    place = bench.cloudpress.place

    async def hang(*arguments: Any, **options: Any) -> Any:
        bench.clock.time += timedelta(seconds=bench.dependencies.lease_seconds / 3)
        return await place(*arguments, **options)

    bench.cloudpress.place = hang  # type: ignore[method-assign]
    for each in range(2):
        await bench.order(f"Shop {each}")
    claims = (await reconciler.claim(100)).claims
    await asyncio.gather(*(reconciler.work(claim) for claim in claims))
    orders = await bench.orders()
    assert sorted(str(order.status) for order in orders) == ["pending", "provisioning"]
    [back] = [order for order in orders if order.status == "pending"]
    assert (back.lease_token, back.due_at) == (None, bench.clock.time)


async def test_an_intent_whose_pass_was_cut_off_while_it_was_written_is_taken_back(bench: Bench) -> None:
    claims = await claimed(bench, 2)
    begun, first = asyncio.Event(), asyncio.Event()

    async def hold_up(_: Held) -> None:
        begun.set()
        await first.wait()

    holding = asyncio.create_task(Pass(bench.dependencies, claims[0]).write(hold_up))
    await begun.wait()
    placing = asyncio.create_task(bench.reconciler._work_or_give_back(claims[1]))
    for _ in range(20):  # until its intent waits to be written
        await asyncio.sleep(0)
    placing.cancel()
    first.set()
    await holding
    with pytest.raises(asyncio.CancelledError):
        await placing
    assert await statuses(bench) == ["pending", "pending"], "nobody takes it for cut off"
    assert bench.cloudpress.count("place") == 0
    bench.clock.time += timedelta(seconds=30)
    assert await bench.work() == 1, "the other is still held"
    assert bench.cloudpress.count(f"place {claims[1].row.site_name}") == 1
