"""Takes orders, with everything that can go wrong at that."""

import asyncio
from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from app.sandbox import wire
from app.sandbox.config import SandboxConfig
from app.sandbox.faults import GATEWAY_STATUSES, FaultError, FaultPlan, use_up
from app.sandbox.misbehaviour import dropped, errors, gateway_page
from app.sandbox.state import Order, State
from app.sandbox.work import Work

SUCCESS = 201
REFUSALS = {
    500: "Internal error",
    401: "Invalid credentials",
    402: "The account is suspended",
    403: "Trial accounts cannot order sites",
    422: "The site's name is taken",
}


class Placing:
    """Makes orders."""

    def __init__(self, config: SandboxConfig, state: State, plan: FaultPlan, work: Work) -> None:
        """Take orders into `state`."""
        self._config = config
        self._state = state
        self._plan = plan
        self._work = work
        # Faults outlast an attempt that made no order, so that "twice, then well" can be had.
        self._drawn: dict[tuple[str, str], dict[str, float]] = {}

    async def place(self, request: Request, account_id: str, body: Any) -> Response:  # noqa: ANN401 - JSON
        """Check an order, make it, answer: in this order, unless a fault has it otherwise."""
        wrong = wire.order_errors(body)
        if wrong:
            return errors(422, *wrong)
        name = body["site"]["name"]
        drawn = self._drawn.pop((account_id, name), None)
        try:
            faults = self._plan.draw(name) if drawn is None else drawn
        except FaultError as error:
            return errors(422, str(error))
        refused = _refused(request, faults)
        if refused is not None:
            self._drawn[account_id, name] = faults
            return refused
        order = self._state.add_order(
            account_id=account_id, site=body["site"], callback=body.get("callback"), faults=faults
        )
        if "callback-early" in faults:
            await self._work.end_before_answer(order)
        elif self._config.payment_first or "payment-first" in faults:
            order.status = "awaiting_payment"
            order.payment_url = f"{self._base_url(request)}/pay/{order.id}"
        else:
            self._work.begin(order)
        return await _answer(request, order)

    def _base_url(self, request: Request) -> str:
        return (self._config.public_url or str(request.base_url)).rstrip("/")


def _refused(request: Request, faults: dict[str, float]) -> Response | None:
    """Return the answer to an order that is not made."""
    for status, text in REFUSALS.items():
        if use_up(faults, f"place-{status}"):
            return errors(status, text)
    for status in GATEWAY_STATUSES:
        if use_up(faults, f"place-{status}"):
            return gateway_page(status)
    if use_up(faults, "place-dropped"):
        return dropped(request)
    wait_seconds = faults.pop("place-429", None)
    if wait_seconds is not None:
        return errors(429, "Slow down", headers={"Retry-After": f"{wait_seconds:.0f}"})
    return None


async def _answer(request: Request, order: Order) -> Response:
    """Answer an order that was made, well or badly."""
    faults = order.faults
    if "place-slow" in faults:
        await asyncio.sleep(faults["place-slow"])
    if "place-500-after" in faults:
        return errors(500, "Internal error")
    if "place-502-after" in faults:
        return gateway_page(502)
    if "place-lost" in faults:
        return dropped(request)
    if "place-not-json" in faults:
        return PlainTextResponse("OK")
    return JSONResponse(wire.placed(order), int(faults.get("place-status", SUCCESS)))
