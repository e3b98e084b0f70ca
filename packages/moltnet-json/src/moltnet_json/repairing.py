"""Putting right what can be wrong in a snapshot: staged in the document, of which the file is then made anew."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import attrs

from moltnet_core.derivation import participants_of
from moltnet_core.records import RecordKind
from moltnet_core.serialization import loads
from moltnet_core.timestamps import NO_TIME_TEXT, normalise, parse_time
from moltnet_core.types import START
from moltnet_json.document import Document
from moltnet_json.encoding import revised, thread_fields
from moltnet_json.sections import Lists, encoded
from moltnet_memory import CorruptRow, DMRow, MessageRow, Tables, ThreadRow

if TYPE_CHECKING:
    from moltnet_core.checking import Change, Moved

__all__ = ["REPAIRS", "Repair"]

REPAIRS: Final = frozenset(
    {"undecodable", "counter-drift", "last-message-drift", "participant-missing", "participant-stray"}
)
"""The codes that can be put right. Artifacts are not stored."""


class Repair:
    """One repair.

    :param tables: what the document holds.
    :param moved: takes what is taken out; ``None``: only say what would be done.
    """

    def __init__(self, document: Document, tables: Tables, codes: frozenset[str], moved: Moved | None) -> None:
        self._document = document
        self._tables = tables
        self._codes = codes
        self._moved = moved
        self._changes: list[Change] = []
        self._gone: defaultdict[tuple[str, str | None], int] = defaultdict(int)

    def run(self) -> list[Change]:
        """Stage everything in the document, and say what."""
        if "undecodable" in self._codes:
            self._move_messages()
            self._move_agents()
        self._repair_threads()
        self._repair_participants()
        return self._changes

    def _note(self, code: str, kind: str, id: str, before: str, after: str) -> None:
        from moltnet_core.checking import Change

        self._changes.append(Change(code, kind, id, before, after))

    # -- what is moved -------------------------------------------------------------------------------

    def _move_messages(self) -> None:
        lists: Mapping[str, Lists] = {
            "room_messages": self._document.room_messages,
            "thread_messages": self._document.thread_messages,
            "direct_messages": self._document.direct_messages,
        }
        places: defaultdict[tuple[str, str], dict[int, str]] = defaultdict(dict)
        for row in self._tables.rows[RecordKind.MESSAGE].values():
            if isinstance(row, CorruptRow) and row.conversation is not None and row.position is not None:
                places[row.table, row.conversation[1] or ""][row.position] = row.record_id
                self._gone[row.conversation] += 1
        for (table, key), found in sorted(places.items()):
            if self._moved is not None:
                texts = lists[table].elements(key)
                self._moved.take(
                    table, [{"key": key, "position": place, "json": texts[place]} for place in sorted(found)]
                )
                lists[table].remove(key, found.keys())
            for _, own_id in sorted(found.items()):
                self._note("undecodable", "message", own_id, "stored", "moved")

    def _move_agents(self) -> None:
        for key, row in sorted(self._tables.rows[RecordKind.AGENT].items()):
            if isinstance(row, CorruptRow):
                if self._moved is not None:
                    self._moved.take("agents", [{"key": key, "json": self._document.agents.text(key)}])
                    self._document.agents.drop(key)
                self._note("undecodable", "agent", key, "stored", "moved")

    # -- threads -------------------------------------------------------------------------------------

    def _repair_threads(self) -> None:
        for key, row in sorted(self._tables.rows[RecordKind.THREAD].items()):
            if isinstance(row, ThreadRow) and key in self._document.threads:
                self._repair_thread(key, row)
        for (kind, conversation_id), count in self._gone.items():
            key = conversation_id or ""
            noted = self._document.dms.text(key) if kind == "dm" else None
            row = self._tables.rows[RecordKind.DM].get(key)
            if noted is None or not isinstance(row, DMRow) or self._moved is None:
                continue
            # What we noted of it holds for a number of messages.
            before = {"message_count": row.dm.message_count}
            if loads(noted).get("message_count") == row.dm.message_count:
                after = {"message_count": row.dm.message_count - count}
                self._document.dms.put(key, revised(noted, before, after))

    def _repair_thread(self, key: str, row: ThreadRow) -> None:
        messages = self._messages("thread", key)
        gone = self._gone["thread", key]
        changed = row
        count = len(messages) - gone
        counting = next((code for code in ("counter-drift", "undecodable") if self._does(code, gone)), None)
        if counting is not None and row.thread.message_count != count:
            changed = attrs.evolve(changed, thread=attrs.evolve(changed.thread, message_count=count))
            self._note(counting, "thread", key, str(row.thread.message_count), str(count))
        last = max(
            (normalise(each.created_at) for each in messages if isinstance(each, MessageRow)), default=NO_TIME_TEXT
        )
        unread = len([each for each in messages if isinstance(each, CorruptRow)]) - gone
        stored = normalise(row.last_message_at)
        dating = next((code for code in ("last-message-drift", "undecodable") if self._does(code, gone)), None)
        if dating is not None and (stored < last or (stored > last and not unread)):
            changed = ThreadRow(attrs.evolve(changed.thread, last_message_at=parse_time(last)), last)
            self._note(dating, "thread", key, row.last_message_at, last)
        if changed is not row and self._moved is not None:
            text = revised(self._document.threads.text(key), thread_fields(row), thread_fields(changed))
            self._document.threads.put(key, text)

    def _does(self, code: str, gone: int) -> bool:
        """Whether a thread is to be put right for this code; for one that can be moved only where something was."""
        return code in self._codes and (code != "undecodable" or gone > 0)

    def _messages(self, kind: str, key: str) -> list[Any]:
        rows = self._tables.rows[RecordKind.MESSAGE]
        index = self._tables.messages_of.get((kind, key))
        return [] if index is None else [rows[own_id] for _, own_id in index.window(None, START, len(index))]

    # -- participants --------------------------------------------------------------------------------

    def _repair_participants(self) -> None:
        for key, row in sorted(self._tables.rows[RecordKind.DM].items()):
            if isinstance(row, DMRow) and self._codes & {"participant-missing", "participant-stray"}:
                self._repair_dm(key, row)

    def _repair_dm(self, key: str, row: DMRow) -> None:
        messages = self._messages("dm", key)
        named = {each for row in messages if isinstance(row, MessageRow) for each in participants_of(row.message)}
        listed = key in self._document.direct_members
        stored = set(row.dm.participant_ids) if listed else set()
        kept = set(stored)
        if "participant-missing" in self._codes:
            for who in sorted(named - stored):
                kept.add(who)
                self._note("participant-missing", "dm", key, "", who)
        complete = all(isinstance(each, MessageRow) for each in messages) or "undecodable" in self._codes
        if "participant-stray" in self._codes and complete:
            for who in sorted(stored - named):
                kept.discard(who)
                self._note("participant-stray", "dm", key, who, "moved")
        if kept == stored or self._moved is None:
            return
        self._moved.take("direct_members", [{"key": key, "participant": who} for who in sorted(stored - kept)])
        before: dict[str, Any] = {who: {} for who in stored}
        after: dict[str, Any] = {who: {} for who in sorted(kept)}
        text = self._document.direct_members.text(key)
        self._document.direct_members.put(key, revised(text, before, after) if listed else encoded(after))
