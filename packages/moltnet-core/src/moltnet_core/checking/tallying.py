"""Checks of a store of which only records can be read: what follows from the messages, worked out beside them.

They go through the messages once. What they remember grows with the number of conversations, not of messages.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from attrs import define, field

from moltnet_core.checking.checked import Check
from moltnet_core.derivation import artifacts_of, participants_of
from moltnet_core.errors import CorruptRecordError
from moltnet_core.records import Record, RecordKind
from moltnet_core.timestamps import NO_TIME_TEXT, normalise, parse_time
from moltnet_core.types import DirectConversation, Message, Room, Thread

if TYPE_CHECKING:
    from moltnet_core.driver import DriverSnapshot

__all__ = ["check_records"]

Place = tuple[str, str | None]


@define
class _Tally:
    """A conversation, and what its messages say of it.

    :ivar unread: how many of its messages cannot be decoded.
    """

    record: Record | None = None
    count: int = 0
    unread: int = 0
    last: str = NO_TIME_TEXT
    participants: set[str] = field(factory=set)
    elsewhere: int = 0


def check_records(
    check: Check,
    view: DriverSnapshot,
    conversation_of: Callable[[CorruptRecordError], Place | None] = lambda entry: None,
) -> int:
    """Check everything that can be known by scanning.

    :param conversation_of: to which conversation (its kind and id) a message belongs that cannot be decoded, where
            that is known.
    :returns: how many artifacts the messages have.
    """
    tallying = _Tallying(check, view, conversation_of)
    tallying.run()
    return tallying.artifacts


class _Tallying:
    def __init__(
        self, check: Check, view: DriverSnapshot, conversation_of: Callable[[CorruptRecordError], Place | None]
    ) -> None:
        self._check = check
        self._found = check.found
        self._view = view
        self._conversation_of = conversation_of
        self._rooms: dict[str, str | None] = {}  # when each was removed, where it was
        self._tallies: dict[Place, _Tally] = {}
        self.artifacts = 0
        self._lost = 0  # messages of which nobody knows the conversation

    def run(self) -> None:
        for entry in self._check.scan(self._view, RecordKind.ROOM):
            if isinstance(entry, Record) and isinstance(entry.value, Room):
                self._rooms[entry.id] = entry.times.get("removed_at")
            elif isinstance(entry, CorruptRecordError):
                self._rooms[entry.record_id] = None
        for _ in self._check.scan(self._view, RecordKind.AGENT):
            pass
        for kind in (RecordKind.THREAD, RecordKind.DM):
            for entry in self._check.scan(self._view, kind):
                self._see_conversation(kind, entry)
        for entry in self._check.scan(self._view, RecordKind.MESSAGE):
            if isinstance(entry, Record):
                self._see_message(entry)
            else:
                self._see_unread(entry)
        for (kind_name, key), tally in self._tallies.items():
            self._compare(kind_name, key or "", tally)

    def _see_conversation(self, kind: RecordKind, entry: Record | CorruptRecordError) -> None:
        key = entry.id if isinstance(entry, Record) else entry.record_id
        self._tallies[str(kind), key] = _Tally(entry if isinstance(entry, Record) else None)
        if isinstance(entry, Record) and isinstance(entry.value, Thread) and entry.value.room_id not in self._rooms:
            self._found.add("orphan", "thread", key, f"its room {entry.value.room_id} does not exist")

    def _see_unread(self, entry: CorruptRecordError) -> None:
        place = self._conversation_of(entry)
        if place is None:
            self._lost += 1
        elif place in self._tallies:  # a room counts nothing
            self._tallies[place].count += 1
            self._tallies[place].unread += 1

    def _see_message(self, entry: Record) -> None:
        message = entry.value
        if not isinstance(message, Message):
            return
        target = message.target
        self.artifacts += len(artifacts_of(message))
        if target.kind != "dm":
            self._see_room(entry, target.room_id or "")
        if target.kind == "room":
            return
        tally = self._tallies.get((target.kind, target.conversation_id))
        if tally is None:
            self._found.add(
                "orphan", "message", message.id, f"its {target.kind} {target.conversation_id} does not exist"
            )
            return
        tally.count += 1
        tally.last = max(tally.last, normalise(entry.times["created_at"]))
        if target.kind == "dm":
            tally.participants.update(participants_of(message))
        elif tally.record and isinstance(tally.record.value, Thread) and tally.record.value.room_id != target.room_id:
            tally.elsewhere += 1

    def _see_room(self, entry: Record, room_id: str) -> None:
        if room_id not in self._rooms:
            self._found.add("orphan", "message", entry.id, f"its room {room_id} does not exist")
            return
        removed_at = self._rooms[room_id]
        # Year 1 stands for a time that is not known.
        if removed_at is None or parse_time(removed_at).year == 1:
            return
        if normalise(entry.times["created_at"]) > normalise(removed_at):
            self._found.add("appended-after-removal", "message", entry.id, f"room {room_id}")

    def _compare(self, kind: str, key: str, tally: _Tally) -> None:
        if tally.record is None:
            return
        value = tally.record.value
        if not isinstance(value, Thread | DirectConversation):
            return
        if not tally.count <= value.message_count <= tally.count + self._lost:
            self._found.add("counter-drift", kind, key, f"{value.message_count} instead of {tally.count}")
        stored = normalise(tally.record.times["last_message_at"])
        # A message that cannot be decoded may have been the latest.
        if stored < tally.last or (stored > tally.last and not tally.unread and not self._lost):
            self._found.add("last-message-drift", kind, key, f"{stored} instead of {tally.last}")
        if tally.elsewhere:
            self._found.add("thread-rooms", kind, key, f"{tally.elsewhere} of its messages name another room")
        if isinstance(value, DirectConversation):
            stored_ones = set(value.participant_ids)
            for name in sorted(tally.participants - stored_ones):
                self._found.add("participant-missing", "dm", key, name)
            if not tally.unread and not self._lost:
                for name in sorted(stored_ones - tally.participants):
                    self._found.add("participant-stray", "dm", key, name)
