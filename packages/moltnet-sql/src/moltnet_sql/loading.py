"""Loads records, as they are, through a session that is in a writing transaction."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from moltnet_core.driver import LoadRecord
from moltnet_core.errors import CorruptRecordError, RecordConflictError
from moltnet_core.records import LoadResult, Record, RecordKind, missing_error, same_record
from moltnet_core.timestamps import NO_TIME_TEXT
from moltnet_core.types import AgentRegistration, DirectConversation, Room, Thread
from moltnet_sql.writing import Writer

__all__ = ["Loader"]


class Loader(Writer):
    """A writer that loads, too."""

    def load_fresh(self, messages: Sequence[LoadRecord]) -> LoadResult:
        """Load messages none of whose ids is taken; a unique violation says that one is."""
        places = self._stored_places(messages)
        for item in messages:
            for place in item.needs:
                if place not in places:
                    raise missing_error(item.record, *place)
        self._load_messages(messages)
        return LoadResult(len(messages))

    def load(self, records: Sequence[LoadRecord]) -> LoadResult:
        """See :meth:`moltnet_core.driver.Driver.load`."""
        unchanged = 0
        for kind, items in groupby(records, key=lambda item: item.record.kind):
            group = list(items)
            there = self._reader.stored(kind, [item.record.id for item in group])
            known = self._reader.records(kind, there)
            needed = self._stored_places(group)
            messages: list[LoadRecord] = []
            for item in group:
                stored = known.get(item.record.id)
                if stored is not None:
                    if isinstance(stored, CorruptRecordError) or not same_record(stored, item.record):
                        raise RecordConflictError(kind, item.record.id)
                    unchanged += 1
                    continue
                known[item.record.id] = item.record
                for place in item.needs:
                    if place not in needed:
                        raise missing_error(item.record, *place)
                if item.new is None:
                    self._load_one(item.record)
                else:
                    messages.append(item)
            self._load_messages(messages)
        return LoadResult(len(records) - unchanged, unchanged)

    def _load_one(self, record: Record) -> None:
        value, times = record.value, record.times
        if isinstance(value, Room):
            self.create_room(value, times["created_at"], times.get("removed_at"))
        elif isinstance(value, AgentRegistration):
            if not self._insert_agent(value, times["created_at"], times["updated_at"]):
                raise RecordConflictError(record.kind, record.id)
        elif isinstance(value, Thread):
            row = self._rows.thread_row(value, 0, NO_TIME_TEXT)
            self._session.execute(self._statements.count_thread, row)
        elif isinstance(value, DirectConversation):
            self._session.execute(self._statements.count_dm, self._rows.dm_row(value, 0, NO_TIME_TEXT))
            self._join_dm(value)

    def _load_messages(self, items: Sequence[LoadRecord]) -> None:
        """Insert messages of conversations that are there, and count them."""
        counts: dict[tuple[RecordKind, str], list[str]] = {}
        messages, artifacts = [], []
        for item in items:
            if item.new is None:
                continue
            moment = item.record.times["created_at"]
            *_, place = item.needs
            counts.setdefault(place, []).append(moment)
            row = self._rows.message_row(item.new.message, moment)
            messages.append(row)
            if item.new.artifacts:
                artifacts += [self._rows.artifact_row(artifact, row) for artifact in item.new.artifacts]
        session, statements = self._session, self._statements
        # Always in one order, so that two loads never wait for each other's rows.
        added: dict[RecordKind, list[dict[str, Any]]] = {RecordKind.THREAD: [], RecordKind.DM: []}
        for (kind, key), moments in sorted(counts.items()):
            if kind is not RecordKind.ROOM:
                last = self._dialect.bind_time(max(moments))
                name = "id" if kind is RecordKind.THREAD else "dm_id"
                added[kind].append({name: key, "message_count": len(moments), "last_message_at": last})
        for statement, rows in (
            (statements.add_to_thread, added[RecordKind.THREAD]),
            (statements.add_to_dm, added[RecordKind.DM]),
            (statements.insert_message, messages),
            (statements.insert_artifact, artifacts),
        ):
            if rows:
                session.execute_many(statement, rows)

    def _stored_places(self, items: Sequence[LoadRecord]) -> set[tuple[RecordKind, str]]:
        """The rooms, threads and DMs that records name and that are there."""
        wanted: dict[RecordKind, set[str]] = {}
        for item in items:
            for kind, key in item.needs:
                wanted.setdefault(kind, set()).add(key)
        return {(kind, key) for kind, keys in wanted.items() for key in self._reader.stored(kind, sorted(keys))}
