"""The order in which new messages are followed: that of their transactions, whoever stores them; none is missing."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from tests.children import ROOT
from tests.moltnet_postgres.serving import ServerSession, serving
from tests.moltnet_postgres.support import Place, a_message, a_room, thread_message
from tests.postgres.cluster import Cluster

from moltnet_core import START, SchemaTooNewError, Store, check_store
from moltnet_core.errors import CorruptStoreError, StoreBusyError
from moltnet_postgres.feed_schema import removing


@pytest.fixture
def sessions(place: Place) -> Iterator[list[ServerSession]]:
    """Three sessions of a server, beside a store whose order is kept."""
    with place.made().watch(), ExitStack() as stack:
        yield [stack.enter_context(serving(place)) for _ in range(3)]


def told(store: Store, after: Any = START, **options: Any) -> list[str]:
    """What a watch gives now."""
    with store.watch(after=after, timeout=0, **options) as watch:
        return [message.id for message in watch]


# -- open transactions -------------------------------------------------------------------------------


def test_what_the_server_stores_is_followed_whatever_its_date(place: Place) -> None:
    store = place.made()
    with store.watch(timeout=0) as watch, serving(place) as server:
        for number, year in enumerate((2026, 2020, 2031, 1999)):
            server.insert(f"m{number}", at=f"{year}-05-01T00:00:00Z").commit()
        assert [message.id for message in watch] == ["m0", "m1", "m2", "m3"]


def test_transactions_that_end_in_another_order_than_they_began(place: Place, sessions: list[ServerSession]) -> None:
    store, (first, second, third) = place.open(), sessions
    with store.watch(timeout=0) as watch:
        for session, name in ((first, "a"), (second, "b"), (third, "c")):
            session.insert(f"{name}1", f"{name}2")
        third.commit()
        second.commit()
        assert list(watch) == [], "a message of the first would come before these"
        first.insert("a3")
        first.commit()
        found = [message.id for message in watch]
        assert found == ["a1", "a2", "a3", "b1", "b2", "c1", "c2"]
    for number, token in enumerate(found):
        assert told(store, token) == found[number + 1 :]


def test_a_transaction_that_is_rolled_back_leaves_no_hole(place: Place, sessions: list[ServerSession]) -> None:
    store, (first, second, _) = place.open(), sessions
    with store.watch(timeout=0) as watch:
        first.insert("a1")
        second.insert("b1").commit()
        first.roll_back()
        second.insert("b2")
        second.execute("SAVEPOINT here")
        second.insert("b3")
        second.execute("ROLLBACK TO here")
        second.insert("b4").commit()
        assert [message.id for message in watch] == ["b1", "b2", "b4"]


def test_a_watch_begins_with_what_was_not_committed_when_it_was_made(
    place: Place, sessions: list[ServerSession]
) -> None:
    store, (first, second, third) = place.open(), sessions
    first.insert("a1")
    second.insert("b1").commit()
    third.insert("c1")
    with store.watch(timeout=0, page_size=1) as watch:
        second.insert("b2").commit()
        first.commit()
        third.commit()
        assert sorted(message.id for message in watch) == ["a1", "b2", "c1"]
    assert told(store) == ["a1", "b1", "c1", "b2"]


def test_a_token_whose_order_is_not_final_yet(place: Place, sessions: list[ServerSession]) -> None:
    store, (first, second, third) = place.open(), sessions
    first.insert("a1")
    second.insert("b1").commit()
    third.insert("c1").commit()
    with store.watch(after="b1", timeout=0) as watch:
        assert list(watch) == []
        first.commit()
        assert [message.id for message in watch] == ["a1", "c1"], "nobody was given a1 before b1"


def test_who_only_reads_holds_nothing_back(place: Place, sessions: list[ServerSession]) -> None:
    store, (reader, writer, other) = place.open(), sessions
    reader.execute("SELECT count(*) FROM messages")
    other.execute("CREATE TEMPORARY TABLE unlogged (x int)")
    with store.watch(timeout=0) as watch:
        writer.insert("m1").commit()
        assert list(watch) == []
        other.commit()
        assert [message.id for message in watch] == ["m1"]


def test_a_quiet_room_beside_a_busy_one(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moltnet_postgres.feed_reading._PASSES_OVER", 10)
    store = place.made()
    store.create_room(a_room("quiet"))
    with store.watch(room_id="quiet", timeout=0, page_size=2) as watch:
        for round_number in range(3):
            store.append_messages([a_message(f"m{round_number}-{each}") for each in range(25)])
            store.append_messages([thread_message(f"t{round_number}", room_id="quiet")])
            store.append_messages([a_message(f"q{round_number}-{each}", room_id="quiet") for each in range(3)])
            assert [message.id for message in watch] == [f"q{round_number}-{each}" for each in range(3)]
        store.append_message(a_message("last"))
        assert list(watch) == []
        assert watch.token == "last"
    assert told(store, "m0-0", room_id="quiet") == [f"q{each // 3}-{each % 3}" for each in range(9)]


# -- before there was a feed -------------------------------------------------------------------------


def test_what_was_stored_before_comes_first_by_time(place: Place) -> None:
    store = place.made()
    store.create_room(a_room("other"))
    with serving(place) as server:
        for number, day in enumerate((5, 3, 4, 3, 1)):
            server.insert(f"old{number}", at=f"2026-05-0{day}T00:00:00Z").commit()
        server.insert("elsewhere", room_id="other").commit()
        first = told(store)
        for number, day in enumerate((2, 1)):
            server.insert(f"new{number}", at=f"2020-05-0{day}T00:00:00Z").commit()
    order = ["elsewhere", "old4", "old1", "old3", "old2", "old0"]
    assert sorted(first[:2]) == order[:2]
    assert first[2:] == order[2:]
    order = [*first, "new0", "new1"]
    for size in (1, 2, 3, 250):
        assert told(store, page_size=size) == order
        for number, token in enumerate(order):
            assert told(store, token, page_size=size) == order[number + 1 :]
    assert told(store, room_id="other", page_size=1) == ["elsewhere"]
    assert told(store, "elsewhere", room_id="hall", page_size=2) == [each for each in order if each != "elsewhere"]


def test_a_writer_in_the_middle_of_the_first_watch(place: Place) -> None:
    """The trigger waits for it, so its message is before the feed; who begins then is in it."""
    store = place.made(busy_timeout=0.2)
    with serving(place) as early, serving(place) as late:
        early.insert("m1")
        with pytest.raises(StoreBusyError):
            store.watch()
        late.execute("SELECT pg_current_xact_id()")  # it began before the feed, and writes after it was made
        early.commit()
        with store.watch(timeout=0) as watch:
            late.insert("m2").commit()
            assert [message.id for message in watch] == ["m2"]
    assert told(store) == ["m1", "m2"]


# -- gaps --------------------------------------------------------------------------------------------


def refusing(place: Place) -> None:
    """Let the trigger fail for some messages."""
    place.query("ALTER TABLE moltnet_ext_feed ADD CONSTRAINT refusing CHECK (message_id NOT LIKE 'lost%')")


def accepting(place: Place) -> None:
    """Let it fail no more."""
    place.query("ALTER TABLE moltnet_ext_feed DROP CONSTRAINT refusing")


def test_a_trigger_that_fails_keeps_nobody_from_writing(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    store = place.made()
    with store.watch(timeout=0) as watch, serving(place) as server:
        server.insert("m1").commit()
        refusing(place)
        server.insert("lost1", at="2020-01-01T00:00:00Z").commit()
        server.insert("m2").commit()
        server.insert("lost2", "m3")
        store.append_message(a_message("lost3"))
        assert [message.id for message in watch] == ["m1", "m2"]
        server.commit()
        accepting(place)
        with caplog.at_level(logging.WARNING, "moltnet_postgres"):
            found = told(store, "m2")
        assert found == ["m3", "lost1", "lost2", "lost3"]
        assert "3 messages" in caplog.text
        assert [message.id for message in watch] == found, "the watch that was there gets them, too"
    assert told(store) == ["m1", "m2", *found]


def test_a_gap_is_closed_while_a_watch_waits(place: Place) -> None:
    store = place.made()
    with store.watch(timeout=60) as watch, serving(place) as server, serving(place) as other:
        server.insert("m1").commit()
        assert next(watch).id == "m1"
        refusing(place)
        server.insert("lost1")
        other.insert("lost2").commit()
        server.commit()
        accepting(place)
        assert sorted(next(watch).id for _ in range(2)) == ["lost1", "lost2"]
    assert told(store, "m1")[2:] == []


def test_what_was_there_before_the_feed_is_no_gap(place: Place) -> None:
    store = place.made()
    with serving(place) as server:
        server.insert("old1", "old2").commit()
        store.watch().close()
        refusing(place)
        server.insert("lost1").commit()
        accepting(place)
    assert told(store) == ["old1", "old2", "lost1"]
    assert place.query("SELECT message_id FROM moltnet_ext_feed") == [("lost1",)]


def test_a_trigger_that_was_switched_off_is_switched_on_by_the_next_first_watch(place: Place) -> None:
    store = place.made()
    store.watch().close()
    with serving(place) as server:
        server.insert("m1").commit()
        place.query("ALTER TABLE messages DISABLE TRIGGER moltnet_ext_feed")
        server.insert("m2").commit()
        assert told(store) == ["m2", "m1"], "what has no place in the feed counts as before it"
        assert told(place.open()) == ["m1", "m2"]
        server.insert("m3").commit()
    assert told(store) == ["m1", "m2", "m3"]


@pytest.mark.parametrize("damage", ["DROP TABLE moltnet_ext_feed", "DROP TABLE moltnet_ext_feed_epochs", "removed"])
def test_a_feed_that_is_gone_is_made_again(place: Place, damage: str) -> None:
    store = place.made()
    store.append_message(a_message("m1"))
    with store.watch(timeout=0) as watch, serving(place) as server:
        server.insert("m2").commit()
        for statement in removing(place.schema) if damage == "removed" else [damage]:
            place.query(statement)
        server.insert("m3").commit()
        with pytest.raises(CorruptStoreError, match="was removed"):
            next(watch)
    with place.open() as again:
        assert sorted(told(again)) == ["m1", "m2", "m3"]
        again.append_message(a_message("m4"))
        assert told(again)[3:] == ["m4"]


def test_nothing_is_left_of_a_feed_that_is_removed(place: Place) -> None:
    store = place.made()
    objects = "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace ORDER BY 1"
    before = place.query(objects)
    store.watch().close()
    assert place.query(objects) != before
    for statement in removing(place.schema):
        place.query(statement)
    assert place.query(objects) == before
    assert place.query("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal") == []
    assert place.query("SELECT DISTINCT series FROM moltnet_ext_migrations") == [("postgres",)]


def test_the_documentation_says_how_to_remove_it() -> None:
    page = (ROOT / "docs" / "postgresql.md").read_text("utf-8")
    for statement in removing("public"):
        assert statement.replace('"public".', "").replace('"', "") + ";" in page


# -- other clusters ----------------------------------------------------------------------------------


@pytest.mark.parametrize("is_ahead", [True, False], ids=["ahead", "behind"])
def test_a_dump_is_restored_in_another_cluster(cluster: Cluster, own_cluster: Cluster, is_ahead: bool) -> None:
    """Whose transactions are numbered from elsewhere."""
    source, target = (cluster, own_cluster) if is_ahead else (own_cluster, cluster)
    let_count(cluster, until=last_transaction(own_cluster) + 20_000)
    with Place(source) as place, serving(place) as server:
        store = place.made()
        server.insert("old").commit()
        with store.watch():
            for number in (1, 2, 3):
                server.insert(f"m{number}", at=f"2026-05-0{4 - number}T00:00:00Z").commit()
        restore(target, place)
        schema = place.schema
    with Place(target, schema) as place, serving(place) as server:
        server.insert("new1", at="2020-01-01T00:00:00Z").commit()
        store = place.open()
        order = ["old", "m1", "m2", "m3", "new1"]
        assert told(store) == order
        assert [told(store, token) for token in order] == [order[number + 1 :] for number in range(5)]
        with store.watch(timeout=0) as watch, serving(place) as other:
            other.insert("held")
            server.insert("new2").commit()
            assert list(watch) == []
            other.commit()
            assert [message.id for message in watch] == ["held", "new2"]
        assert place.query("SELECT count(*) FROM moltnet_ext_feed_epochs") == [(2,)]


def restore(target: Cluster, place: Place) -> None:
    """Restore a dump of a place in another cluster."""
    source: Any = place.server
    path = target.folder / "dump.sql"
    path.write_text(
        source.installation.run(
            *("pg_dump", f"--schema={place.schema}", "--no-owner", "--username=postgres"),
            *(f"--host={source.folder}", f"--port={source.port}", source.database),
        )
    )
    target.installation.hand_over(path)
    target.schemas.append(place.schema)
    target.installation.run(
        *("psql", "--quiet", "--set=ON_ERROR_STOP=1", f"--file={path}", "--username=moltnet"),
        *(f"--host={target.folder}", f"--port={target.port}", target.database),
    )


def last_transaction(cluster: Cluster) -> int:
    return int(cluster.execute("SELECT pg_current_xact_id()::text")[0][0])


def let_count(cluster: Cluster, until: int) -> None:
    """Let a cluster count transactions up to a number."""
    loop = f"FOR number IN {last_transaction(cluster)}..{until} LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP"
    cluster.execute(f"DO $$ BEGIN SET LOCAL synchronous_commit = off; {loop}; END $$")


def test_rows_from_another_past_of_the_same_cluster(place: Place) -> None:
    """As when what a copy of the server's files had seen since is put back into the original by a dump."""
    store = place.made()
    store.watch().close()
    with serving(place) as server:
        server.insert("m1").commit()
        server.insert("m2").commit()
        place.query("UPDATE moltnet_ext_feed SET xid = (xid::text::bigint + 1000000)::text::xid8")
        assert told(store) == ["m1", "m2"]
        server.insert("m3").commit()
        assert told(store) == ["m1", "m2", "m3"]
        assert told(store, "m2") == ["m3"]


# -- beside other things -----------------------------------------------------------------------------


def test_a_check_finds_nothing_wrong_with_it(place: Place) -> None:
    store = place.made()
    store.watch().close()
    store.append_message(a_message("m1"))
    assert check_store(store).findings == ()
    place.query("CREATE TRIGGER other BEFORE INSERT ON messages EXECUTE FUNCTION suppress_redundant_updates_trigger()")
    assert [found.items[0].id for found in check_store(store).findings] == ["other"]


def test_a_later_version_of_it_is_left_alone(place: Place) -> None:
    store = place.made()
    store.watch().close()
    place.query("UPDATE moltnet_ext_migrations SET version = 2 WHERE series = 'postgres_watch'")
    with pytest.raises(SchemaTooNewError):
        place.open().watch()


def test_messages_that_were_taken_out_are_passed_over(place: Place) -> None:
    store = place.made()
    store.watch().close()
    with serving(place) as server:
        server.insert("m1", "m2", "m3", "m4").commit()
        server.execute("DELETE FROM messages WHERE id IN ('m2', 'm4')")
        server.commit()
        assert told(store) == ["m1", "m3"]
        assert told(store, "m2") == ["m3"]
        server.insert("m2").commit()  # stored again, it is new
        assert told(store, "m1") == ["m3", "m2"]


def test_the_servers_next_migration_works_beside_it(place: Place) -> None:
    store = place.made()
    with store.watch(timeout=0) as watch, serving(place) as server:
        server.execute("ALTER TABLE messages ADD COLUMN later TEXT NOT NULL DEFAULT ''")
        server.insert("m1").commit()
        assert [message.id for message in watch] == ["m1"]


def test_a_schema_of_any_name_can_be_followed(cluster: Cluster) -> None:
    """The name stands in the trigger's function, and may hold what such a function is quoted with."""
    schema = f"{cluster.new_schema()}$moltnet$$moltnet_$"
    cluster.schemas.append(schema)
    with Place(cluster, schema) as place:
        store = place.made()
        with store.watch(timeout=0) as watch:
            store.append_message(a_message("m1"))
            assert [each.id for each in watch] == ["m1"]
        assert place.query(f'SELECT message_id FROM "{place.schema}".moltnet_ext_feed') == [("m1",)]
