"""How SQLite runs the queries of pages: along an index of ours, and never past more than a page.

A plan is a tree. A sort (``USE TEMP B-TREE``) is harmless where it orders what limited subqueries gave, at most two
pages: then the step beside it scans such a subquery. Beside a step that reads a table it would sort all that the table
gives.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from moltnet_core import (
    START,
    Actor,
    AgentRegistration,
    ArtifactFilter,
    Message,
    PageRequest,
    Part,
    Room,
    Store,
    Target,
    open_store,
)
from moltnet_sql.schema import TABLES
from moltnet_sql.statements import PageQueries, Statements, make_statements
from moltnet_sqlite.dialect import SQLiteDialect
from moltnet_sqlite.engine import sqlite3

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
PAGE = 10
STATEMENTS = make_statements(SQLiteDialect())


def listings(statements: Statements) -> dict[str, PageQueries]:
    return {
        **{f"messages_{kind}": queries for kind, queries in statements.messages.items()},
        **{f"artifacts_{kind}": queries for kind, queries in statements.artifacts.items()},
    }


LISTINGS = listings(STATEMENTS)
PARAMETERS = {"scope": "x", "cursor": "c", "limit": PAGE}
QUERIES = ("newest", "oldest", "before", "after")
every_query = pytest.mark.parametrize(("listing", "query"), [(name, query) for name in LISTINGS for query in QUERIES])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chat.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{path}?synchronous=normal", environ={}) as store:
        yield store


@pytest.fixture
def connection(store: Store, path: Path) -> Iterator[Any]:
    """A connection beside the store's, through the same copy of SQLite."""
    opened = sqlite3.connect(path)
    yield opened
    opened.close()


class Plan:
    """The steps of the plans of some statements, by the step they are part of."""

    def __init__(self, connection: Any, *statements: str, parameters: Any = PARAMETERS) -> None:
        self.steps: list[tuple[tuple[int, int], str]] = []
        self.children: defaultdict[tuple[int, int], list[str]] = defaultdict(list)
        for number, sql in enumerate(statements):
            for _, parent, _, detail in connection.execute(f"EXPLAIN QUERY PLAN {sql}", parameters):
                self.steps.append(((number, parent), detail))
                self.children[number, parent].append(detail)

    @staticmethod
    def table(step: str) -> str | None:
        """The table that a step reads, if it reads one."""
        match = re.match(r"(?:SCAN|SEARCH) (\w+)", step)
        return match[1] if match and match[1] in TABLES else None

    def reads(self) -> list[str]:
        return [step for _, step in self.steps if self.table(step)]

    def full_scans(self) -> list[str]:
        """Steps that go through a table in no order that an index gives."""
        return [step for step in self.reads() if step.startswith("SCAN") and "USING" not in step]

    def unbounded_sorts(self) -> list[str]:
        """Sorts of what is read from a table."""
        return [
            step
            for parent, step in self.steps
            if "TEMP B-TREE" in step and any(self.table(beside) for beside in self.children[parent])
        ]


@every_query
def test_a_page_is_read_along_an_index_of_ours_and_not_sorted(connection: Any, listing: str, query: str) -> None:
    plan = Plan(connection, *getattr(LISTINGS[listing], query))
    index = f"moltnet_ext_{listing}"
    by_cursor = query in ("before", "after")
    of_pages = [step for step in plan.reads() if "sqlite_autoindex" not in step]
    assert len(of_pages) == (2 if by_cursor else 1)
    assert all(f"USING INDEX {index}" in step for step in of_pages)
    # The rest finds the cursor by its id.
    finding = [step for step in plan.reads() if step not in of_pages]
    assert all(step.startswith("SEARCH") and step.endswith("(id=?)") for step in finding)
    assert bool(finding) == by_cursor
    assert plan.full_scans() == []
    assert plan.unbounded_sorts() == []
    assert not any("TEMP B-TREE" in step for _, step in plan.steps)


def test_a_scan_along_an_index_happens_only_where_the_page_has_no_scope_and_no_cursor(
    connection: Any,
) -> None:
    scans = {
        (name, query)
        for name, queries in LISTINGS.items()
        for query in QUERIES
        if any(step.startswith("SCAN") for step in Plan(connection, *getattr(queries, query)).reads())
    }
    assert scans == {("artifacts_all", "newest"), ("artifacts_all", "oldest")}


@every_query
def test_a_page_is_planned_once(connection: Any, listing: str, query: str) -> None:
    """And not anew for other parameters: whoever plans asks the authorizer."""
    asked = 0

    def allow(*_: object) -> int:
        nonlocal asked
        asked += 1
        return 0

    connection.set_authorizer(allow)
    for sql in getattr(LISTINGS[listing], query):
        connection.execute(sql, PARAMETERS).fetchall()
        assert asked
        asked = 0
        connection.execute(sql, {"scope": "y", "cursor": "d", "limit": PAGE + 1}).fetchall()
        assert not asked


@pytest.mark.parametrize("listing", LISTINGS)
def test_a_cursor_is_found_by_its_id(connection: Any, listing: str) -> None:
    (step,) = Plan(connection, LISTINGS[listing].find).reads()
    assert step.endswith("(id=?)")


def test_the_checks_can_fail(connection: Any) -> None:
    """On plans of queries that are known to be bad."""
    sort = Plan(connection, "SELECT * FROM messages WHERE room_id = :scope ORDER BY network_id LIMIT :limit")
    assert sort.unbounded_sorts()
    assert Plan(connection, "SELECT * FROM artifacts WHERE kind = :scope").full_scans()
    inside = "SELECT * FROM (SELECT * FROM messages ORDER BY network_id LIMIT :limit) AS page ORDER BY id"
    assert len(Plan(connection, inside).unbounded_sorts()) == 1
    outside = "SELECT * FROM (SELECT * FROM messages ORDER BY id LIMIT :limit) AS page ORDER BY network_id"
    assert Plan(connection, outside).unbounded_sorts() == []


# -- what the store executes -------------------------------------------------------------------------


def message(message_id: str, target: Target, moment: datetime) -> Message:
    part = Part("file", filename="f")
    return Message("net", target, Actor("agent", "ann"), [part], id=message_id, created_at=moment)


TARGETS = {"r": Target.room("general"), "t": Target.thread("general", "t1"), "d": Target.dm("d1", ["a", "b"])}


def fill(store: Store, size: int, spread: timedelta) -> None:
    """``size`` messages each in a room, a thread and a DM, and some of everything else."""
    if store.get_room("general") is None:
        store.create_room(Room("general", "net", members=["ann"]))
    have = store.counts().messages // 3
    store.append_messages(
        message(f"{kind}{number:06}", target, MOMENT + number * spread)
        for number in range(have, size)
        for kind, target in TARGETS.items()
    )


READS: dict[str, Callable[[Store, PageRequest | None], Any]] = {
    "r": lambda store, page: store.list_room_messages("general", page),
    "t": lambda store, page: store.list_thread_messages("t1", page),
    "d": lambda store, page: store.list_dm_messages("d1", page),
    "art_r": lambda store, page: store.list_artifacts(ArtifactFilter(room_id="general"), page),
    "art_t": lambda store, page: store.list_artifacts(ArtifactFilter(thread_id="t1"), page),
    "art_d": lambda store, page: store.list_artifacts(ArtifactFilter(dm_id="d1"), page),
    "art_": lambda store, page: store.list_artifacts(None, page),
}


def cursor_at(name: str, number: int) -> str:
    kind = name.removeprefix("art_") or "t"
    return f"art_{kind}{number:06}_0" if name.startswith("art_") else f"{kind}{number:06}"


@pytest.fixture
def executed(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """The statements that the store fetches rows with, and their parameters."""
    seen: list[tuple[str, Any]] = []
    driver: Any = store.driver
    session = driver.session_class
    fetch = session.fetch

    def recording(self: Any, sql: str, parameters: Any = ()) -> Sequence[Any]:
        seen.append((sql, parameters))
        rows: Sequence[Any] = fetch(self, sql, parameters)
        return rows

    monkeypatch.setattr(session, "fetch", recording)
    return seen


def test_every_read_of_the_store_goes_by_an_index(
    store: Store, connection: Any, executed: list[tuple[str, Any]]
) -> None:
    fill(store, 40, timedelta(seconds=1))
    store.register_agent(AgentRegistration("ann", "net", "token:1"))
    connection.execute("PRAGMA optimize")
    executed.clear()
    for name, read in READS.items():
        for page in (
            None,
            PageRequest(after=START),
            PageRequest(before=cursor_at(name, 9)),
            PageRequest(after=cursor_at(name, 9)),
        ):
            read(store, page)
    for listing in (store.list_rooms, store.list_dms, store.list_agents, store.list_members):
        for page in (None, PageRequest(after="b"), PageRequest(before="b")):
            listing(page)
            store.list_threads("general", page)
    store.get_message("r000001")
    store.get_room("general")
    store.get_thread("t1")
    store.get_dm("d1")
    store.get_agent("ann")
    store.get_agent_by_credential("token:1")
    store.get_member("ann")
    assert len(executed) > 40
    for sql, parameters in executed:
        plan = Plan(connection, sql, parameters=parameters)
        assert plan.full_scans() == [], sql
        assert plan.unbounded_sorts() == [], sql


def steps(connection: Any, sql: str, parameters: Any) -> int:
    """How many instructions of SQLite's virtual machine a query takes, in tens."""
    count = 0

    def tick() -> int:
        nonlocal count
        count += 1
        return 0

    connection.set_progress_handler(tick, 10)
    try:
        connection.execute(sql, parameters).fetchall()
    finally:
        connection.set_progress_handler(None, 0)
    return count


def cost(connection: Any, queries: PageQueries, scope: str, cursor: str) -> dict[str, int]:
    parameters = {"scope": scope, "cursor": cursor, "limit": PAGE}
    costs = {name: sum(steps(connection, sql, parameters) for sql in getattr(queries, name)) for name in QUERIES}
    return costs | {"find": steps(connection, queries.find, parameters)}


@pytest.mark.parametrize("spread", [timedelta(microseconds=1), timedelta(0)], ids=["each its instant", "one instant"])
def test_a_page_costs_the_same_however_long_the_conversation_is(
    store: Store, connection: Any, spread: timedelta
) -> None:
    scopes = {"room": ("r", "general"), "thread": ("t", "t1"), "dm": ("d", "d1"), "all": ("d", "")}
    costs: list[dict[str, dict[str, int]]] = []
    for size in (200, 4000):
        fill(store, size, spread)
        costs.append(
            {
                name: cost(
                    connection,
                    queries,
                    scopes[name.partition("_")[2]][1],
                    cursor_at(
                        ("art_" if name.startswith("artifacts") else "") + scopes[name.partition("_")[2]][0], size // 2
                    ),
                )
                for name, queries in LISTINGS.items()
            }
        )
    short, long = costs
    slower = {
        (name, query): (short[name][query], long[name][query])
        for name in short
        for query in short[name]
        if long[name][query] > 1.5 * short[name][query] + 5
    }
    assert slower == {}


def test_a_room_s_page_does_not_cost_more_for_what_its_threads_hold(store: Store, connection: Any) -> None:
    fill(store, 50, timedelta(seconds=1))
    before = cost(connection, STATEMENTS.messages["room"], "general", "r000025")
    store.append_messages(
        message(f"more{number}", Target.thread("general", "t2"), MOMENT + timedelta(seconds=number % 50))
        for number in range(5000)
    )
    after = cost(connection, STATEMENTS.messages["room"], "general", "r000025")
    assert all(after[query] <= 1.5 * before[query] + 5 for query in before), (before, after)
