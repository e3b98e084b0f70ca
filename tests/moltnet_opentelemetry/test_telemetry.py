"""What OpenTelemetry's own SDK gets of a store's calls, through its exporters in memory."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import define
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader, NumberDataPoint
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler
from opentelemetry.trace import SpanKind, StatusCode, get_current_span
from tests.postgres.shared import shared_server

from moltnet_core import (
    Actor,
    AgentRegistration,
    AsyncStore,
    Message,
    Part,
    Room,
    RoomNotFoundError,
    Store,
    Target,
    hookimpl,
    open_async_store,
    open_store,
)
from moltnet_opentelemetry import Telemetry

SECRET = "s3cret"


@define
class Collected:
    """An application's providers, and what they got."""

    spans: InMemorySpanExporter
    reader: InMemoryMetricReader
    tracer_provider: TracerProvider
    meter_provider: MeterProvider

    @classmethod
    def made(cls, sampler: Sampler = ALWAYS_ON) -> Collected:
        spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
        traces = TracerProvider(sampler, shutdown_on_exit=False)
        traces.add_span_processor(SimpleSpanProcessor(spans))
        return cls(spans, reader, traces, MeterProvider([reader], shutdown_on_exit=False))

    def telemetry(self, attributes: Mapping[str, str | int] | None = None) -> Telemetry:
        return Telemetry(attributes, tracer_provider=self.tracer_provider, meter_provider=self.meter_provider)

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans.get_finished_spans() if span.name == name]

    def points(self, name: str) -> list[Any]:
        """The points of a metric, as they are now."""
        data = self.reader.get_metrics_data()
        found = [] if data is None else [each for one in data.resource_metrics for each in one.scope_metrics]
        return [point for each in found for one in each.metrics if one.name == name for point in one.data.data_points]

    def numbers(self, name: str) -> dict[object, float]:
        """The numbers of a metric, by store, and by state if it has that."""
        return {
            tuple((point.attributes or {}).get(f"db.client.connection.{each}") for each in ("pool.name", "state")): (
                point.value
            )
            for point in self.points(name)
            if isinstance(point, NumberDataPoint)
        }


@pytest.fixture
def collected() -> Collected:
    return Collected.made()


def hello(message_id: str = "m1", room_id: str = "general") -> Message:
    return Message("local", Target.room(room_id), Actor("agent", SECRET), [Part("text", SECRET)], id=message_id)


# -- spans -------------------------------------------------------------------------------------------------


def test_a_call_is_a_span_of_the_conventions(collected: Collected, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/chat.db"
    with open_store(url, environ={}, plugins=[collected.telemetry({"db.namespace": "chat"})]) as store:
        store.create_room(Room("general", "local"))
        store.append_message(hello())
    (span,) = collected.named("append_message")
    assert span.kind is SpanKind.CLIENT
    assert span.attributes == {
        "db.system.name": "sqlite",
        "db.operation.name": "append_message",
        "db.namespace": "chat",
    }
    assert span.status.status_code is StatusCode.UNSET
    assert span.parent is None
    assert span.instrumentation_scope is not None
    assert span.instrumentation_scope.name == "moltnet_opentelemetry"


def test_postgres_has_the_name_that_the_conventions_give_it(collected: Collected) -> None:
    server = shared_server()
    with open_store(server.url(schema=server.new_schema()), environ={}, plugins=[collected.telemetry()]) as store:
        store.ping()
        assert collected.numbers("db.client.connection.max") == {("postgres", None): store.stats().driver["pool.size"]}
    (span,) = collected.named("ping")
    assert span.attributes == {"db.system.name": "postgresql", "db.operation.name": "ping"}


def test_what_is_kept_in_memory_is_no_client_s_call(collected: Collected) -> None:
    with open_store("memory://", environ={}, plugins=[collected.telemetry()]) as store:
        store.ping()
    (span,) = collected.named("ping")
    assert span.kind is SpanKind.INTERNAL


def test_an_error_is_told_by_its_class_alone(collected: Collected) -> None:
    with (
        open_store("memory://", environ={}, plugins=[collected.telemetry()]) as store,
        pytest.raises(RoomNotFoundError),
    ):
        store.append_message(hello(room_id=SECRET))
    (span,) = collected.named("append_message")
    assert span.attributes is not None
    assert span.attributes["error.type"] == "RoomNotFoundError"
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, None)
    assert list(span.events) == []
    assert not get_current_span().get_span_context().is_valid


def test_nothing_that_was_said_and_no_id_is_told(collected: Collected) -> None:
    with open_store("memory://", environ={}, plugins=[collected.telemetry()]) as store:
        store.create_room(Room(SECRET, "local", name=SECRET, members=(SECRET,)))
        store.register_agent(AgentRegistration(SECRET, "local", f"token:{SECRET}", SECRET))
        store.append_messages([hello(f"{SECRET}1", SECRET), hello(f"{SECRET}2", SECRET)])
        assert len(list(store.room_messages(SECRET))) == 2
        store.get_agent_by_credential(f"token:{SECRET}")
        with pytest.raises(RoomNotFoundError):
            store.append_message(hello("m9", f"no{SECRET}"))
        told = [span.to_json() for span in collected.spans.get_finished_spans()]
        data = collected.reader.get_metrics_data()
        assert data is not None
        told.append(data.to_json())
    assert len(told) == 7
    assert SECRET not in str(told)


def test_spans_are_children_of_the_caller_s_and_parents_of_what_happens_in_the_call(collected: Collected) -> None:
    tracer = collected.tracer_provider.get_tracer("the application")

    class Inside:
        @hookimpl
        def moltnet_message_appended(self) -> None:
            tracer.start_span("inside").end()

    with (
        open_store("memory://", environ={}, plugins=[Inside(), collected.telemetry()]) as store,
        tracer.start_as_current_span("request") as request,
    ):
        store.create_room(Room("general", "local"))
        store.append_message(hello())
        assert get_current_span() is request
    (call,), (inside,) = collected.named("append_message"), collected.named("inside")
    assert call.parent is not None
    assert call.parent.span_id == request.get_span_context().span_id
    assert inside.parent is not None
    assert call.context is not None
    assert inside.parent.span_id == call.context.span_id


def test_so_they_are_of_an_asynchronous_store(collected: Collected) -> None:
    tracer = collected.tracer_provider.get_tracer("the application")

    async def handle(store: AsyncStore, room_id: str) -> tuple[int, int]:
        with tracer.start_as_current_span("request") as request:
            await store.create_room(Room(room_id, "local"))
            await store.get_room(room_id)
            found = request.get_span_context()
            return found.trace_id, found.span_id

    async def main() -> list[tuple[int, int]]:
        async with open_async_store("memory://", environ={}, plugins=[collected.telemetry()]) as store:
            return list(await asyncio.gather(*(handle(store, f"r{number}") for number in range(5))))

    requests = asyncio.run(main())
    for name in ("create_room", "get_room"):
        spans = collected.named(name)
        assert all(span.parent is not None and span.context is not None for span in spans)
        parents = [(span.context.trace_id, span.parent.span_id) for span in spans if span.parent and span.context]
        assert sorted(parents) == sorted(requests)
    assert len(set(requests)) == 5


def test_what_is_not_sampled_is_measured_all_the_same() -> None:
    collected = Collected.made(ALWAYS_OFF)
    with open_store("memory://", environ={}, plugins=[collected.telemetry()]) as store:
        with pytest.raises(RoomNotFoundError):
            store.append_message(hello())
        (point,) = collected.points("db.client.operation.duration")
    assert collected.spans.get_finished_spans() == ()
    assert point.count == 1


# -- metrics -----------------------------------------------------------------------------------------------


def test_calls_are_measured_by_operation_and_error(collected: Collected) -> None:
    with open_store("memory://", environ={}, plugins=[collected.telemetry()]) as store:
        for _ in range(3):
            store.ping()
        with pytest.raises(RoomNotFoundError):
            store.append_message(hello())
        points = collected.points("db.client.operation.duration")
    assert all(isinstance(point, HistogramDataPoint) for point in points)
    system = {"db.system.name": "memory"}
    assert [(dict(point.attributes), point.count) for point in points] == [
        (system | {"db.operation.name": "ping"}, 3),
        (system | {"db.operation.name": "append_message", "error.type": "RoomNotFoundError"}, 1),
    ]
    assert {0.0001, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10} <= set(points[0].explicit_bounds)


def test_connections_are_observed_while_the_store_is_open(collected: Collected, tmp_path: Path) -> None:
    telemetry = collected.telemetry()
    url = f"sqlite:///{tmp_path}/chat.db"
    with open_store(url, environ={}, plugins=[telemetry]) as store:
        with open_store(url, environ={}, plugins=[telemetry]) as other, other.snapshot():
            counted = collected.numbers("db.client.connection.count")
            assert (counted["sqlite", "used"], counted["sqlite-2", "used"]) == (0, 1)
        counted = collected.numbers("db.client.connection.count")
        assert set(counted) == {("sqlite", "used"), ("sqlite", "idle")}
        assert counted["sqlite", "idle"] == store.stats().driver["pool.idle"]
        assert collected.numbers("moltnet.connection.opened")["sqlite", None] >= 1
        assert collected.numbers("db.client.connection.max") == {}  # SQLite has no limit
    assert collected.numbers("db.client.connection.count") == {}


def test_the_queue_of_an_asynchronous_store_is_observed(collected: Collected) -> None:
    go, begun = threading.Event(), threading.Event()

    def busy(store: Store) -> None:
        begun.set()
        go.wait(30)

    async def main() -> None:
        async with open_async_store("memory://", environ={}, plugins=[collected.telemetry()], threads=1) as store:
            tasks = [asyncio.create_task(store.run_sync(busy)) for _ in range(3)]
            await asyncio.to_thread(begun.wait, 30)
            assert collected.numbers("moltnet.queue.running") == {("memory", None): 1}
            assert collected.numbers("moltnet.queue.waiting") == {("memory", None): 2}
            go.set()
            await asyncio.gather(*tasks)

    asyncio.run(main())


def test_what_a_driver_counts_of_its_groups_is_observed(collected: Collected, monkeypatch: pytest.MonkeyPatch) -> None:
    groups = {"group.count": 4, "group.writes": 25, "group.messages": 30, "group.largest": 12}
    with open_store("memory://", environ={}, plugins=[collected.telemetry()]) as store:
        assert collected.points("moltnet.group.count") == []
        monkeypatch.setattr(store.driver, "stats", lambda: groups)
        found = [collected.numbers(f"moltnet.{name}")["memory", None] for name in groups]
    assert found == list(groups.values())


def test_neither_a_store_nor_the_plugin_is_kept_alive(collected: Collected) -> None:
    telemetry = collected.telemetry()
    store = open_store("memory://", environ={}, plugins=[telemetry])
    left = weakref.ref(store), weakref.ref(telemetry)
    del store, telemetry  # never closed
    gc.collect()
    assert [each() for each in left] == [None, None]
    assert collected.points("db.client.connection.count") == []


def test_the_api_alone_is_enough_and_installing_it_does_nothing() -> None:
    script = """
import sys
sys.modules["opentelemetry.sdk"] = None
from moltnet_core import open_store
with open_store("memory://", environ={}) as store:
    assert not any(name.startswith("moltnet_opentelemetry") for name in sys.modules)
from moltnet_opentelemetry import Telemetry
with open_store("memory://", environ={}, plugins=[Telemetry()]) as store:
    store.ping()
    print(store.stats().calls["ping"].count)
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("1\n", "")
