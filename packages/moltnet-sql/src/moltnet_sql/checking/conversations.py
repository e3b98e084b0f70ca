"""What threads and DMs count and date against their messages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from typing import Any, Final

from attrs import frozen

from moltnet_core.checking import Check
from moltnet_core.timestamps import NO_TIME_TEXT, normalise
from moltnet_sql.checking.looking import Looking
from moltnet_sql.statements import MESSAGE_SCOPES

__all__ = ["KINDS", "Conversations", "Drift", "check_conversations", "counter_drifts", "last_message_drifts"]


@frozen
class Conversations:
    """Where the conversations of one kind are.

    :param kind: ``thread`` or ``dm``.
    :param table: theirs.
    :param key: the column of their id, there and among the messages.
    """

    kind: str
    table: str
    key: str

    def scope(self, of: str) -> str:
        """SQL of which messages are one's.

        :param of: SQL of its id.
        """
        return MESSAGE_SCOPES[self.kind].format(scope=of)


KINDS: Final = {
    "thread": Conversations("thread", "threads", "id"),
    "dm": Conversations("dm", "dm_conversations", "dm_id"),
}


@frozen
class Drift:
    """A value of a conversation that does not follow from its messages.

    :param before: what is stored.
    :param after: what follows.
    """

    of: Conversations
    id: str
    before: Any
    after: Any


def check_conversations(look: Looking, check: Check) -> None:
    """Note every drift, the threads whose messages name several rooms, and what came after a room's removal."""
    for conversations in KINDS.values():
        for drift in counter_drifts(look, conversations):
            check.found.add("counter-drift", drift.of.kind, drift.id, f"{drift.before} instead of {drift.after}")
        for drift in last_message_drifts(look, conversations):
            check.found.add("last-message-drift", drift.of.kind, drift.id, f"{drift.before} instead of {drift.after}")
    _check_rooms(look, check)


def counter_drifts(look: Looking, of: Conversations, only: Set[Any] | None = None) -> Iterator[Drift]:
    """The conversations whose ``message_count`` is wrong.

    :param only: ask of these alone.
    """
    counted = f"SELECT count(*) FROM {look.name('messages')} WHERE {of.scope(f'{of.table}.{of.key}')}"
    sql = f"""SELECT id, stored, counted FROM (
        SELECT {of.key} AS id, message_count AS stored, ({counted}) AS counted FROM {look.name(of.table)}
        ) AS found WHERE stored <> counted"""
    for key, stored, counted_now in _rows(look, sql, only):
        yield Drift(of, key, stored, counted_now)


def last_message_drifts(look: Looking, of: Conversations, only: Set[Any] | None = None) -> Iterator[Drift]:
    """The conversations whose ``last_message_at`` is wrong. The engine finds those that may be; each is looked at."""
    dialect = look.dialect
    key = dialect.time_key("created_at")
    stored_key = dialect.time_key("last_message_at")
    scope = of.scope(f"{of.table}.{of.key}")
    latest = f"(SELECT max({key}) FROM {look.name('messages')} WHERE {scope})"
    odd = dialect.odd_time("created_at")
    is_odd = f" OR EXISTS (SELECT 1 FROM {look.name('messages')} WHERE {scope} AND {odd})" if odd else ""
    is_odd += f" OR {dialect.odd_time('last_message_at')}" if odd else ""
    sql = f"""SELECT {of.key} AS id, {dialect.select_time("last_message_at")} AS stored
        FROM {look.name(of.table)} WHERE {latest} IS NULL OR {stored_key} <> {latest}{is_odd}"""
    candidates = [row for row in _rows(look, sql, only) if isinstance(row[0], str)]
    for own_id, stored in candidates:
        before, after = _text(look, stored), _latest(look, of, own_id)
        if before is None or normalise(before) != after:
            yield Drift(of, own_id, before or "no time", after)


def _rows(look: Looking, sql: str, only: Set[Any] | None) -> list[Sequence[Any]]:
    """What a query finds. It is few rows, and repairs change what the query reads, so they are gathered first."""
    return [row for row in look.stream(sql) if only is None or row[0] in only]


def _text(look: Looking, value: Any) -> str | None:
    try:
        return look.dialect.time_text(value)
    except (ValueError, TypeError, OverflowError):
        return None


def _latest(look: Looking, of: Conversations, own_id: str) -> str:
    """The latest time of a conversation's messages, of those that can be decoded."""
    named = look.dialect.named.format("id")
    select = f"SELECT {look.dialect.select_time('created_at')} FROM {look.name('messages')} WHERE {of.scope(named)}"
    latest = NO_TIME_TEXT
    for row in look.session.stream(select, {"id": own_id}):
        text = _text(look, row[0])
        if text is not None:
            latest = max(latest, normalise(text))
    return latest


def _check_rooms(look: Looking, check: Check) -> None:
    several = f"""SELECT messages.thread_id, count(*) FROM {look.name("messages")}
        JOIN {look.name("threads")} ON threads.id = messages.thread_id
        WHERE messages.target_kind = 'thread' AND messages.room_id <> threads.room_id GROUP BY messages.thread_id"""
    for thread_id, count in look.stream(several):
        check.found.add("thread-rooms", "thread", thread_id, f"{count} of its messages name another room")
    key = look.dialect.time_key
    later = f"""SELECT messages.id, rooms.id FROM {look.name("messages")}
        JOIN {look.name("rooms")} ON rooms.id = messages.room_id
        WHERE rooms.deleted_at IS NOT NULL AND messages.target_kind IN ('room', 'thread')
        AND {key("messages.created_at")} > {key("rooms.deleted_at")}"""
    for message_id, room_id in look.stream(later):
        check.found.add("appended-after-removal", "message", str(message_id), f"room {room_id}")
