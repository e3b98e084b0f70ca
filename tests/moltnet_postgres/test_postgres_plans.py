"""How PostgreSQL runs the queries of pages: along an index of ours, without a sort."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.postgres.server import Server

from moltnet_core import Actor, Message, Part, Room, Target, open_store
from moltnet_postgres.dialect import PostgresDialect
from moltnet_sql.statements import PageQueries, make_statements

PAGE = 10
SIZE = 3000
QUERIES = ("newest", "oldest", "before", "after")
KINDS = ("room", "thread", "dm")
LISTINGS = [f"{table}_{kind}" for table in ("messages", "artifacts") for kind in KINDS] + ["artifacts_all"]
TARGETS = {"room": Target.room("r"), "thread": Target.thread("r", "t"), "dm": Target.dm("d", ["a", "b"])}


def message(kind: str, number: int) -> Message:
    moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number // 3)
    part = Part("file", filename="f")
    return Message("net", TARGETS[kind], Actor("agent", "a"), [part], id=f"{kind}{number}", created_at=moment)


@pytest.fixture(scope="module")
def filled(postgres_server: Server) -> Iterator[tuple[Any, dict[str, PageQueries]]]:
    """A connection to a store with three conversations, and the queries of its listings."""
    schema = postgres_server.new_schema()
    with open_store(postgres_server.url(schema=schema), environ={}) as store:
        store.create_room(Room("r", "net"))
        for kind in KINDS:
            store.append_messages([message(kind, number) for number in range(SIZE)])
    statements = make_statements(PostgresDialect(schema))
    queries = {f"messages_{kind}": statements.messages[kind] for kind in KINDS}
    queries |= {f"artifacts_{kind}": found for kind, found in statements.artifacts.items()}
    with postgres_server.connect(postgres_server.database) as connection:
        connection.cursor().execute(f'ANALYZE "{schema}".messages, "{schema}".artifacts')
        yield connection, queries
    postgres_server.drop_schemas([schema])


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("listing", LISTINGS)
def test_a_page_reads_no_more_than_itself_along_our_index(filled: Any, listing: str, query: str) -> None:
    connection, queries = filled
    kind = listing.partition("_")[2].replace("all", "room")
    cursor = f"{kind}{SIZE // 2}" if listing.startswith("messages") else f"art_{kind}{SIZE // 2}_0"
    (sql,) = getattr(queries[listing], query)
    asking = connection.cursor()
    parameters = {"scope": TARGETS[kind].conversation_id, "cursor": cursor, "limit": PAGE}
    asking.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", parameters)
    found = asking.fetchall()[0][0]
    (top,) = json.loads(found) if isinstance(found, str) else found
    steps = list(nodes(top["Plan"]))
    types = {step["Node Type"] for step in steps}
    assert types <= {"Limit", "Result", "Index Scan", "CTE Scan"}, types
    page = [step for step in steps if step.get("Index Name") == f"moltnet_ext_{listing}"]
    assert [step["Actual Rows"] for step in page] == [PAGE]
    assert all(step.get("Rows Removed by Filter", 0) == 0 for step in page)
