"""A PostgreSQL primary that is killed under appends, and its synchronous standby that takes over."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import count

import pytest
from tests.children import wait_until
from tests.moltnet_postgres.faults import Ledger, settle
from tests.moltnet_postgres.support import Place, in_threads, seconds_of
from tests.moltnet_sqlite.support import OLD_ROWS
from tests.postgres.replicas import both, replicated
from tests.reliability.checks import a_message_of, partial_in

from moltnet_core import ReadOnlyStoreError, StoreUnavailableError
from moltnet_sql import server_migrations

Figure = Callable[[str], None]
KINDS = ("room", "thread", "dm")


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("named", [True, False], ids=["read-write", "by itself"])
def test_a_standby_takes_over(figure: Figure, named: bool, number: int) -> None:
    writers = 4
    with replicated() as (primary, standby), Place(primary) as place:
        login = both(primary, standby)
        if not named:
            del login["target_session_attrs"]
        store = place.made(**login, connect_timeout=2)
        ledger, stop = Ledger(), threading.Event()
        successes: list[float] = []
        done = [0] * writers

        def write(number: int) -> None:
            for name in count():
                if stop.is_set():
                    return
                if ledger.append(store, a_message_of(KINDS[name % 3], f"t{number}-{name}")):
                    done[number] += 1
                    successes.append(time.monotonic())

        def fail_over() -> tuple[float, float]:
            try:
                wait_until(lambda: min(done) > 20, "all append")
                primary.kill()
                killed = time.monotonic()
                standby.promote()
                promoted = time.monotonic()
                before = list(done)
                wait_until(lambda: all(now > then + 5 for now, then in zip(done, before, strict=True)), "all go on")
                return killed, promoted
            finally:
                stop.set()

        moments: list[tuple[float, float]] = []
        errors = in_threads(
            writers + 1, lambda number: moments.append(fail_over()) if number == writers else write(number)
        )
        assert errors == []
        ((killed, promoted),) = moments
        after = Place(standby, place.schema)
        found = set(after.stored())
        lost = ledger.acknowledged - found
        next_success = min(moment for moment in successes if moment > killed) - killed
        figure(
            f"PostgreSQL, failover: {len(ledger.acknowledged)} acknowledged, {len(lost)} of them lost, "
            f"{len(ledger.unknown)} with an unknown outcome of which {len(ledger.unknown.keys() & found)} stored, "
            f"promoted after {promoted - killed:.2f} s, next success {next_success:.2f} s after the kill"
        )
        assert {type(error) for error in ledger.errors} == {StoreUnavailableError}
        assert len(ledger.unknown) <= writers
        expected = settle(store, ledger, found)
        assert set(after.stored()) == expected
        assert partial_in(after) == {}
        store.close()
        primary.start()  # so that the place can be tidied up
        primary.configure(synchronous_standby_names="")


def test_an_old_store_is_read_on_a_standby(figure: Figure) -> None:
    """Of a version before the newest, as its server left it; nothing is or can be written there."""
    version = 5
    with replicated() as (primary, standby), Place(primary) as place:
        make_version(place, version)
        there = Place(standby, place.schema)
        seconds, error = seconds_of(there.open)
        assert isinstance(error, ReadOnlyStoreError)
        store = there.open(mode="ro")
        (message,) = store.list_room_messages("old").items
        room = store.get_room("old")
        assert room is not None
        status = store.migration_status()
        applied = {series.series: series.applied for series in status.series}["moltnet"]
        with store.snapshot() as snapshot:
            kinds = [record.kind for record in snapshot.records()]
        store.close()
        figure(
            f"PostgreSQL, standby: a store of version {applied} is read there: {len(kinds)} records; "
            f"to write it is refused in {seconds * 1000:.0f} ms"
        )
        assert (message.id, message.parts[0].text, room.visibility) == ("was", "written long ago", "private")
        assert applied == version
        assert not status.is_current
        assert kinds == ["room", "message"]


def make_version(place: Place, version: int) -> None:
    """A schema as a server of a version leaves it: its migrations up to there, recorded, and some rows."""
    place.query(f'CREATE SCHEMA "{place.schema}"')
    place.query("CREATE TABLE schema_migrations (version integer PRIMARY KEY, name text, applied_at timestamptz)")
    with place.server.connect(options=f"-c search_path={place.schema}") as connection:
        for migration in server_migrations("TIMESTAMPTZ")[:version]:
            migration.up(connection.cursor())
            place.query("INSERT INTO schema_migrations VALUES (%s, %s, now())", [migration.version, migration.name])
    for sql in OLD_ROWS:
        place.query(sql)
    place.query(f'GRANT USAGE ON SCHEMA "{place.schema}" TO {place.server.user["user"]}')
    place.query(f'GRANT ALL ON ALL TABLES IN SCHEMA "{place.schema}" TO {place.server.user["user"]}')
