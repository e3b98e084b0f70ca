"""What the fixtures hold is what the other tests take from them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from . import postgres_raw, raw
from .case import Case
from .cases import CASES, EDGE
from .expected import artifacts_of, order_key, spelled
from .postgres_case import POSTGRES, PostgresCase
from .sqlite_case import DATABASES, SQLiteCase


@pytest.mark.parametrize("case", DATABASES, ids=lambda case: case.name)
def test_a_fixture_stands_at_its_version(case: SQLiteCase, tmp_path: Path) -> None:
    found = raw.rows(case.database(tmp_path), "SELECT version FROM schema_migrations ORDER BY version")
    assert found == [(version,) for version in range(1, case.version + 1)]


@pytest.mark.parametrize("case", POSTGRES, ids=lambda case: case.name)
def test_a_postgresql_fixture_stands_at_its_version_and_holds_the_times_expected(
    case: PostgresCase, tmp_path: Path
) -> None:
    database = case.database()
    found = postgres_raw.rows(database, "SELECT version FROM schema_migrations ORDER BY version")
    assert found == [(version,) for version in range(1, case.version + 1)]
    stored = {item["id"]: order_key(item["created_at"]) for item in postgres_raw.messages(database)}
    expected = case.expected(tmp_path).messages.values()
    assert {item["id"]: order_key(item["created_at"]) for found in expected for item in found} == stored


@pytest.mark.parametrize("case", [case for case in CASES if case not in EDGE], ids=lambda case: case.name)
def test_the_artifacts_that_the_server_served_are_those_of_the_messages(case: Case, tmp_path: Path) -> None:
    expected = case.expected(tmp_path)
    served = json.loads(case.truth.read_text(encoding="utf-8"))["artifacts"]
    assert sum(len(found) for listings in served.values() for found in listings.values()) > 100
    for kind, listings in served.items():
        for key, artifacts in listings.items():
            ordered = sorted(
                artifacts, key=lambda art: (order_key(art["created_at"]), art["message_id"], art["part_index"])
            )
            assert list(map(spelled, ordered)) == list(map(spelled, expected.artifacts[kind, key]))


@pytest.mark.parametrize("case", EDGE, ids=lambda case: case.name)
def test_the_order_of_the_edge_rows_is_the_one_written_down(case: Case, tmp_path: Path) -> None:
    expected = case.expected(tmp_path)
    written = json.loads(case.truth.with_name("expected.json").read_text(encoding="utf-8"))
    assert expected.message_count == written["messages"]
    if case.time_digits < 9:
        # Of times that have only digits beyond these between them, ids decide.
        clock = [item["id"] for item in expected.messages["room", "clock"]]
        assert clock != written["room"]["clock"]
        assert sorted(clock) == sorted(written["room"]["clock"])
        written["room"]["clock"] = clock
    for kind in ("room", "thread", "dm"):
        found = {
            key: [item["id"] for item in listing] for (each, key), listing in expected.messages.items() if each == kind
        }
        assert found == written[kind]
    assert [item["id"] for item in expected.artifacts["all", ""]] == written["artifacts"]
    assert any(len(artifacts_of(item)) > 10 for item in expected.messages["room", "parts"])
