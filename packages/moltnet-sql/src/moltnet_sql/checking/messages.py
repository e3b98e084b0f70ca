"""One pass over all messages: whether each can be decoded, stands where it belongs, and has its artifacts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from attrs import frozen

from moltnet_core.checking import Check
from moltnet_core.derivation import artifacts_of
from moltnet_core.errors import CorruptRecordError
from moltnet_core.records import Record, RecordKind
from moltnet_core.types import Artifact, Message
from moltnet_sql.checking.looking import AT_ONCE, Looking
from moltnet_sql.schema import TABLES

__all__ = ["ArtifactFault", "MessagePass", "check_messages", "stray_artifacts"]

_PLACES: Final = {name: place for place, name in enumerate(TABLES["messages"])}
_ARTIFACT_PLACES: Final = {name: place for place, name in enumerate(TABLES["artifacts"])}
_NAMING: Final = {"room": ("room_id",), "thread": ("room_id", "thread_id"), "dm": ("dm_id",)}
"""The columns by which messages and artifacts of each kind are listed."""


@frozen
class ArtifactFault:
    """An artifact that is missing or wrong.

    :param code: what is wrong with it.
    :param row: the columns that it is to have.
    """

    code: str
    row: Mapping[str, Any]

    @property
    def id(self) -> str:
        """Its id."""
        return str(self.row["id"])


class MessagePass:
    """Goes over all messages.

    :param on_entry: gets each message's record, or what stands for one that cannot be decoded, and its row.
    :ivar matched: how many stored artifacts belong to a message.
    """

    def __init__(self, look: Looking, on_entry: Callable[[Record | CorruptRecordError, Sequence[Any]], None]) -> None:
        self._look = look
        self._on_entry = on_entry
        self._waiting: list[tuple[Artifact, dict[str, Any]]] = []
        self.matched = 0

    def run(self, after_batch: Callable[[int], None]) -> Iterator[ArtifactFault]:
        """The artifacts that are missing or wrong."""
        look = self._look
        for batch in look.batches(f"SELECT {look.columns('messages')} FROM {look.name('messages')}"):
            for row in batch:
                entry = look.rows.decoded("messages", look.rows.message_record, row)
                self._on_entry(entry, row)
                if isinstance(entry, Record) and isinstance(entry.value, Message):
                    found = artifacts_of(entry.value)
                    if found:
                        columns = look.rows.message_row(entry.value, entry.times["created_at"])
                        self._waiting += [(artifact, columns) for artifact in found]
            after_batch(len(batch))
            while len(self._waiting) >= AT_ONCE:
                yield from self._compare(self._waiting[:AT_ONCE])
                del self._waiting[:AT_ONCE]
        yield from self._compare(self._waiting)

    def _compare(self, expected: Sequence[tuple[Artifact, dict[str, Any]]]) -> Iterator[ArtifactFault]:
        look = self._look
        stored = {row[0]: row for row in look.by_keys("artifacts", "id", [artifact.id for artifact, _ in expected])}
        self.matched += len(stored)
        for artifact, columns in expected:
            row = stored.get(artifact.id)
            if row is None:
                yield ArtifactFault("artifact-missing", look.rows.artifact_row(artifact, columns))
            elif not self._agrees(row, artifact, columns):
                yield ArtifactFault("artifact-different", look.rows.artifact_row(artifact, columns))

    def _agrees(self, row: Sequence[Any], artifact: Artifact, columns: Mapping[str, Any]) -> bool:
        decoded = self._look.rows.decoded("artifacts", self._look.rows.artifact, row)
        listed = ("target_kind", *_NAMING.get(artifact.target.kind, ()))
        return decoded == artifact and all(row[_ARTIFACT_PLACES[name]] == columns[name] for name in listed)


def misplaced(record: Record, row: Sequence[Any]) -> str | None:
    """In which column a message's row names another conversation than its target does."""
    if not isinstance(record.value, Message):
        return None
    target = record.value.target
    if row[_PLACES["target_kind"]] != target.kind:
        return "target_kind"
    for name in _NAMING.get(target.kind, ()):
        if (row[_PLACES[name]] or None) != getattr(target, name):
            return name
    return None


def check_messages(look: Looking, check: Check, *, times_are_text: bool) -> None:
    """Note what is wrong with messages and their artifacts."""

    def see(entry: Record | CorruptRecordError, row: Sequence[Any]) -> None:
        check.see(RecordKind.MESSAGE, entry, times_are_text=times_are_text)
        column = misplaced(entry, row) if isinstance(entry, Record) else None
        if column is not None:
            check.found.add("columns-differ", "message", str(row[0]), column)

    messages = MessagePass(look, see)
    for fault in messages.run(lambda count: check.passed(RecordKind.MESSAGE, count)):
        check.found.add(fault.code, "artifact", fault.id)
    for own_id in stray_artifacts(look, messages.matched):
        check.found.add("artifact-stray", "artifact", own_id)


def stray_artifacts(look: Looking, matched: int | None = None) -> Iterator[str]:
    """The ids of artifacts that are of no part of a message. Of one that cannot be decoded all parts may be.

    :param matched: how many belong to messages: if that is all there are, nothing is looked for.
    """
    if matched is not None:
        total = look.session.fetch(f"SELECT count(*) FROM {look.name('artifacts')}")[0][0]
        if total == matched:
            return
    for batch in look.batches(f"SELECT id, message_id FROM {look.name('artifacts')}"):
        message_ids = sorted({row[1] for row in batch if isinstance(row[1], str)})
        belonging: dict[Any, set[str] | None] = {}
        for row in look.by_keys("messages", "id", message_ids):
            message = look.rows.decoded("messages", look.rows.message, row)
            belonging[row[0]] = (
                None if isinstance(message, CorruptRecordError) else {each.id for each in artifacts_of(message)}
            )
        for own_id, message_id in batch:
            belongs = belonging.get(message_id, set())
            if belongs is not None and own_id not in belongs:
                yield str(own_id)
