"""Putting right what the checks of this folder find, in one transaction.

What is wrong is looked for with the checks' own queries, and gathered before anything is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from attrs import frozen

from moltnet_core.checking import Change, Check, Moved
from moltnet_core.errors import CorruptRecordError, CorruptStoreError
from moltnet_core.records import RecordKind
from moltnet_core.timestamps import normalise
from moltnet_sql.checking.conversations import KINDS, Conversations, Drift, counter_drifts, last_message_drifts
from moltnet_sql.checking.indexes import index_faults
from moltnet_sql.checking.looking import AT_ONCE, Looking
from moltnet_sql.checking.messages import ArtifactFault, MessagePass, stray_artifacts
from moltnet_sql.checking.participants import participant_faults
from moltnet_sql.schema import TABLES

__all__ = ["REPAIRS", "repair_all"]

_ARTIFACTS: Final = frozenset({"artifact-missing", "artifact-different", "artifact-stray"})
_PARTICIPANTS: Final = frozenset({"participant-missing", "participant-stray"})
_INDEXES: Final = frozenset({"index-missing", "index-different"})
REPAIRS: Final = (
    frozenset({"undecodable", "counter-drift", "last-message-drift"}) | _ARTIFACTS | _PARTICIPANTS | _INDEXES
)
"""The codes that can be put right."""

_REFERENCES: Final = {
    "room_id": ("rooms", "id"),
    "thread_id": ("threads", "id"),
    "dm_id": ("dm_conversations", "dm_id"),
}


def repair_all(look: Looking, codes: frozenset[str], check: Check, moved: Moved | None) -> list[Change]:
    """See :meth:`moltnet_core.driver.SupportsRepair.repair`.

    :param look: in a transaction beside which nobody else writes, or with ``moved=None`` in one that reads.
    """
    return _Repair(look, codes, check, moved).run()


@frozen
class _Gone:
    """A message that cannot be decoded, as its columns have it."""

    id: Any
    kind: Any
    thread_id: Any
    dm_id: Any


class _Repair:
    def __init__(self, look: Looking, codes: frozenset[str], check: Check, moved: Moved | None) -> None:
        self._look = look
        self._session = look.session
        self._codes = codes
        self._check = check
        self._moved = moved
        self._changes: list[Change] = []

    def run(self) -> list[Change]:
        # What goes goes first, since counts, last times and artifacts follow from what stays.
        steps: Sequence[tuple[frozenset[str], Callable[[], None]]] = (
            (frozenset({"undecodable"}), self._move_undecodable),
            (_ARTIFACTS, self._repair_artifacts),
            (_PARTICIPANTS, self._repair_participants),
            (frozenset({"counter-drift"}), self._count),
            (frozenset({"last-message-drift"}), self._date),
            (_INDEXES, self._repair_indexes),
        )
        for codes, step in steps:
            if codes & self._codes:
                self._check.work.step(0)
                step()
        return self._changes

    @property
    def _writes(self) -> bool:
        return self._moved is not None

    # -- what is moved -------------------------------------------------------------------------------

    def _move_undecodable(self) -> None:
        messages: list[_Gone] = []

        def see(entry: object, row: Sequence[Any]) -> None:
            if isinstance(entry, CorruptRecordError):
                columns = dict(zip(TABLES["messages"], row, strict=True))
                messages.append(_Gone(row[0], columns["target_kind"], columns["thread_id"], columns["dm_id"]))

        for _ in MessagePass(self._look, see).run(lambda count: self._check.work.step(count, RecordKind.MESSAGE)):
            pass
        look = self._look
        agents = [
            row[0]
            for row in look.stream(f"SELECT {look.columns('agents')} FROM {look.name('agents')}")
            if isinstance(look.rows.decoded("agents", look.rows.agent_record, row), CorruptRecordError)
        ]
        message_ids = [message.id for message in messages if isinstance(message.id, str)]
        artifacts = [row[0] for row in look.by_keys("artifacts", "message_id", message_ids, "id")]
        self._move("undecodable", "artifact", "artifacts", "id", artifacts)
        self._move("undecodable", "message", "messages", "id", [message.id for message in messages])
        self._move("undecodable", "agent", "agents", "agent_id", agents)
        if self._writes:
            self._settle(messages)

    def _settle(self, gone: Sequence[_Gone]) -> None:
        """Count and date the conversations anew of which messages have gone."""
        threads = {each.thread_id for each in gone if each.kind == "thread"}
        dms = {each.dm_id for each in gone if each.kind == "dm"}
        for of, ids in ((KINDS["thread"], threads), (KINDS["dm"], dms)):
            if ids:
                self._set("undecodable", "message_count", list(counter_drifts(self._look, of, ids)))
                self._set("undecodable", "last_message_at", list(last_message_drifts(self._look, of, ids)))

    def _move(self, code: str, kind: str, table: str, key: str, keys: Sequence[Any]) -> None:
        """Write rows to the file, and then delete them."""
        for start in range(0, len(keys), AT_ONCE):
            some = [(own_key, *_is_key(self._look, key, own_key)) for own_key in keys[start : start + AT_ONCE]]
            if self._moved is not None:
                whole = [
                    row
                    for _, condition, parameters in some
                    for row in self._look.whole_rows(table, condition, parameters)
                ]
                self._moved.take(table, whole)
                for own_key, condition, parameters in some:
                    self._delete(table, condition, parameters, own_key)
            self._changes += [Change(code, kind, str(own_key), "stored", "moved") for own_key, *_ in some]

    def _delete(self, table: str, condition: str, parameters: Mapping[str, Any], key: object) -> None:
        if self._session.execute(f"DELETE FROM {self._look.name(table)} WHERE {condition}", parameters) != 1:
            raise CorruptStoreError(f"the row {key!r} of {table} could not be told from others; nothing was changed")

    # -- artifacts and participants ------------------------------------------------------------------

    def _repair_artifacts(self) -> None:
        messages = MessagePass(self._look, lambda entry, row: None)
        faults = [
            fault
            for fault in messages.run(lambda count: self._check.work.step(count, RecordKind.MESSAGE))
            if fault.code in self._codes
        ]
        strays = list(stray_artifacts(self._look)) if "artifact-stray" in self._codes else []
        self._move("artifact-stray", "artifact", "artifacts", "id", strays)
        for fault in self._placeable(faults):
            if self._writes:
                if fault.code == "artifact-different":
                    condition, parameters = _is_key(self._look, "id", fault.id)
                    self._delete("artifacts", condition, parameters, fault.id)
                self._session.execute(self._look.tools.statements.insert_artifact, fault.row)
            before = "" if fault.code == "artifact-missing" else "another than its message's"
            self._changes.append(Change(fault.code, "artifact", fault.id, before, "as its message says"))

    def _placeable(self, faults: Sequence[ArtifactFault]) -> Iterator[ArtifactFault]:
        """Those whose room, thread or DM is there: the engine takes no others."""
        for start in range(0, len(faults), AT_ONCE):
            some = faults[start : start + AT_ONCE]
            known = {}
            for column, (table, key) in _REFERENCES.items():
                named = sorted({fault.row[column] for fault in some if fault.row[column]})
                known[column] = {row[0] for row in self._look.by_keys(table, key, named, key)}
            for fault in some:
                if all(fault.row[column] in known[column] for column in known if fault.row[column] is not None):
                    yield fault

    def _repair_participants(self) -> None:
        look = self._look
        for fault in [fault for fault in participant_faults(look) if fault.code in self._codes]:
            own = {"dm_id": fault.dm_id, "participant_id": fault.participant_id}
            stray = fault.code == "participant-stray"
            if self._moved is not None and stray:
                owner = f"dm_id = {look.dialect.named.format('dm_id')}"
                condition, parameters = _is_key(look, "participant_id", fault.participant_id)
                self._moved.take("dm_participants", [own])
                self._delete(
                    "dm_participants", f"{owner} AND {condition}", {"dm_id": fault.dm_id, **parameters}, fault.dm_id
                )
            elif self._writes:
                self._session.execute(look.tools.statements.join_dm, own)
            who = str(fault.participant_id)
            before, after = (who, "moved") if stray else ("", who)
            self._changes.append(Change(fault.code, "dm", fault.dm_id, before, after))

    # -- conversations -------------------------------------------------------------------------------

    def _count(self) -> None:
        for of in KINDS.values():
            self._set("counter-drift", "message_count", list(counter_drifts(self._look, of)))

    def _date(self) -> None:
        for of in KINDS.values():
            self._set("last-message-drift", "last_message_at", list(last_message_drifts(self._look, of)))

    def _set(self, code: str, column: str, drifts: Sequence[Drift]) -> None:
        for drift in drifts:
            if self._writes:
                self._update(drift.of, column, drift)
            self._changes.append(Change(code, drift.of.kind, str(drift.id), str(drift.before), str(drift.after)))

    def _update(self, of: Conversations, column: str, drift: Drift) -> None:
        value = drift.after
        if column == "last_message_at":
            value = self._look.dialect.bind_time(normalise(value))
        condition, parameters = _is_key(self._look, of.key, drift.id)
        named = self._look.dialect.named.format("value")
        table = self._look.dialect.table(of.table)
        self._session.execute(
            f"UPDATE {table} SET {column} = {named} WHERE {condition}", {"value": value, **parameters}
        )

    # -- indexes -------------------------------------------------------------------------------------

    def _repair_indexes(self) -> None:
        for fault in [each for each in index_faults(self._look, self._check.migrations) if each.code in self._codes]:
            if self._writes:
                if fault.code == "index-different":
                    self._session.execute(f"DROP INDEX {fault.name}")
                self._session.execute(fault.create)
            self._changes.append(Change(fault.code, "index", fault.name, fault.detail, "made"))


def _is_key(look: Looking, column: str, value: Any) -> tuple[str, dict[str, Any]]:
    """SQL of a row's key, with its parameters, however odd it is."""
    if value is None:
        return f"{column} IS NULL", {}
    named = look.dialect.named.format("key")
    # What is no text, or none in UTF-8, is fetched as its bytes.
    return (f"CAST({column} AS BLOB) = {named}" if isinstance(value, bytes) else f"{column} = {named}"), {"key": value}
