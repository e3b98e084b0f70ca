"""What is observed of open stores whenever metrics are collected, from their ``stats()``."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import Final

from attrs import frozen
from opentelemetry.metrics import CallbackOptions, Meter, Observation

from moltnet_core import Backend, Store
from moltnet_core.stats import Stats

__all__ = ["OpenStores"]

Attributes = dict[str, str | int]

_POOL: Final = "db.client.connection.pool.name"
_STATE: Final = "db.client.connection.state"


Reading = Callable[[Stats], float | None]
"""A number of a store's, where it has it."""


def _driver(name: str) -> Reading:
    return lambda stats: stats.driver.get(name)


def _queue(name: str) -> Reading:
    return lambda stats: None if stats.queue is None else getattr(stats.queue, name)


@frozen
class _Instrument:
    """What is observed of each store.

    :param kind: what of a :class:`Meter` makes it.
    :param readings: each with the state that it counts; ``None`` for one that counts all.
    """

    name: str
    kind: str
    unit: str
    description: str
    readings: Mapping[str | None, Reading]


_UP_DOWN: Final = "create_observable_up_down_counter"
_UP: Final = "create_observable_counter"
_GAUGE: Final = "create_observable_gauge"
_INSTRUMENTS: Final = (
    _Instrument(
        "db.client.connection.count",
        _UP_DOWN,
        "{connection}",
        "Connections of the pool, by state.",
        {"used": _driver("pool.in_use"), "idle": _driver("pool.idle")},
    ),
    _Instrument(
        "db.client.connection.max",
        _UP_DOWN,
        "{connection}",
        "The most connections that may be open.",
        {None: _driver("pool.size")},
    ),
    _Instrument(
        "db.client.connection.pending_requests",
        _UP_DOWN,
        "{request}",
        "Calls that wait for a connection.",
        {None: _driver("pool.waiting")},
    ),
    _Instrument(
        "moltnet.connection.opened",
        _UP,
        "{connection}",
        "Connections that were opened.",
        {None: _driver("pool.opened")},
    ),
    _Instrument(
        "moltnet.connection.replaced",
        _UP,
        "{connection}",
        "Connections that were closed because they were dead, or as old as one.",
        {None: _driver("pool.replaced")},
    ),
    _Instrument(
        "moltnet.group.count", _UP, "{group}", "How often writes were grouped.", {None: _driver("group.count")}
    ),
    _Instrument(
        "moltnet.group.writes", _UP, "{write}", "Writes that were made in groups.", {None: _driver("group.writes")}
    ),
    _Instrument(
        "moltnet.group.messages", _UP, "{message}", "Messages of those writes.", {None: _driver("group.messages")}
    ),
    _Instrument(
        "moltnet.group.largest", _GAUGE, "{write}", "The most writes of a group.", {None: _driver("group.largest")}
    ),
    _Instrument(
        "moltnet.queue.threads", _UP_DOWN, "{thread}", "Threads of an asynchronous store.", {None: _queue("threads")}
    ),
    _Instrument(
        "moltnet.queue.running", _UP_DOWN, "{call}", "Calls that threads are making.", {None: _queue("running")}
    ),
    _Instrument(
        "moltnet.queue.waiting", _UP_DOWN, "{call}", "Calls that wait for a thread.", {None: _queue("waiting")}
    ),
)


class OpenStores:
    """The stores that are observed, each by a name that no other open one has, as ``sqlite-2``.

    :param attributes: those of a backend's stores.
    """

    def __init__(self, meter: Meter, attributes: Callable[[Backend], Attributes]) -> None:
        self._attributes = attributes
        self._lock = threading.Lock()
        self._names: weakref.WeakKeyDictionary[Store, str] = weakref.WeakKeyDictionary()
        for each in _INSTRUMENTS:
            make = getattr(meter, each.kind)
            make(each.name, [self._observer(each)], unit=each.unit, description=each.description)

    def add(self, store: Store) -> None:
        """Observe a store."""
        with self._lock:
            taken, name = set(self._names.values()), store.backend.name
            free = (name if number == 1 else f"{name}-{number}" for number in count(1))
            self._names[store] = next(each for each in free if each not in taken)

    def discard(self, store: Store) -> None:
        """Observe a store no more."""
        with self._lock:
            self._names.pop(store, None)

    def _observer(self, instrument: _Instrument) -> Callable[[CallbackOptions], Iterator[Observation]]:
        # Weakly, as a meter never forgets who observes for it.
        this = weakref.ref(self)

        def observe(_: CallbackOptions) -> Iterator[Observation]:
            stores = this()
            if stores is not None:
                yield from stores._observe(instrument)

        return observe

    def _observe(self, instrument: _Instrument) -> Iterator[Observation]:
        with self._lock:
            open_now = list(self._names.items())
        for store, name in open_now:
            whose = self._attributes(store.backend) | {_POOL: name}
            stats = store.stats()
            for state, read in instrument.readings.items():
                value = read(stats)
                if value is not None:
                    yield Observation(value, whose if state is None else whose | {_STATE: state})
