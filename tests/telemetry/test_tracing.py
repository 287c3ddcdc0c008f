"""Traces: one order's life is one tree at a collector, its callback linked; who wants none pays nothing."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs

from app.server.embedded import serving
from app.server.listening import listen
from app.telemetry import tracing
from tests.harness import Sandbox, eventually, run_presshook
from tests.receiver import Receiver

STRANGER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
LOCAL = "127.0.0.0/8"


@dataclass
class Collector:
    """What was exported."""

    spans: list[Any] = field(default_factory=list)
    services: set[str] = field(default_factory=set)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take an export."""
        if scope["type"] != "http":
            return
        request = ExportTraceServiceRequest.FromString(await Request(scope, receive).body())
        for resource in request.resource_spans:
            named = {each.key: each.value.string_value for each in resource.resource.attributes}
            self.services.add(named["service.name"])
            self.spans += [span for part in resource.scope_spans for span in part.spans]
        await Response()(scope, receive, send)

    def named(self, name: str) -> list[Any]:
        """Return the spans of a name."""
        return [span for span in self.spans if span.name == name]


@pytest.fixture
async def collector(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Collector]:
    """A collector, to which this process exports."""
    collector = Collector()
    async with serving(collector, listen("127.0.0.1", 0)) as url:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
        tracing.start(role="serve")
        assert tracing.is_on()
        yield collector
        await asyncio.to_thread(tracing.stop)


async def test_one_order_s_life_is_one_tree_with_the_callback_linked(
    database_url: str, sandbox: Sandbox, receiver: Receiver, collector: Collector
) -> None:
    async with run_presshook(database_url, sandbox.url, webhook_allowed_networks=LOCAL) as presshook:
        hook = {"url": receiver.url, "event_types": ["order.completed"]}
        receiver.secrets.append((await presshook.client.post("/v1/webhooks", json=hook)).json()["secret"])
        placed = await presshook.order("Rosa's Bakery")
        order_id = placed.json()["id"]
        await presshook.until(order_id, "completed")

        async def exported() -> set[str]:
            return {span.name for span in collector.spans}

        wanted = {"POST /v1/orders", "pass place", "pass observe", "deliver", "CloudPress site"}
        await eventually(exported, lambda names: {*wanted, "POST /v1/callbacks/{order_id}"} <= names)
    [ordered] = collector.named("POST /v1/orders")
    tree = [span for span in collector.spans if span.trace_id == ordered.trace_id]
    ids = {span.span_id for span in tree}
    assert [span.name for span in tree if span.parent_span_id not in ids] == ["POST /v1/orders"]
    assert {*wanted, "CloudPress place", "CloudPress order", "CloudPress task"} <= {
        span.name for span in tree
    }
    [place] = [span for span in tree if span.name == "pass place"]
    [asked] = [span for span in tree if span.name == "CloudPress place"]
    assert asked.parent_span_id == place.span_id
    callback = collector.named("POST /v1/callbacks/{order_id}")[0]
    assert (callback.parent_span_id, callback.trace_id == ordered.trace_id) == (b"", False)
    assert [(link.trace_id, link.span_id) for link in callback.links] == [(place.trace_id, place.span_id)]
    assert collector.services == {"presshook"}
    told = str(collector.spans)
    assert not [word for word in ("Bakery", "acct-tests", "Bearer", receiver.url) if word in told]


async def test_a_stranger_s_headers_decide_nothing_on_a_callback(
    database_url: str, sandbox: Sandbox, collector: Collector
) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        order_id = (await presshook.order("Unpaid [payment-first]")).json()["id"]
        value = presshook.service.dependencies.callback_signer.authorization(order_id)
        async with httpx.AsyncClient(base_url=presshook.url, trust_env=False) as cloudpress:
            for sent in (value, "Bearer forged"):
                headers = {"Authorization": sent, "traceparent": STRANGER}
                await cloudpress.post(f"/v1/callbacks/{order_id}", headers=headers)

        async def callbacks() -> list[Any]:
            return collector.named("POST /v1/callbacks/{order_id}")

        [span] = await eventually(callbacks, bool)
        assert span.trace_id.hex() != STRANGER.split("-")[1]
        assert span.parent_span_id == b""


async def test_a_client_s_trace_is_gone_on_with(
    database_url: str, sandbox: Sandbox, collector: Collector
) -> None:
    traceparent = STRANGER.removesuffix("00") + "01"
    async with run_presshook(database_url, sandbox.url) as presshook:
        await presshook.client.get("/v1/orders", headers={"traceparent": traceparent})

        async def seen() -> list[Any]:
            return collector.named("GET /v1/orders")

        [span] = await eventually(seen, bool)
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == tuple(traceparent.split("-")[1:3])


async def test_lines_of_the_log_name_their_trace(collector: Collector) -> None:
    assert tracing.add_trace_id(None, "info", {"event": "x"}) == {"event": "x"}
    with tracing.span("outer"):
        told = tracing.add_trace_id(None, "info", {"event": "x"})
        current = tracing.current()
    assert current is not None
    assert told["trace_id"] == current.split("-")[1]
    assert collector.services <= {"presshook"}


async def test_an_error_is_told_by_its_kind_alone(collector: Collector) -> None:
    with pytest.raises(ValueError, match="s3cr3t"), tracing.span("failing"):
        raise ValueError("s3cr3t")

    async def seen() -> list[Any]:
        return collector.named("failing")

    [span] = await eventually(seen, bool)
    assert "ValueError" in str(span)
    assert "s3cr3t" not in str(span)


@pytest.mark.parametrize(
    ("environment", "is_wanted"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "presshook"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, False),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, False),
    ],
)
def test_the_standard_variables_decide(environment: dict[str, str], is_wanted: bool) -> None:  # noqa: FBT001
    assert tracing.is_wanted(environment) == is_wanted


def test_what_cannot_be_traced_is_told_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    with capture_logs() as logs:
        tracing.start(role="serve", environment={**wanted, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})
        monkeypatch.setattr(tracing, "find_spec", lambda _name: None)
        tracing.start(role="serve", environment=wanted)
    assert ["http/protobuf" in logs[0]["detail"], "presshook[otel]" in logs[1]["detail"]] == [True, True]
    assert not tracing.is_on()
    with tracing.span("x", parent="whatever") as span:
        span.tell(order="1")
    assert tracing.current() is None


def test_without_the_wish_nothing_of_the_extra_is_imported() -> None:
    # FastAPI itself brings OpenTelemetry's bare interface, which does nothing.
    script = (
        "import sys, app.cli.serve; from app.telemetry import tracing; tracing.start(role='serve'); "
        "ours = ('opentelemetry.sdk', 'opentelemetry.exporter', 'app.telemetry.otel'); "
        "print([name for name in sys.modules if name.startswith(ours)])"
    )
    ended = subprocess.run([sys.executable, "-c", script], env={}, capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"
