"""Errors: each builds its own message, keeps the ids, pickles, and is public."""

from __future__ import annotations

import copy
import inspect
import pickle
from typing import Any

import pytest

import moltnet_core
from moltnet_core import errors
from moltnet_core.errors import DriverError, Duplicate, MoltnetError, Problem

EXAMPLES: dict[str, tuple[Any, ...]] = {
    "MoltnetError": ("a problem",),
    "DriverError": ("OperationalError", "SQLITE_BUSY", "a_constraint"),
    "ValidationError": ("message.parts[0].text", "must not hold U+0000"),
    "InvalidCursorError": ("m1",),
    "RoomNotFoundError": ("general",),
    "RoomExistsError": ("general",),
    "ThreadRoomMismatchError": ("t1", "general", "other"),
    "DuplicateMessageError": ([Duplicate(0, "m1", True), Duplicate(3, "m2", False)],),
    "RecordConflictError": ("room", "general"),
    "AgentCredentialError": ("ann",),
    "StoreClosedError": (),
    "ReadOnlyStoreError": (),
    "StoreBusyError": ("a lock",),
    "StoreUnavailableError": ("gone",),
    "StorageFullError": ("no space",),
    "StorageIOError": ("a failing disk",),
    "CorruptStoreError": ("not a database",),
    "CorruptRecordError": ("messages", "m1", "parts is not a list"),
    "UnsupportedCapabilityError": ("watch", "memory"),
    "SchemaTooNewError": ("moltnet", 9, 8),
    "MigrationRequiredError": (["moltnet:1", "moltnet:2"],),
    "MigrationDriftError": ("moltnet", 3, "another name"),
    "MigrationFailedError": ("moltnet", 3, "global_paging_indexes", "it raised ValueError"),
    "BackendNotFoundError": ("mydb", ["memory"]),
    "BackendLoadError": ("mydb", "moltnet-mydb", "1.2", "ImportError"),
    "DuplicateBackendError": ("mydb", ["one 1.0", "two 2.0"]),
    "BackendApiError": ("mydb", "moltnet-mydb", "1.2", 7, 1),
    "ConfigError": ("moltnet.yaml", "storage.kind", "expected a backend's name"),
    "CancelledError": ("copy",),
    "StoreNotEmptyError": ("there is a store", [], "choose another place"),
    "InvalidExportError": ("chat.jsonl", 12, "is not JSON"),
    "InvalidBackupError": ("backups/monday", "it has no manifest"),
    "VerificationError": (["message"],),
    "CopyRefusedError": ("it holds other records", [Problem("room", "differs", 2, ("a", "b"))], "choose another"),
}
BASES = {
    "ValidationError": ValueError,
    "InvalidCursorError": ValueError,
    "RoomNotFoundError": LookupError,
    "ThreadRoomMismatchError": ValueError,
    "AgentCredentialError": PermissionError,
    "StoreBusyError": TimeoutError,
    "StoreUnavailableError": ConnectionError,
    "StorageFullError": OSError,
    "StorageIOError": OSError,
    "BackendNotFoundError": LookupError,
    "BackendLoadError": ImportError,
    "ConfigError": ValueError,
    "InvalidExportError": ValueError,
    "UnsupportedCapabilityError": NotImplementedError,
}
every_error = pytest.mark.parametrize("name", EXAMPLES)


def example(name: str) -> MoltnetError:
    made = getattr(errors, name)(*EXAMPLES[name])
    assert isinstance(made, MoltnetError)
    return made


def test_every_class_has_an_example_and_is_listed() -> None:
    classes = {name for name, each in vars(errors).items() if inspect.isclass(each) and issubclass(each, MoltnetError)}
    assert classes == set(EXAMPLES)
    assert classes | {"Duplicate", "Problem"} == set(errors.__all__)
    assert set(errors.__all__) - {"DriverError"} <= set(moltnet_core.__all__)


@every_error
def test_it_says_something_and_holds_its_ids(name: str) -> None:
    error = example(name)
    assert str(error)
    assert type(error).__name__ in repr(error)
    assert error.args == (str(error),)
    assert error.committed is False
    for argument in EXAMPLES[name]:
        if isinstance(argument, str):
            assert argument in str(error)


@every_error
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_pickles_with_everything_it_holds(name: str, protocol: int) -> None:
    error = example(name)
    for again in (pickle.loads(pickle.dumps(error, protocol)), copy.copy(error), copy.deepcopy(error)):
        assert type(again) is type(error)
        assert (str(again), again.args, again.__dict__) == (str(error), error.args, error.__dict__)
        assert again.committed is False
        for attribute in ("name", "cursor", "room_id", "duplicates", "field", "constraint"):
            assert getattr(again, attribute, None) == getattr(error, attribute, None)


@every_error
def test_it_has_the_built_in_base_of_the_contract(name: str) -> None:
    base = BASES.get(name)
    built_in = {each for each in type(example(name)).__mro__ if each.__module__ == "builtins"}
    assert built_in - {object, BaseException, Exception, OSError} == (
        {base} - {OSError} | ({RuntimeError} if base is NotImplementedError else set()) if base else set()
    )
    assert base is None or base in built_in


@pytest.mark.parametrize("name", ["StoreBusyError", "StoreUnavailableError", "StorageFullError", "StorageIOError"])
def test_an_open_outcome_is_kept(name: str) -> None:
    error = getattr(errors, name)("the answer never came", committed=None)
    assert error.committed is None
    assert pickle.loads(pickle.dumps(error)).committed is None


def test_attributes() -> None:
    values = {name: example(name).__dict__ for name in EXAMPLES}
    assert values["ValidationError"] == {"field": EXAMPLES["ValidationError"][0], "problem": "must not hold U+0000"}
    assert values["ThreadRoomMismatchError"] == {"thread_id": "t1", "room_id": "general", "thread_room_id": "other"}
    assert values["DuplicateMessageError"] == {"duplicates": (Duplicate(0, "m1", True), Duplicate(3, "m2", False))}
    assert values["RecordConflictError"] == {"kind": "room", "record_id": "general"}
    assert values["CorruptRecordError"] == {"table": "messages", "record_id": "m1", "problem": "parts is not a list"}
    assert values["SchemaTooNewError"] == {"series": "moltnet", "found": 9, "known": 8}
    assert values["MigrationRequiredError"] == {"pending": ("moltnet:1", "moltnet:2")}
    assert values["DuplicateBackendError"] == {"name": "mydb", "distributions": ("one 1.0", "two 2.0")}
    assert values["UnsupportedCapabilityError"] == {"capability": "watch", "backend": "memory"}
    assert values["ConfigError"] == {"source": "moltnet.yaml", "key": "storage.kind"}


def test_messages_say_what_to_do() -> None:
    assert "moltnet-core[postgres]" in str(errors.BackendNotFoundError("postgres", ["memory"], "postgres"))
    assert "memory, sqlite" in str(errors.BackendNotFoundError("x", ["sqlite", "memory"]))
    assert "retry=True" in str(errors.DuplicateMessageError([Duplicate(0, "m1", True)]))
    assert "another id" in str(errors.DuplicateMessageError([Duplicate(0, "m1", False)]))
    assert "removed" in str(errors.RoomExistsError("general", removed=True))
    assert "reconcile_agent" in str(errors.AgentCredentialError("ann"))
    assert "moltnet:1, moltnet:2" in str(errors.MigrationRequiredError(["moltnet:1", "moltnet:2"]))
    many = [Duplicate(number, f"m{number}", True) for number in range(1000)]
    assert len(str(errors.DuplicateMessageError(many))) < 300


def test_a_driver_error_shows_type_code_and_constraint_only() -> None:
    assert str(DriverError("OperationalError")) == "OperationalError"
    assert str(DriverError("IntegrityError", "23505", "rooms_pkey")) == (
        "IntegrityError (code 23505, constraint rooms_pkey)"
    )
