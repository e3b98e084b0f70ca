"""The participants of DMs against those whom their messages name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from attrs import frozen

from moltnet_core.checking import Check
from moltnet_core.derivation import participants_of
from moltnet_core.errors import CorruptRecordError
from moltnet_sql.checking.looking import Looking

__all__ = ["ParticipantFault", "check_participants", "participant_faults"]


@frozen
class ParticipantFault:
    """Somebody who is missing among a DM's participants, or is one without a message that says so.

    :param participant_id: as stored, which may be no text.
    """

    code: str
    dm_id: str
    participant_id: Any


def check_participants(look: Looking, check: Check) -> None:
    """Note who is missing and who is one too many."""
    for fault in participant_faults(look):
        check.found.add(fault.code, "dm", fault.dm_id, str(fault.participant_id))


def participant_faults(look: Looking) -> Iterator[ParticipantFault]:
    """Whoever is missing or too many, conversation by conversation."""
    sql = f"""SELECT {look.columns("messages")} FROM {look.name("messages")}
        WHERE target_kind = 'dm' AND dm_id IS NOT NULL ORDER BY dm_id"""
    for dm_id, rows in groupby(look.stream(sql), key=lambda row: row[6]):
        named, complete = _named(look, rows)
        if not isinstance(dm_id, str):
            continue
        stored = {row[0] for row in look.by_keys("dm_participants", "dm_id", [dm_id], "participant_id")}
        # Conversations that do not exist are orphaned messages, and nobody can be added to them.
        if not stored and not look.by_keys("dm_conversations", "dm_id", [dm_id], "1"):
            continue
        for participant in sorted(named - stored):
            yield ParticipantFault("participant-missing", dm_id, participant)
        if complete:
            for participant in sorted(stored - named, key=str):
                yield ParticipantFault("participant-stray", dm_id, participant)


def _named(look: Looking, rows: Iterator[Sequence[Any]]) -> tuple[set[str], bool]:
    """Whom messages name, and whether all of them could be decoded."""
    named: set[str] = set()
    complete = True
    for row in rows:
        message = look.rows.decoded("messages", look.rows.message, row)
        if isinstance(message, CorruptRecordError):
            complete = False
        elif message.target.kind == "dm":
            named.update(participants_of(message))
    return named, complete
