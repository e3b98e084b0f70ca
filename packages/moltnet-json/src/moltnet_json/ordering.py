"""In which order the messages of a snapshot came.

Each conversation has its messages in the order in which they were appended; which of two conversations' came first is
written nowhere. So a message counts as having come no earlier than the time that it bears, nor than the message before
it in its list. Where that would put a new message before one that was there already, it is noted what it came after.
The server knows nothing of the notes and drops them: then the times decide.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter
from typing import Any, Final

from moltnet_core.timestamps import time_key
from moltnet_json.sections import Records, encoded
from moltnet_memory import CorruptRow, MessageRow

__all__ = ["ArrivalOrder"]

Mark = tuple[str, int]
"""When something came: the key of a time, and a number among what came at that time."""

Line = tuple[str, str]
"""A conversation: its kind and id."""

_BEFORE_ALL: Final[Mark] = ("", 0)


class ArrivalOrder:
    """Sorts what a snapshot holds, and notes of what is appended that its time does not tell.

    As of the parts of a snapshot, what is staged counts for what is staged next.

    :param notes: where the notes are kept: the marks of some messages, by id.
    """

    def __init__(self, notes: Records) -> None:
        self._notes = notes
        self._marks: dict[Line, Mark] = {}  # of each conversation's last message
        self._last: tuple[Mark, Line] = (_BEFORE_ALL, ("", ""))
        self._staged: dict[Line, Mark] = {}
        self._staged_last = self._last
        self._learned: tuple[Mapping[str, MessageRow | CorruptRow], Mapping[str, Any]] | None = None
        self._arrivals: list[str] = []

    def learn(self, rows: Mapping[str, MessageRow | CorruptRow], notes: Mapping[str, Any]) -> None:
        """What there is, which is put in order when somebody asks: most who open a snapshot do not.

        :param rows: by id, each conversation's in the order of its list; they stay as they are.
        :param notes: as they were read.
        """
        self._learned = rows, notes

    def arrivals(self) -> list[str]:
        """The ids of all messages that there were, in the order in which they came; the same list each time."""
        if self._learned is not None:
            learned, self._learned = self._learned, None
            self._arrivals = self._sort(*learned)
        return self._arrivals

    def _sort(self, rows: Mapping[str, MessageRow | CorruptRow], notes: Mapping[str, Any]) -> list[str]:
        # With as few objects as can be, because a snapshot may have very many messages.
        marks, found = self._marks, []
        lines: dict[Line, Line] = {}
        for message_id, row in rows.items():
            line = _line(row)
            line = lines.setdefault(line, line)
            mark = time_key(row.created_at), 0
            if (last := marks.get(line)) is not None and last > mark:
                mark = last
            if notes and (note := _mark(notes.get(message_id))) > mark:
                mark = note
            marks[line] = mark
            found.append((mark, line, message_id))
        found.sort(key=itemgetter(0, 1))  # of one conversation's, those with one mark stay as they are
        if found:
            self._last = found[-1][:2]
        self.discard()
        return [message_id for _, _, message_id in found]

    def stage(self, row: MessageRow) -> None:
        """A message comes after all others."""
        self.arrivals()  # what is to come after
        line = _line(row)
        mark = max(self._staged.get(line) or self._marks.get(line, _BEFORE_ALL), (time_key(row.created_at), 0))
        if (mark, line) < self._staged_last:
            (moment, number), _ = self._staged_last
            mark = moment, number + 1
            self._notes.put(row.message.id, encoded(list(mark)))
        self._staged[line], self._staged_last = mark, (mark, line)

    def settle(self) -> None:
        """What was staged has come."""
        self._marks |= self._staged
        self._last = self._staged_last
        self.discard()

    def discard(self) -> None:
        """What was staged has not come."""
        self._staged = {}
        self._staged_last = self._last


def _line(row: MessageRow | CorruptRow) -> Line:
    kind, own_id = row.conversation or ("", None)
    return kind, own_id or ""


def _mark(note: Any) -> Mark:
    if type(note) is list and len(note) == 2 and type(note[0]) is str and type(note[1]) is int:
        return note[0], note[1]
    return _BEFORE_ALL
