"""Every error that the library raises, under one root.

An error takes the ids concerned, builds its own message, keeps the ids as attributes, and pickles.
No message holds the text of a chat message, a credential or a password.

Each error of a write says what became of the write in ``committed``: ``False``, nothing was changed;
``None``, the commit was sent and its answer never came, so the caller has to look (or to append again
with ``retry=True``). See the table in the contract's section 5.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import attrs

__all__ = [
    "AgentCredentialError",
    "BackendApiError",
    "BackendLoadError",
    "BackendNotFoundError",
    "CancelledError",
    "ConfigError",
    "CopyRefusedError",
    "CorruptRecordError",
    "CorruptStoreError",
    "DriverError",
    "Duplicate",
    "DuplicateBackendError",
    "DuplicateMessageError",
    "InvalidBackupError",
    "InvalidCursorError",
    "InvalidExportError",
    "MigrationDriftError",
    "MigrationFailedError",
    "MigrationRequiredError",
    "MoltnetError",
    "Problem",
    "ReadOnlyStoreError",
    "RecordConflictError",
    "RoomExistsError",
    "RoomNotFoundError",
    "SchemaTooNewError",
    "StorageFullError",
    "StorageIOError",
    "StoreBusyError",
    "StoreClosedError",
    "StoreNotEmptyError",
    "StoreUnavailableError",
    "ThreadRoomMismatchError",
    "UnsupportedCapabilityError",
    "ValidationError",
    "VerificationError",
]


def _rebuild(cls: type[MoltnetError], message: str, state: dict[str, Any]) -> MoltnetError:
    error = cls.__new__(cls, message)
    error.args = (message,)
    for name, value in state.items():
        setattr(error, name, value)
    return error


class MoltnetError(Exception):
    """The root of all errors of this library.

    :ivar committed: of a write, ``False`` when nothing was changed, ``None`` when that is unknown.
    """

    committed: bool | None = False

    def __init__(self, message: str, **attributes: object) -> None:
        super().__init__(message)
        self.__dict__.update(attributes)

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else type(self).__name__

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), str(self), self._state())

    def _state(self) -> dict[str, Any]:
        return self.__dict__.copy()


class DriverError(MoltnetError):
    """What a database driver raised, without its text, which may hold a row or a password.

    It is only ever the ``__cause__`` of another error.
    """

    type_name: str
    code: str | None
    constraint: str | None

    def __init__(self, type_name: str, code: str | None = None, constraint: str | None = None) -> None:
        details = [f"code {code}"] if code else []
        details += [f"constraint {constraint}"] if constraint else []
        super().__init__(
            f"{type_name} ({', '.join(details)})" if details else type_name,
            type_name=type_name,
            code=code,
            constraint=constraint,
        )


# -- values ------------------------------------------------------------------------------------------


class ValidationError(MoltnetError, ValueError):
    """A value breaks a rule of the contract's sections 1 or 2.

    :ivar field: the path of the field, such as ``message.parts[0].text``.
    :ivar problem: what is wrong with it and what is expected.
    """

    field: str
    problem: str

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}", field=field, problem=problem)


class InvalidCursorError(MoltnetError, ValueError):
    """A page was asked for by a cursor that is not in the listing, or by two; or a watch after an unknown message."""

    cursor: str | None

    def __init__(self, cursor: str | None = None, problem: str | None = None) -> None:
        super().__init__(
            problem
            or f"the cursor {cursor!r} is not the id of an item in this listing; "
            "use next_before or next_after of a page of the same listing, or START",
            cursor=cursor,
        )


# -- rooms, messages, agents -------------------------------------------------------------------------


class RoomNotFoundError(MoltnetError, LookupError):
    """A write names a room that does not exist or was removed."""

    room_id: str

    def __init__(self, room_id: str) -> None:
        super().__init__(f"there is no room {room_id!r}: it was never created, or it was removed", room_id=room_id)


class RoomExistsError(MoltnetError):
    """The room's id is taken, perhaps by a room that was removed: a removed room keeps its id."""

    room_id: str
    removed: bool

    def __init__(self, room_id: str, *, removed: bool = False) -> None:
        problem = (
            "was removed, and a removed room keeps its id; choose another id"
            if removed
            else "exists; change it with reconcile_room, or choose another id"
        )
        super().__init__(f"the room {room_id!r} {problem}", room_id=room_id, removed=removed)


class ThreadRoomMismatchError(MoltnetError, ValueError):
    """A message for an existing thread names another room than the thread's."""

    thread_id: str
    room_id: str
    thread_room_id: str

    def __init__(self, thread_id: str, room_id: str, thread_room_id: str) -> None:
        super().__init__(
            f"the thread {thread_id!r} belongs to the room {thread_room_id!r}, not to {room_id!r}",
            thread_id=thread_id,
            room_id=room_id,
            thread_room_id=thread_room_id,
        )


@attrs.frozen
class Duplicate:
    """One message of a batch whose id is taken.

    :ivar index: its place in the batch, from 0.
    :ivar message_id: the id.
    :ivar identical: whether the stored message equals the offered one, by canonical JSON.
    """

    index: int
    message_id: str
    identical: bool


class DuplicateMessageError(MoltnetError):
    """The id of at least one message of the batch is taken; nothing was appended.

    :ivar duplicates: all of them, in the order of the batch.
    """

    duplicates: tuple[Duplicate, ...]

    def __init__(self, duplicates: Iterable[Duplicate]) -> None:
        found = tuple(duplicates)
        shown = ", ".join(repr(item.message_id) for item in found[:3]) + (", …" if len(found) > 3 else "")
        same = all(item.identical for item in found)
        advice = (
            "the stored messages are identical: append with retry=True to take that as success"
            if same
            else "a stored message differs: give the new one another id"
        )
        super().__init__(f"message ids already taken: {shown}; {advice}", duplicates=found)


class RecordConflictError(MoltnetError):
    """A record that is loaded differs from the stored one of the same kind and id."""

    kind: str
    record_id: str

    def __init__(self, kind: str, record_id: str) -> None:
        super().__init__(
            f"the store already holds another {kind} {record_id!r}; nothing of this load was stored",
            kind=kind,
            record_id=record_id,
        )


class AgentCredentialError(MoltnetError, PermissionError):
    """The agent is registered under another credential key."""

    agent_id: str

    def __init__(self, agent_id: str) -> None:
        super().__init__(
            f"the agent {agent_id!r} is registered with another credential; "
            "an operator can rebind it with reconcile_agent",
            agent_id=agent_id,
        )


# -- the store ---------------------------------------------------------------------------------------


class StoreClosedError(MoltnetError):
    """The store was closed, or (memory) was opened by the process that this one was forked from."""

    def __init__(self, problem: str = "the store is closed; open it again with open_store()") -> None:
        super().__init__(problem)


class ReadOnlyStoreError(MoltnetError):
    """A write to a store that was opened with ``mode=ro``, or whose place cannot be written."""

    def __init__(self, problem: str = "the store was opened read-only; open it without mode=ro") -> None:
        super().__init__(problem)


class StoreBusyError(MoltnetError, TimeoutError):
    """A lock was not had within the configured wait, or another program changed the file meanwhile."""

    def __init__(self, problem: str, *, committed: bool | None = False) -> None:
        super().__init__(problem, committed=committed)


class StoreUnavailableError(MoltnetError, ConnectionError):
    """The place or server that holds the store cannot be reached or did not answer in time."""

    def __init__(self, problem: str, *, committed: bool | None = False) -> None:
        super().__init__(problem, committed=committed)


class StorageFullError(MoltnetError, OSError):
    """No space is left (disk, quota, or a limit of the engine); earlier data is intact."""

    def __init__(self, problem: str, *, committed: bool | None = False) -> None:
        super().__init__(problem, committed=committed)


class StorageIOError(MoltnetError, OSError):
    """The disk or file system failed; earlier data is intact as far as the disk is."""

    def __init__(self, problem: str, *, committed: bool | None = False) -> None:
        super().__init__(problem, committed=committed)


class CorruptStoreError(MoltnetError):
    """The file or database as a whole cannot be trusted; it was left as it is."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)


class CorruptRecordError(MoltnetError):
    """One stored record cannot be decoded.

    :ivar table: the table (or snapshot key) that holds it.
    :ivar record_id: its id, a valid cursor of the listing it stands in.
    :ivar problem: what is wrong, without the record's content.
    """

    table: str
    record_id: str
    problem: str

    def __init__(self, table: str, record_id: str, problem: str) -> None:
        super().__init__(
            f"the record {record_id!r} in {table} cannot be read: {problem}; "
            'list with on_corrupt="skip" to read what is around it',
            table=table,
            record_id=record_id,
            problem=problem,
        )


class UnsupportedCapabilityError(MoltnetError, NotImplementedError):
    """The backend does not have the power that the call needs."""

    capability: str
    backend: str

    def __init__(self, capability: str, backend: str) -> None:
        super().__init__(
            f"the backend {backend!r} does not support {capability}", capability=capability, backend=backend
        )


# -- migrations --------------------------------------------------------------------------------------


class SchemaTooNewError(MoltnetError):
    """The database was migrated by a newer program; nothing was written."""

    series: str
    found: int
    known: int

    def __init__(self, series: str, found: int, known: int, problem: str | None = None) -> None:
        super().__init__(
            problem
            or f"the schema series {series!r} stands at version {found}, and the installed software knows "
            f"up to {known}: install a newer version of it, or open with mode=ro",
            series=series,
            found=found,
            known=known,
        )


class MigrationRequiredError(MoltnetError):
    """The store was opened with ``migrate=False`` or ``"later"`` and migrations are missing.

    :ivar pending: the missing ones, as ``series:version`` texts in the order they would be applied.
    """

    pending: tuple[str, ...]

    def __init__(self, pending: Sequence[str]) -> None:
        super().__init__(
            f"{len(pending)} migration(s) are missing ({', '.join(pending)}): "
            'run "moltnet-storage migrate up", or open the store with migrate=True',
            pending=tuple(pending),
        )


class MigrationDriftError(MoltnetError):
    """The recorded migrations are not those that this software knows: a gap, another name or checksum."""

    series: str
    version: int

    def __init__(self, series: str, version: int, problem: str) -> None:
        super().__init__(
            f"the schema series {series!r} does not match at version {version}: {problem}; "
            "nothing was written; the database was changed by something that this software does not know",
            series=series,
            version=version,
        )


class MigrationFailedError(MoltnetError):
    """A migration failed and was rolled back; those before it stay applied."""

    series: str
    version: int
    name: str

    def __init__(self, series: str, version: int, name: str, problem: str) -> None:
        super().__init__(
            f"migration {series}:{version} ({name}) failed and was rolled back: {problem}",
            series=series,
            version=version,
            name=name,
        )


# -- backends, plugins, configuration ----------------------------------------------------------------


class BackendNotFoundError(MoltnetError, LookupError):
    """No installed distribution provides the backend."""

    name: str
    extra: str | None

    def __init__(self, name: str, installed: Iterable[str], extra: str | None = None) -> None:
        known = ", ".join(sorted(installed)) or "none"
        advice = (
            f'install it: pip install "moltnet-core[{extra}]", or from a checkout that has it, its folder'
            if extra is not None
            else "check the spelling, or install the distribution that provides it"
        )
        super().__init__(
            f"there is no backend {name!r} (installed: {known}); {advice}",
            name=name,
            extra=extra,
        )


class BackendLoadError(MoltnetError, ImportError):
    """A backend or plugin is installed but cannot be loaded."""

    distribution: str
    version: str

    def __init__(self, name: str, distribution: str, version: str, problem: str) -> None:
        super().__init__(
            f"{name!r} of {f'{distribution} {version}'.strip()} cannot be loaded: {problem}",
            distribution=distribution,
            version=version,
        )
        self.name = name

    def _state(self) -> dict[str, Any]:
        return {**super()._state(), "name": self.name}  # ImportError keeps it elsewhere


class DuplicateBackendError(MoltnetError):
    """Two installed distributions provide one backend name; neither was imported."""

    name: str
    distributions: tuple[str, ...]

    def __init__(self, name: str, distributions: Sequence[str]) -> None:
        super().__init__(
            f"the backend {name!r} is provided by {' and '.join(distributions)}; uninstall all but one",
            name=name,
            distributions=tuple(distributions),
        )


class BackendApiError(MoltnetError):
    """A backend was written for another version of the backend interface."""

    name: str
    distribution: str
    version: str
    found: object
    expected: int

    def __init__(self, name: str, distribution: str, version: str, found: object, expected: int) -> None:
        super().__init__(
            f"the backend {name!r} of {distribution} {version} speaks backend API version {found}, "
            f"and this moltnet-core speaks {expected}; install versions that go together",
            name=name,
            distribution=distribution,
            version=version,
            found=found,
            expected=expected,
        )


class ConfigError(MoltnetError, ValueError):
    """A configuration is wrong: the message names the source (file, variable, URL), the key and what is expected."""

    source: str
    key: str | None

    def __init__(self, source: str, key: str | None, problem: str) -> None:
        where = f"{source}: {key}" if key else source
        super().__init__(f"{where}: {problem}", source=source, key=key)


# -- whole stores ------------------------------------------------------------------------------------


@attrs.frozen
class Problem:
    """What is wrong with some records of one kind.

    :ivar kind: of record, such as ``"message"``.
    :ivar problem: what is wrong with each.
    :ivar count: how many there are.
    :ivar ids: of the first of them.
    """

    kind: str
    problem: str
    count: int
    ids: tuple[str, ...]

    def __str__(self) -> str:
        named = ", ".join(map(ascii, self.ids[:3])) + (", …" if self.count > 3 else "")
        noun = {"dm": "DM"}.get(self.kind, self.kind) + ("" if self.count == 1 else "s")
        return f"{self.count} {noun} ({named}): {self.problem}"


class CopyRefusedError(MoltnetError):
    """A whole store cannot be copied, imported or restored as it was asked; nothing was written.

    :ivar problems: what stands in the way, all of it, where it is known by kind and id.
    """

    problems: tuple[Problem, ...]

    def __init__(self, reason: str, problems: Iterable[Problem], advice: str) -> None:
        found = tuple(problems)
        rest = len(found) - 5
        more = f"; and {rest} other problem{'' if rest == 1 else 's'}" if rest > 0 else ""
        listed = f": {'; '.join(map(str, found[:5]))}{more}" if found else ""
        super().__init__(f"{reason}{listed}. Nothing was written; {advice}", problems=found)


class StoreNotEmptyError(CopyRefusedError):
    """The place for a whole store holds another one, or a part of it and other things besides; nothing was written."""


class CancelledError(MoltnetError):
    """Work on a whole store was called off by whoever started it.

    :ivar phase: what was being done.
    """

    phase: str

    def __init__(self, phase: str) -> None:
        super().__init__(f"called off during: {phase}", phase=phase)


class InvalidExportError(MoltnetError, ValueError):
    """An export is damaged, cut short, or none at all.

    :ivar source: which file.
    :ivar line: the line that is wrong, from 1; ``None`` where no single line is.
    :ivar problem: what is wrong with it, without the line's content.
    """

    source: str
    line: int | None
    problem: str

    def __init__(self, source: str, line: int | None, problem: str) -> None:
        where = f"{source}, line {line}" if line is not None else source
        super().__init__(f"{where}: {problem}", source=source, line=line, problem=problem)


class InvalidBackupError(MoltnetError):
    """A backup is damaged, incomplete, or none at all.

    :ivar path: the backup.
    :ivar problem: what is wrong with it.
    """

    path: str
    problem: str

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"the backup {path}: {problem}", path=path, problem=problem)


class VerificationError(MoltnetError):
    """After a load the store does not hold what it was loaded from.

    :ivar kinds: the kinds of records that differ.
    """

    kinds: tuple[str, ...]

    def __init__(self, kinds: Sequence[str]) -> None:
        super().__init__(
            f"the store does not hold what was loaded into it: records of kind {', '.join(kinds)} differ; somebody "
            "else has written to it meanwhile, or it does not keep what it is given",
            kinds=tuple(kinds),
        )
