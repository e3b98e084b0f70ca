"""The catalogue: everything that can be found wrong in a store, by a code that does not change.

A code's meaning, severity and repair are said here once; the command line and the documentation read them.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from attrs import frozen

__all__ = ["FAULTS", "Fault", "Severity"]


class Severity(StrEnum):
    """How bad something is."""

    ERROR = "error"
    """Something is lost, cannot be read, or reads wrongly."""
    WARNING = "warning"
    """Nothing is lost; something is at risk, or is not as this library would have written it."""
    NOTE = "note"
    """Worth knowing, and normal where the Go server writes."""


@frozen
class Fault:
    """One kind of thing that can be wrong.

    :param code: its name; codes never change their meaning.
    :param severity: how bad it is.
    :param meaning: what it is, in a sentence.
    :param repair: what ``repair`` does about it, or what to do instead.
    :param repairable: ``repair`` takes the code, where the backend can.
    """

    code: str
    severity: Severity
    meaning: str
    repair: str
    repairable: bool = False


_ERROR, _WARNING, _NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE

_ALL: Final = (
    # -- the place ---------------------------------------------------------------------------------------
    Fault(
        "unreadable-store",
        _ERROR,
        "The store cannot be opened or read: its file is damaged, is no store, or was written by a newer program.",
        "Nothing. Leave it as it is, keep a copy of it with its -wal, and restore a backup.",
    ),
    Fault(
        "damage",
        _ERROR,
        "The engine finds its own file or indexes inconsistent.",
        "Nothing. Copy what can be read to a new store, or restore a backup.",
    ),
    Fault(
        "check-incomplete",
        _WARNING,
        "A part of the check could not be made; what it would have found is not known.",
        "Nothing. The detail says what was in the way.",
    ),
    Fault(
        "engine-bug",
        _WARNING,
        "The SQLite in use has the WAL-reset bug: a checkpoint that races a commit can lose what was committed.",
        "Nothing. Install pysqlite3, or a Python with SQLite 3.51.3 or newer, for every program that opens the file.",
    ),
    Fault(
        "write-ahead-log",
        _NOTE,
        "A write-ahead log holds data beside the file: a program has it open, or was killed.",
        "Nothing. Nothing is lost as long as both files stay together; the next program that writes takes it in.",
    ),
    Fault(
        "file-permissions",
        _WARNING,
        "Other users of this machine may read the store, credentials included.",
        "Nothing. chmod 600 the file.",
    ),
    Fault(
        "config-permissions",
        _WARNING,
        "Other users of this machine may read a configuration file that holds a secret; the Go server refuses it.",
        "Nothing. chmod 600 the file.",
    ),
    # -- the schema --------------------------------------------------------------------------------------
    Fault(
        "pending-migrations",
        _NOTE,
        "The schema is of an older version.",
        "Nothing. Upgrade it with migrate up.",
    ),
    Fault(
        "newer-schema",
        _WARNING,
        "The schema is of a newer version than this software knows, so not everything could be checked.",
        "Nothing. Check it with a newer version of this software.",
    ),
    Fault(
        "index-missing",
        _WARNING,
        "An index that a recorded migration made is not there: pages get slow.",
        "Makes the index.",
        repairable=True,
    ),
    Fault(
        "index-different",
        _WARNING,
        "An index is of other columns, or not usable: pages get slow.",
        "Drops the index and makes it anew.",
        repairable=True,
    ),
    Fault(
        "column-type",
        _WARNING,
        "A column is of another type than the server's migrations gave it: values may be stored or compared otherwise.",
        "Nothing. Copy the store into a new one, which has the right types.",
    ),
    Fault(
        "foreign-key-missing",
        _WARNING,
        "A foreign key of the server's tables is not there, or was never checked: what is deleted leaves orphans.",
        "Nothing. See to the orphans that are found, then copy the store into a new one, which has the keys.",
    ),
    Fault(
        "unique-index",
        _ERROR,
        "A unique index that is not the server's lies on its tables. The Go server takes a violation for a message "
        "that it has already, answers that it accepted it, and the message is lost.",
        "Nothing. Drop it, or make it one that is not unique.",
    ),
    Fault(
        "trigger",
        _NOTE,
        "A trigger lies on the server's tables. One that raises makes the Go server lose messages.",
        "Nothing. See that it never raises.",
    ),
    # -- records -----------------------------------------------------------------------------------------
    Fault(
        "undecodable",
        _ERROR,
        "A message or a registration cannot be decoded.",
        "Moves it, whole, to a file of JSON lines beside the backup, and counts its conversation anew.",
        repairable=True,
    ),
    Fault(
        "undecodable-conversation",
        _ERROR,
        "A room, thread or direct conversation cannot be decoded.",
        "Nothing: to move it would take its history along. A thread or conversation whose count or last time is the "
        "cause becomes readable by repairing counter-drift and last-message-drift; correct others by hand.",
    ),
    Fault(
        "columns-differ",
        _ERROR,
        "A message's columns name another conversation than its target does, so that it is listed in the wrong place.",
        "Nothing, as either may be right. Correct the columns or target_json by hand.",
    ),
    Fault(
        "orphan",
        _ERROR,
        "A record names a room, thread or conversation that does not exist.",
        "Nothing, as what it named is not known. Restore that from a backup, or remove the record by hand.",
    ),
    Fault(
        "counter-drift",
        _ERROR,
        "A conversation's message_count is not the number of its messages.",
        "Counts anew.",
        repairable=True,
    ),
    Fault(
        "last-message-drift",
        _WARNING,
        "A conversation's last_message_at is not the time of its latest message. The Go server writes the time of the "
        "message that it appended last, which is earlier when clocks differ.",
        "Takes the latest time.",
        repairable=True,
    ),
    Fault(
        "artifact-missing",
        _ERROR,
        "A part of a message is an artifact and is not among them.",
        "Stores the artifact.",
        repairable=True,
    ),
    Fault(
        "artifact-different",
        _ERROR,
        "A stored artifact is not what its message says.",
        "Stores what the message says.",
        repairable=True,
    ),
    Fault(
        "artifact-stray",
        _ERROR,
        "A stored artifact is of no part of any message.",
        "Moves it to the file of moved records.",
        repairable=True,
    ),
    Fault(
        "participant-missing",
        _ERROR,
        "Somebody whom a direct conversation's messages name, or who wrote one, is not among its participants.",
        "Adds the participant.",
        repairable=True,
    ),
    Fault(
        "participant-stray",
        _WARNING,
        "A participant of a direct conversation is named by none of its messages and wrote none.",
        "Moves the participant to the file of moved records.",
        repairable=True,
    ),
    Fault(
        "thread-rooms",
        _WARNING,
        "Messages of a thread name another room than the thread. The Go server allows that.",
        "Nothing: the messages are listed in their thread, and their artifacts in the rooms they name.",
    ),
    Fault(
        "appended-after-removal",
        _NOTE,
        "A message of a removed room carries a time after the removal: it was appended later, which the Go server "
        "allows, or its sender's clock was ahead. Nothing shows it where the removal's time is unknown, or the message "
        "carries an earlier one.",
        "Nothing: it is listed as all of the room's history is.",
    ),
    Fault(
        "unsortable-time",
        _WARNING,
        "A stored time is not in UTC as text, so that it sorts in the wrong place.",
        "Nothing: a stored time is never rewritten. Copy the store, which writes all times alike.",
    ),
    Fault(
        "short-time",
        _NOTE,
        "A stored time has other than nine fractional digits, as the Go server trims zeros. Pages are in order here; "
        "the server's own may not be.",
        "Nothing: a stored time is never rewritten. Copy the store, which writes all times alike.",
    ),
    Fault(
        "odd-id",
        _WARNING,
        "An id is outside the pattern of ids: it can be read, and not be written to.",
        "Nothing, as others may know it by this id.",
    ),
)

FAULTS: Final[Mapping[str, Fault]] = MappingProxyType({fault.code: fault for fault in _ALL})
"""Every fault, by its code, in the order in which a report lists them."""
