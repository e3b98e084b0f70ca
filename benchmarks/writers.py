"""Many threads that append to one store: how many messages a second, and how long the slowest wait."""

from __future__ import annotations

import statistics
import threading
import time

from benchmarks.curves import Curve
from benchmarks.work import message

from moltnet_core import Room, Store, Target, open_store

__all__ = ["throughput", "writers"]

THREADS = (1, 2, 4, 8, 16, 32, 64)
ROUNDS = 3
ROOM = Target.room("general")


def throughput(store: Store, threads: int, together: int) -> tuple[float, float]:
    """Messages a second of so many threads together, and the seconds within which 99 of 100 appends were durable."""
    start = threading.Barrier(threads + 1)
    taken: list[float] = []

    def write() -> None:
        own = []
        start.wait()
        for _ in range(together // threads):
            began = time.perf_counter()
            store.append_message(message(ROOM))
            own.append(time.perf_counter() - began)
        taken.extend(own)

    running = [threading.Thread(target=write) for _ in range(threads)]
    for thread in running:
        thread.start()
    start.wait()
    began = time.perf_counter()
    for thread in running:
        thread.join()
    seconds = time.perf_counter() - began
    return len(taken) / seconds, statistics.quantiles(taken, n=100)[98]


def writers(engine: str, location: str, most: int, together: int) -> list[Curve]:
    """Both figures for more and more threads; of a few rounds the one in the middle."""
    rates, waits = [], []
    with open_store(location, environ={}) as store:
        store.create_room(Room("general", "local"))
        throughput(store, 1, together)  # warms up
        for threads in (number for number in THREADS if number <= most):
            rounds = sorted(throughput(store, threads, together) for _ in range(ROUNDS))
            rate, wait = rounds[ROUNDS // 2]
            rates.append((float(threads), rate))
            waits.append((float(threads), wait))
    return [
        Curve("writers", engine, "threads that append", "messages a second", rates),
        Curve("waits", engine, "threads that append", "seconds", waits),
    ]
