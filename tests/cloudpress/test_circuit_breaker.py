"""While CloudPress is down, one request at a time finds that out."""

import asyncio

import pytest

from app.cloudpress import Answer, CloudPress, Connections, NoAnswer, NotSent, Refused, Task
from app.cloudpress.circuit_breaker import CircuitBreaker


class Scripted(CloudPress):
    """A client whose answers to `task` a test gives one by one: the real one cannot be down on demand."""

    def __init__(self) -> None:
        super().__init__(Connections(), "http://127.0.0.1:9", token="t", account_id="a", timeout_seconds=1)
        self.asked = 0
        self.answers: asyncio.Queue[Exception | None] = asyncio.Queue()

    async def task(self, task_id: int, *, timeout_seconds: float | None = None) -> Answer[Task]:
        """Answer as the test says next."""
        self.asked += 1
        error = await self.answers.get()
        if error is not None:
            raise error
        return Answer(Task(id=task_id, status="OK"), b"", None)


async def test_one_request_probes_and_the_others_are_held_back() -> None:
    scripted = Scripted()
    probe = CircuitBreaker(scripted)
    scripted.answers.put_nowait(NoAnswer("down", kind="timeout"))
    with pytest.raises(NoAnswer):
        await probe.task(1)
    probing = asyncio.create_task(probe.task(1))
    await asyncio.sleep(0)
    for _ in range(5):
        with pytest.raises(NotSent) as caught:
            await probe.task(1)
        assert caught.value.kind == "held_back"
    assert scripted.asked == 2
    scripted.answers.put_nowait(None)
    assert (await probing).value.status == "OK"
    both = asyncio.gather(probe.task(1), probe.task(1))
    scripted.answers.put_nowait(None)
    scripted.answers.put_nowait(None)
    assert len(await both) == 2


async def test_a_refusal_is_an_answer() -> None:
    scripted = Scripted()
    probe = CircuitBreaker(scripted)
    for error in (NotSent("down", kind="connect"), Refused(500)):
        scripted.answers.put_nowait(error)
        with pytest.raises(type(error)):
            await probe.task(1)
    both = asyncio.gather(probe.task(1), probe.task(1))
    scripted.answers.put_nowait(None)
    scripted.answers.put_nowait(None)
    assert len(await both) == 2
