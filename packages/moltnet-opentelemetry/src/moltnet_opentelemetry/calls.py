"""One call of a store, as a span and as a duration."""

from __future__ import annotations

from time import perf_counter
from types import TracebackType

from opentelemetry.context import attach, detach
from opentelemetry.metrics import Histogram
from opentelemetry.trace import SpanKind, StatusCode, Tracer, set_span_in_context

__all__ = ["TracedCall"]


class TracedCall:
    """A context that is a span, which is current in it.

    Of an error only the class is told: its text may hold ids.
    """

    __slots__ = ("_attributes", "_begun", "_durations", "_kind", "_name", "_span", "_token", "_tracer")

    def __init__(
        self, tracer: Tracer, durations: Histogram, name: str, kind: SpanKind, attributes: dict[str, str | int]
    ) -> None:
        self._tracer = tracer
        self._durations = durations
        self._name = name
        self._kind = kind
        self._attributes = attributes

    def __enter__(self) -> None:
        self._span = self._tracer.start_span(self._name, kind=self._kind, attributes=self._attributes)
        self._token = attach(set_span_in_context(self._span))
        self._begun = perf_counter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        seconds = perf_counter() - self._begun
        detach(self._token)
        if kind is not None:
            self._attributes["error.type"] = kind.__name__
            if self._span.is_recording():
                self._span.set_attribute("error.type", kind.__name__)
                self._span.set_status(StatusCode.ERROR)
        # In the span's context, so that a bucket's exemplar can lead to it.
        self._durations.record(seconds, self._attributes, set_span_in_context(self._span))
        self._span.end()
