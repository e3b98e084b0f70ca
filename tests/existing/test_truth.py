"""What the fixtures hold is what the other tests take from them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from . import raw
from .case import Case
from .cases import CASES, EDGE
from .expected import artifacts_of, order_key, spelled
from .sqlite_case import DATABASES, SQLiteCase


@pytest.mark.parametrize("case", DATABASES, ids=lambda case: case.name)
def test_a_fixture_stands_at_its_version(case: SQLiteCase, tmp_path: Path) -> None:
    found = raw.rows(case.database(tmp_path), "SELECT version FROM schema_migrations ORDER BY version")
    assert found == [(version,) for version in range(1, case.version + 1)]


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
    for kind in ("room", "thread", "dm"):
        found = {
            key: [item["id"] for item in listing] for (each, key), listing in expected.messages.items() if each == kind
        }
        assert found == written[kind]
    assert [item["id"] for item in expected.artifacts["all", ""]] == written["artifacts"]
    assert any(len(artifacts_of(item)) > 10 for item in expected.messages["room", "parts"])
