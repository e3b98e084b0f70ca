"""The plugin: a span and a duration for each call, and instruments that look at the stores that are open."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Final

from opentelemetry.metrics import MeterProvider, get_meter
from opentelemetry.trace import SpanKind, TracerProvider, get_tracer

from moltnet_core import Backend, Store, Trait, hookimpl
from moltnet_core.stats import LATENCY_BOUNDS
from moltnet_opentelemetry.calls import TracedCall
from moltnet_opentelemetry.observing import OpenStores

__all__ = ["Telemetry"]

_NAME: Final = "moltnet_opentelemetry"
_SCHEMA: Final = "https://opentelemetry.io/schemas/1.30.0"
_SYSTEMS: Final = {"postgres": "postgresql"}
"""Backends that the conventions know by another name than ours."""


class Telemetry:
    """A plugin that tells OpenTelemetry of the stores that it is passed to, one or several.

    Each call is a span, and is measured by the histogram ``db.client.operation.duration``. Connections, grouped writes
    and the queue of an asynchronous store are observed when metrics are collected.

    :param attributes: what every span and metric has, beside ``db.system.name`` and ``db.operation.name``:
        ``server.address`` and ``db.namespace``, for instance.
    :param tracer_provider: gets the spans; without it the global one.
    :param meter_provider: gets the metrics; without it the global one.
    """

    def __init__(
        self,
        attributes: Mapping[str, str | int] | None = None,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        self._attributes = dict(attributes or {})
        software = version("moltnet-opentelemetry")
        self._tracer = get_tracer(_NAME, software, tracer_provider, _SCHEMA)
        meter = get_meter(_NAME, software, meter_provider, _SCHEMA)
        self._durations = meter.create_histogram(
            "db.client.operation.duration",
            "s",
            "Duration of database client operations.",
            explicit_bucket_boundaries_advisory=LATENCY_BOUNDS,
        )
        self._stores = OpenStores(meter, self._of)

    def _of(self, backend: Backend) -> dict[str, str | int]:
        return {"db.system.name": _SYSTEMS.get(backend.name, backend.name)} | self._attributes

    @hookimpl
    def moltnet_call(self, store: Store, name: str) -> TracedCall:
        """A span around the call."""
        # What is kept in this process's memory is no client's call.
        kind = SpanKind.CLIENT if Trait.PERSISTENT in store.backend.traits else SpanKind.INTERNAL
        attributes = self._of(store.backend) | {"db.operation.name": name}
        return TracedCall(self._tracer, self._durations, name, kind, attributes)

    @hookimpl
    def moltnet_store_opened(self, store: Store) -> None:
        """The store is observed from now on."""
        self._stores.add(store)

    @hookimpl
    def moltnet_store_closing(self, store: Store) -> None:
        """It is not observed any more."""
        self._stores.discard(store)
