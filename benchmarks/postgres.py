"""The PostgreSQL rows of the performance table; ``dev.py bench`` prints it and writes build/bench/postgres.json.

The server is one of our own that syncs each commit, unless ``MOLTNET_TEST_POSTGRES_DSN`` names one. The floor is bare
psycopg2 with the SQL that the store sends, and rows decoded into plain dicts.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

import psycopg2
from benchmarks.floor import decode, message_row
from benchmarks.measuring import Row, alternate, print_table, ratio_row, write_json
from benchmarks.work import PAGE, TEXT, THOUSAND, message
from tests.postgres.cluster import Cluster
from tests.postgres.server import Server
from tests.postgres.shared import DSN_VARIABLE

from moltnet_core import PageRequest, Room, Store, Target, open_store
from moltnet_postgres.appending import make_at_once
from moltnet_postgres.dialect import PostgresDialect
from moltnet_sql.schema import TABLES
from moltnet_sql.statements import make_statements

ROOM = Target.room("general")
WORKERS = 8
EACH = 500
SMALL, LARGE = THOUSAND, 200 * THOUSAND


class Floor:
    """One bare connection to the schema of a store."""

    def __init__(self, dsn: str, schema: str) -> None:
        self.connection = psycopg2.connect(dsn)
        self.connection.autocommit = True
        dialect = PostgresDialect(schema)
        self._append = make_at_once(dialect).plain["room"]
        self._pages = make_statements(dialect).messages["room"]

    def fetch(self, sql: str, parameters: dict[str, Any]) -> list[Any]:
        """All rows of one statement."""
        cursor = self.connection.cursor()
        cursor.execute(sql, parameters)
        found: list[Any] = cursor.fetchall()
        return found

    def append(self) -> None:
        """One message, durable, in one trip."""
        self.fetch(self._append, dict(zip(TABLES["messages"], message_row("general", TEXT), strict=True)))

    def newest(self) -> list[dict[str, Any]]:
        """The newest page."""
        (sql,) = self._pages.newest
        return [decode(row) for row in reversed(self.fetch(sql, {"scope": "general", "limit": PAGE + 1}))]

    def before(self, cursor: str) -> list[dict[str, Any]]:
        """The page before a message."""
        (sql,) = self._pages.before
        parameters = {"scope": "general", "limit": PAGE + 1, "cursor": cursor}
        return [decode(row) for row in reversed(self.fetch(sql, parameters))]


@contextmanager
def database(server: Server) -> Iterator[tuple[Store, Floor, str, str]]:
    """A new store with a room, the floor's connection to the same schema, and the ways to either."""
    schema = server.new_schema()
    url = server.url(schema=schema)
    with open_store(url, environ={}) as store:
        store.create_room(Room("general", "local"))
        floor = Floor(server.dsn(), schema)
        with closing(floor.connection):
            yield store, floor, url, schema


def fill(store: Store, count: int) -> None:
    """Put messages into the room."""
    for _ in range(0, count, THOUSAND):
        store.append_messages([message(ROOM) for _ in range(min(THOUSAND, count))])


def analyse(floor: Floor, schema: str) -> None:
    """Let the planner know what autovacuum would tell it a minute later."""
    floor.connection.cursor().execute(f'ANALYZE "{schema}".messages')


def appends(server: Server) -> Iterator[Row]:
    """Appending one by one."""
    with database(server) as (store, floor, _, _):
        times = alternate(lambda: store.append_message(message(ROOM)), floor.append, 800)
        yield ratio_row("append one message, durable", "floor", times, 1.3)


def pages(server: Server) -> Iterator[Row]:
    """Pages of a small and a large room."""
    with ExitStack() as stack:
        small, small_floor, _, small_schema = stack.enter_context(database(server))
        large, large_floor, _, large_schema = stack.enter_context(database(server))
        fill(small, SMALL)
        fill(large, LARGE)
        analyse(small_floor, small_schema)
        analyse(large_floor, large_schema)
        newest = partial(large.list_room_messages, "general", PageRequest(limit=PAGE))
        yield ratio_row(f"newest page of 100 of {LARGE}", "floor", alternate(newest, large_floor.newest, 200), 2)
        middle = {store: _middle(floor, schema) for store, floor, schema in (
            (small, small_floor, small_schema), (large, large_floor, large_schema))}  # fmt: skip
        inside = partial(large.list_room_messages, "general", PageRequest(before=middle[large], limit=PAGE))
        other = partial(small.list_room_messages, "general", PageRequest(before=middle[small], limit=PAGE))
        bare = partial(large_floor.before, middle[large])
        assert [item.id for item in inside().items] == [item["id"] for item in bare()][-PAGE:]
        yield ratio_row(f"page of 100 in the middle of {LARGE}", "floor", alternate(inside, bare, 200), 2)
        times = alternate(inside, other, 200)
        yield ratio_row(f"page of 100 in the middle of {LARGE}", f"the same of {SMALL}", times, 1.3)


def _middle(floor: Floor, schema: str) -> str:
    half = f'(SELECT count(*) / 2 FROM "{schema}".messages)'
    sql = f'SELECT id FROM "{schema}".messages ORDER BY created_at, id COLLATE "C" OFFSET {half} LIMIT 1'
    return str(floor.fetch(sql, {})[0][0])


# -- many processes ----------------------------------------------------------------------------------


def _ours(url: str, _: str, __: str, start: Any, done: Any) -> None:
    with open_store(url, environ={}) as store:
        store.ping()
        start.wait()
        for _each in range(EACH):
            store.append_message(message(ROOM))
        done.wait()


def _bare(_: str, dsn: str, schema: str, start: Any, done: Any) -> None:
    with closing((floor := Floor(dsn, schema)).connection):
        start.wait()
        for _each in range(EACH):
            floor.append()
        done.wait()


def per_message(work: Callable[..., None], workers: int, *place: str) -> float:
    """Seconds that the server takes for each message when so many processes append."""
    context = multiprocessing.get_context("spawn")
    start, done = context.Barrier(workers + 1), context.Barrier(workers + 1)
    running = [context.Process(target=work, args=(*place, start, done)) for _ in range(workers)]
    for process in running:
        process.start()
    start.wait()
    began = time.perf_counter()
    done.wait()
    taken = time.perf_counter() - began
    for process in running:
        process.join()
    return taken / (workers * EACH)


def processes(server: Server) -> Iterator[Row]:
    """Eight processes beside one, and beside eight bare ones."""
    with database(server) as (_, _, url, schema):
        place = (url, server.dsn(), schema)
        rounds = [
            (per_message(_ours, 1, *place), per_message(_ours, WORKERS, *place), per_message(_bare, WORKERS, *place))
            for _ in range(3)
        ]
        one, many, bare = sorted(rounds, key=lambda times: times[1] / times[2])[1]
        yield ratio_row(f"{WORKERS} processes appending, per message", "1 process", (many, one), 1)
        yield ratio_row(f"{WORKERS} processes appending, per message", f"floor, {WORKERS} processes", (many, bare), 1.3)


# -- followed by a watch -----------------------------------------------------------------------------


def followed(server: Server) -> Iterator[Row]:
    """What it costs an append that new messages are followed: the trigger, and a watch that is told of them."""
    with ExitStack() as stack:
        plain, _, plain_url, plain_schema = stack.enter_context(database(server))
        kept, _, kept_url, kept_schema = stack.enter_context(database(server))
        kept.watch().close()  # from here on their order is kept
        one, other = (lambda store=store: store.append_message(message(ROOM)) for store in (kept, plain))
        yield ratio_row("append one message, its order kept", "not kept", alternate(one, other, 400), 1.3)
        many, others = (partial(fill, store, THOUSAND) for store in (kept, plain))
        yield ratio_row(f"append {THOUSAND} as a batch, their order kept", "not kept", alternate(many, others, 10), 1.5)
        places = [(url, server.dsn(), schema) for url, schema in ((kept_url, kept_schema), (plain_url, plain_schema))]
        times = alternate_processes(*places)
        yield ratio_row(f"{WORKERS} processes appending, their order kept", "not kept", times, 1.5)
        with kept.watch() as watch:
            reader = Thread(target=deque, args=(watch, 0))
            reader.start()
            yield ratio_row("append one message, followed", "not kept", alternate(one, other, 400), 1.5)
            yield ratio_row(f"{WORKERS} processes appending, followed", "not kept", alternate_processes(*places), 1.5)
            watch.close()
            reader.join()


def alternate_processes(ours: tuple[str, str, str], others: tuple[str, str, str]) -> tuple[float, float]:
    """The middle one of three rounds of many processes in one place and in another."""
    rounds = [(per_message(_ours, WORKERS, *ours), per_message(_ours, WORKERS, *others)) for _ in range(3)]
    return sorted(rounds, key=lambda times: times[0] / times[1])[1]


def main() -> int:
    """Measure everything; 1 if a goal is missed."""
    rows: list[Row] = []
    dsn = os.environ.get(DSN_VARIABLE)
    with Server.at(dsn) if dsn else Cluster(fsync=True) as server:
        ((version, fsync),) = server.execute("SELECT current_setting('server_version'), current_setting('fsync')")
        for measure in (appends, pages, processes, followed):
            for row in measure(server):
                rows.append(row)
                print(f"measured: {row.work}", file=sys.stderr)
    print(f"PostgreSQL {version} (fsync {fsync}), Python {sys.version.split()[0]}")
    print_table(rows)
    write_json(rows, Path("build/bench/postgres.json"))
    return 0 if all(row.met for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
