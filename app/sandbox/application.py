"""Puts the sandbox together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from app.sandbox import browsing, control, provider
from app.sandbox.calls import CallLog
from app.sandbox.config import SandboxConfig
from app.sandbox.faults import FaultPlan
from app.sandbox.misbehaviour import Droppable, errors
from app.sandbox.parts import Parts
from app.sandbox.placing import Placing
from app.sandbox.state import State, unused_task_id
from app.sandbox.work import Work

# Put together once: all sandboxes of a process share what FastAPI finds out about the routes.
_INCLUDING = APIRouter()
for _router in (provider.router, browsing.router, control.router):
    _INCLUDING.include_router(_router)


def create_sandbox(config: SandboxConfig) -> FastAPI:
    """Return a sandbox. Its lifespan runs the tasks and sends the callbacks.

    Raises:
        FaultError: a rate is of no known fault, or is not between 0 and 1.
    """
    random = Random(config.seed)  # noqa: S311 - a sandbox's ids and passwords are no secrets
    state = State(random) if config.seed is not None else State(random, last_task_id=unused_task_id())
    plan = FaultPlan(random)
    plan.set_rates(config.fault_rates)
    work = Work(config, state)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with work.run():
            yield

    app = FastAPI(title="Sandbox: a stand-in CloudPress", lifespan=lifespan, redirect_slashes=False)
    app.state.parts = Parts(dict(config.accounts), state, plan, work, Placing(config, state, plan, work))
    app.router.routes.extend(_INCLUDING.routes)
    app.add_middleware(CallLog)
    app.add_middleware(Droppable)

    app.add_exception_handler(provider.ApiError, _refused)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _failed)
    return app


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, provider.ApiError)  # noqa: S101 - as it is registered
    return error.response


async def _malformed(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    # Without the input, which may be what no answer can hold, such as NaN.
    return errors(422, *(f"{problem['loc'][-1]}: {problem['msg']}" for problem in error.errors()))


async def _failed(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    return errors(error.status_code, str(error.detail))
