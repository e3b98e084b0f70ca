"""What can be wrong in a snapshot that does not show in the tables made of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from attrs import frozen

from moltnet_core.records import RecordKind
from moltnet_json.document import Document
from moltnet_memory import Tables, TablesSnapshot

if TYPE_CHECKING:
    from moltnet_core.checking import Check

__all__ = ["JSONSnapshot", "Loose", "loose_ends"]


@frozen
class Loose:
    """Something that one part of a snapshot has and another has not."""

    code: str
    kind: str
    id: str
    detail: str


def loose_ends(document: Document, tables: Tables) -> Iterator[Loose]:
    """What the parts of a snapshot do not agree on."""
    known_rooms = document.rooms.keys() | document.removed_rooms.keys()
    for key in tables.rows[RecordKind.ROOM]:
        if key not in known_rooms:
            yield Loose("orphan", "room", key, "it is named, and is in neither rooms nor removed_rooms")
    for key in tables.rows[RecordKind.THREAD]:
        if key not in document.threads:
            yield Loose("orphan", "thread", key, "it has messages and is not in threads")
    for key in document.direct_members.keys() - document.direct_messages.keys():
        yield Loose("orphan", "dm", key, "it has participants and is not in direct_messages")
    for key, row in tables.rows[RecordKind.DM].items():
        if key not in document.direct_members and getattr(row, "dm", None) is not None and row.dm.participant_ids:
            yield Loose("participant-missing", "dm", key, "it is not in direct_members")


class JSONSnapshot(TablesSnapshot):
    """The rows at one moment, and what was loose then.

    :param loose: found at that moment.
    """

    def __init__(self, tables: Tables, loose: tuple[Loose, ...]) -> None:
        super().__init__(*tables.frozen_rows())
        self._loose = loose

    def check_records(self, check: Check) -> None:
        """See :class:`moltnet_core.driver.SupportsRecordCheck`."""
        for each in self._loose:
            check.found.add(each.code, each.kind, each.id, each.detail)
        super().check_records(check)
