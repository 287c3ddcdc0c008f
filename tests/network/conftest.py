"""Every test here runs on both event loops that the service may run on."""

import asyncio
from collections.abc import Callable, Mapping

import uvloop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run each test on both loops: `serve` runs on the first, the demo on the second."""
    return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}
