"""Counting what no hook told of: what a crash swallowed, what ``load`` brought, what other programs wrote."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import peewee

from moltnet_activity.counting import Counted, count
from moltnet_activity.engines import ENGINES, Engine
from moltnet_core import Store, UnsupportedCapabilityError
from moltnet_sql import transaction

__all__ = ["reconcile", "recount"]

_Row = tuple[str, str | None, str, str, str | None]

_PAGE: Final = 1000
_ROUND: Final = 10_000


def reconcile(store: Store) -> int:
    """Count the messages that are stored and not counted, however they came there.

    It compares two totals, and is done if they agree; else it looks for as many as are missing, from the newest on. It
    writes in short transactions, so nobody waits long for it, and it may be interrupted at any point.

    Opening a store calls it. A long-lived process that shares its database with a Moltnet server calls it now and then.

    :returns: how many it counted, or found counted by others meanwhile.
    :raises UnsupportedCapabilityError: the store is not kept in SQLite or PostgreSQL.
    :raises ReadOnlyStoreError: the store was opened read-only.
    :raises StoreBusyError: a lock was not had in time.
    """
    engine = _engine(store)
    with transaction(store, write=False) as database:  # in one state, so that as many are found as are missing
        missing = _missing(database)
        uncounted, cursor = _find(database, engine, None, min(missing, _ROUND))
    if missing < 0:
        # Somebody deleted messages from the database.
        return recount(store)
    count(store, uncounted)
    found = len(uncounted)
    while found < missing and cursor is not None:
        with transaction(store, write=False) as database:
            uncounted, cursor = _find(database, engine, cursor, min(missing - found, _ROUND))
        count(store, uncounted)
        found += len(uncounted)
    return found


def recount(store: Store) -> int:
    """Forget the tally and count all messages anew: for who has deleted messages from the database by hand.

    Until it returns the tally is incomplete.

    :returns: how many were counted.
    :raises: as :func:`reconcile`.
    """
    engine = _engine(store)
    with transaction(store) as database:
        if engine.lock is not None:
            database.execute_sql(engine.lock)
        database.execute_sql("DELETE FROM activity_counted")
        database.execute_sql("DELETE FROM activity_day")
    return reconcile(store)


def _engine(store: Store) -> Engine:
    engine = ENGINES.get(store.backend.migration_target or "")
    if engine is None:
        raise UnsupportedCapabilityError("the activity of rooms", store.backend.name)
    return engine


def _missing(database: peewee.Database) -> int:
    """How many messages are not counted. It reads indexes only, no message."""
    row = database.execute_sql(
        """SELECT (SELECT count(*) FROM messages WHERE target_kind = 'room')
        + (SELECT count(*) FROM messages WHERE target_kind = 'thread')
        - (SELECT coalesce(sum(messages), 0) FROM activity_day)"""
    ).fetchone()
    return int(row[0])


def _find(
    database: peewee.Database, engine: Engine, cursor: str | None, wanted: int
) -> tuple[list[Counted], str | None]:
    """Messages that are not counted, from the newest on: as many as are wanted, or all there are; perhaps none.

    :param cursor: the message to go on after.
    :returns: them, and where to go on; ``None`` at the end.
    """
    found: list[Counted] = []
    if wanted < 1:
        return found, None
    for message_id, room_id, day, kind, counted in _walk(database, engine, cursor):
        cursor = message_id
        if counted is None and kind in ("room", "thread"):
            found.append(Counted(message_id, room_id or "", day, kind == "thread"))
            if len(found) == wanted:
                return found, cursor
    return found, None


def _walk(database: peewee.Database, engine: Engine, cursor: str | None) -> Iterator[_Row]:
    """All messages from the newest on, each with its id again if it is counted; a page a statement."""
    while True:
        after = ""
        if cursor is not None:
            place = database.param
            after = f"WHERE (created_at, id) < ((SELECT created_at FROM messages WHERE id = {place}), {place})"
        rows = database.execute_sql(
            f"""SELECT id, room_id, day, target_kind, message_id
            FROM (
                SELECT id, room_id, {engine.day} AS day, target_kind, created_at
                FROM messages {after} ORDER BY created_at DESC, id DESC LIMIT {_PAGE}
            ) AS page
            LEFT JOIN activity_counted ON message_id = id
            ORDER BY created_at DESC, id DESC""",
            (cursor, cursor) if cursor is not None else (),
        ).fetchall()
        yield from rows
        if len(rows) < _PAGE:
            return
        cursor = rows[-1][0]
