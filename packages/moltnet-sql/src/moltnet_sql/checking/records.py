"""All checks of what is stored, in one state. Memory does not grow with the number of messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moltnet_core.checking import Check
from moltnet_core.records import RecordKind
from moltnet_sql.checking.columns import check_columns
from moltnet_sql.checking.conversations import check_conversations
from moltnet_sql.checking.indexes import check_indexes
from moltnet_sql.checking.looking import Looking
from moltnet_sql.checking.messages import check_messages
from moltnet_sql.checking.participants import check_participants
from moltnet_sql.checking.references import check_references

if TYPE_CHECKING:
    from moltnet_core.driver import DriverSnapshot

__all__ = ["check_all"]


def check_all(look: Looking, view: DriverSnapshot, check: Check) -> None:
    """Note in ``check.found`` what is wrong.

    :param view: scans the same state.
    """
    times_are_text = look.dialect.time_type == "TEXT"
    check_columns(look, check)
    check_indexes(look, check)
    for kind in (RecordKind.ROOM, RecordKind.AGENT, RecordKind.THREAD, RecordKind.DM):
        for _ in check.scan(view, kind, times_are_text=times_are_text):
            pass
    check_messages(look, check, times_are_text=times_are_text)
    check_references(look, check)
    check_conversations(look, check)
    check_participants(look, check)
