"""``Check``: one check in progress: what it found so far, and what is wrong with a record taken by itself."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from moltnet_core.checking.findings import Findings
from moltnet_core.errors import CorruptRecordError
from moltnet_core.identifiers import is_identifier, is_member_id
from moltnet_core.migrations import Migration
from moltnet_core.records import Record, RecordKind
from moltnet_core.transfer.progress import Work
from moltnet_core.types import AgentRegistration, DirectConversation, Room

if TYPE_CHECKING:
    from moltnet_core.driver import DriverSnapshot

__all__ = ["Check"]

_SCAN_LIMIT: Final = 1000
_CONVERSATIONS: Final = (RecordKind.ROOM, RecordKind.THREAD, RecordKind.DM)
_UTC_TEXT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", re.ASCII)
_FULL_LENGTH: Final = len("0001-01-01T00:00:00.000000000Z")


class Check:
    """What a backend's own checks are given.

    :param deep: whether everything is to be looked at that takes long.
    :param migrations: the migrations that are recorded in the store, as far as this software knows them.
    :param work: is told of what was done, and ends the check when it is called off.
    :param found: takes what is found.
    :ivar checked: how many records of each kind were looked at.
    """

    def __init__(self, *, deep: bool, migrations: Sequence[Migration], work: Work, found: Findings) -> None:
        self.deep = deep
        self.migrations = tuple(migrations)
        self.work = work
        self.found = found
        self.checked: Counter[str] = Counter()

    def scan(
        self, view: DriverSnapshot, kind: RecordKind, *, times_are_text: bool = False
    ) -> Iterator[Record | CorruptRecordError]:
        """Every record of a kind, each of which is checked by itself as it comes."""
        after: str | None = None
        while True:
            entries = view.scan(kind, after, _SCAN_LIMIT)
            for entry in entries:
                self.see(kind, entry, times_are_text=times_are_text)
                yield entry
            self.passed(kind, len(entries))
            if len(entries) < _SCAN_LIMIT:
                return
            last = entries[-1]
            after = last.id if isinstance(last, Record) else last.record_id

    def passed(self, kind: RecordKind, count: int) -> None:
        """So many records of a kind were looked at."""
        self.checked[str(kind)] += count
        self.work.step(count, kind)

    def see(self, kind: RecordKind, entry: Record | CorruptRecordError, *, times_are_text: bool = False) -> None:
        """Check one record by itself.

        :param times_are_text: its times are stored as text, by which the engine orders them.
        """
        if isinstance(entry, CorruptRecordError):
            code = "undecodable-conversation" if kind in _CONVERSATIONS else "undecodable"
            self.found.add(code, str(kind), entry.record_id, entry.problem)
            return
        self._see_ids(kind, entry)
        if times_are_text:
            self._see_times(kind, entry)

    def _see_ids(self, kind: RecordKind, entry: Record) -> None:
        value = entry.value
        is_good = is_member_id if isinstance(value, AgentRegistration) else is_identifier
        if not is_good(entry.id):
            self.found.add("odd-id", str(kind), entry.id)
        if isinstance(value, Room):
            for member in value.members:
                if not is_member_id(member):
                    self.found.add("odd-id", "member", member, f"in room {value.id}")
        elif isinstance(value, DirectConversation):
            for participant in value.participant_ids:
                if not is_member_id(participant):
                    self.found.add("odd-id", "participant", participant, f"in dm {value.id}")

    def _see_times(self, kind: RecordKind, entry: Record) -> None:
        texts = entry.times.values()
        if not all(_UTC_TEXT.fullmatch(text) for text in texts):
            self.found.add("unsortable-time", str(kind), entry.id)
        elif any(len(text) != _FULL_LENGTH for text in texts):
            self.found.add("short-time", str(kind), entry.id)
