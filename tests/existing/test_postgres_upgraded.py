"""A PostgreSQL database after the upgrade: its catalogue is the server's own, and what was there stays as it is."""

from __future__ import annotations

from typing import Any

import pytest
from tests.postgres.shared import shared_server

from moltnet_core import ReadOnlyStoreError, open_store

from . import postgres_raw as raw
from .comparing import compare
from .postgres_case import POSTGRES, PostgresCase, new_database
from .raw import changes
from .test_schema import NAMES
from .writing import changes_by_writing, write_everything

each_case = pytest.mark.parametrize("case", POSTGRES, ids=lambda case: case.name)


@pytest.fixture(params=[None, *POSTGRES], ids=["fresh", *(case.name for case in POSTGRES)])
def case(request: pytest.FixtureRequest) -> PostgresCase | None:
    """Every fixture, and ``None`` for a database that this project makes."""
    found: PostgresCase | None = request.param
    return found


@pytest.fixture
def database(case: PostgresCase | None) -> str:
    """Brought up to date, written to in every way and closed again."""
    database = case.database() if case else new_database()
    with open_store(shared_server().url(dbname=database)) as store:
        write_everything(store, case.known if case else None)
    return database


def _split(catalogue: dict[str, list[tuple[Any, ...]]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is the server's, and what is ours by its name or its table's."""
    theirs: dict[str, Any] = {}
    ours: dict[str, Any] = {}
    for kind, found in catalogue.items():
        ours[kind] = [row for row in found if any(str(name).startswith("moltnet_ext_") for name in row[:2])]
        theirs[kind] = [row for row in found if row not in ours[kind]]
    return theirs, ours


def test_the_catalogue_is_that_of_the_servers_newest(database: str) -> None:
    newest = next(other for other in POSTGRES if other.name == "postgres-v8").database()
    wanted = raw.catalogue(newest)
    assert [len(wanted[kind]) for kind in ("columns", "constraints", "indexes")] > [60, 18, 19]
    assert _split(wanted)[0] == wanted
    assert _split(raw.catalogue(database))[0] == wanted


def test_what_is_ours_is_named_so_and_is_harmless(database: str) -> None:
    _, ours = _split(raw.catalogue(database))
    assert {name for name, kind, *_ in ours["objects"] if kind not in ("i", "t")} == {"moltnet_ext_migrations"}
    assert {(table, kind) for table, _, kind, *_ in ours["constraints"] if kind != "n"} == {
        ("moltnet_ext_migrations", "p")
    }
    beside = [definition for table, _, definition in ours["indexes"] if table != "moltnet_ext_migrations"]
    assert len(beside) >= 10
    assert not any("UNIQUE" in definition for definition in beside)
    assert ours["triggers"] == ours["functions"] == ours["schemas"] == []


def test_the_versions_recorded_are_the_servers(case: PostgresCase | None, database: str) -> None:
    assert raw.rows(database, "SELECT version, name FROM schema_migrations ORDER BY version") == NAMES
    series = raw.rows(database, "SELECT series, version, name FROM moltnet_ext_migrations ORDER BY 1, 2")
    assert series == [("postgres", 1, "order_indexes")]
    if case is not None:
        before, after = raw.dump(case.database())["schema_migrations"], raw.dump(database)["schema_migrations"]
        assert {key: after[key] for key in before} == before


@each_case
def test_rows_that_were_there_stay_as_they_are(case: PostgresCase) -> None:
    database = case.database()
    before = raw.dump(database)
    assert sum(map(len, before.values())) > 400
    with open_store(shared_server().url(dbname=database)) as store:
        assert changes(before, raw.dump(database)) == {}
        write_everything(store, case.known)
    assert changes(before, raw.dump(database)) == changes_by_writing(case, before)


@each_case
def test_a_read_only_store_leaves_an_old_database_as_it_is(case: PostgresCase, tmp_path: Any, figures: Any) -> None:
    database = case.database()
    before = raw.catalogue(database), raw.dump(database)
    with open_store(shared_server().url(dbname=database, mode="ro")) as store:
        assert store.read_only
        versions = {series.series: series.applied for series in store.migration_status().series}
        assert versions == {"moltnet": case.version, "postgres": 0}
        result = compare(f"{case.name}?mode=ro", store, case.expected(tmp_path))
        with store.snapshot() as snapshot:
            records = [record.to_json(with_credentials=True) for record in snapshot.records(on_corrupt=case.on_corrupt)]
        for write in (lambda: store.remove_room(case.known.room), store.migrate):
            with pytest.raises(ReadOnlyStoreError):
                write()
    figures(result)
    assert result.differences == []
    assert (raw.catalogue(database), raw.dump(database)) == before
    with open_store(shared_server().url(dbname=database)) as store, store.snapshot() as snapshot:
        upgraded = [record.to_json(with_credentials=True) for record in snapshot.records(on_corrupt=case.on_corrupt)]
    assert upgraded == records
