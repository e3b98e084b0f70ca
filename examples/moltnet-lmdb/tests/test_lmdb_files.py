"""Files that are none, are damaged, are another's, are newer, or may not be touched."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import lmdb
import pytest

from moltnet_core import (
    Actor,
    ConfigError,
    CorruptRecordError,
    CorruptStoreError,
    Message,
    MoltnetError,
    Part,
    ReadOnlyStoreError,
    Room,
    SchemaTooNewError,
    StoreUnavailableError,
    Target,
    open_store,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.lmdb"
    with open_store(f"lmdb:///{path}") as store:
        store.create_room(Room("r", "net"))
        for number in range(100):
            text = Part("text", "x" * 100 * number)
            store.append_message(Message("net", Target.room("r"), Actor("agent", "a"), [text], id=f"m{number:03}"))
    return path


@pytest.mark.parametrize("content", [b"x", b"SQLite format 3\0" * 1000, b"\0" * 8192], ids=["byte", "other", "zeros"])
def test_a_file_that_is_no_lmdb_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.lmdb"
    path.write_bytes(content)
    with pytest.raises(CorruptStoreError):
        open_store(f"lmdb:///{path}")
    assert path.read_bytes() == content


def test_another_program_s_lmdb_file(tmp_path: Path) -> None:
    path = tmp_path / "a.lmdb"
    with lmdb.Environment(str(path), subdir=False) as environment, environment.begin(write=True) as txn:
        txn.put(b"key", b"value")
    content = path.read_bytes()
    with pytest.raises(CorruptStoreError, match="another program"):
        open_store(f"lmdb:///{path}")
    assert path.read_bytes() == content


def test_a_file_that_was_cut_off(path: Path) -> None:
    """Its pages are found missing, typed; and a process that only reads it does not go near them."""
    whole, refused = path.read_bytes(), 0
    pages = len(whole) // 4096
    for kept in (1, *range(2, pages, 5), pages - 1):
        path.write_bytes(whole[: kept * 4096])
        if kept in (1, 2, pages - 1):
            with pytest.raises((CorruptStoreError, StoreUnavailableError)):
                open_store(f"lmdb:///{path}?mode=ro")
            assert path.read_bytes() == whole[: kept * 4096]
        try:
            with open_store(f"lmdb:///{path}") as store:
                found = [message.id for message in store.list_room_messages("r").items]
                assert found == [f"m{number:03}" for number in range(100)]  # nothing but free pages is missing
        except (CorruptStoreError, CorruptRecordError):
            refused += 1
    assert refused > pages // 10


def test_what_lmdb_leaves_unwritten_is_made_up_for(tmp_path: Path) -> None:
    path = tmp_path / "a.lmdb"
    with open_store(f"lmdb:///{path}") as store:
        for turn in range(60):
            store.create_room(Room(f"r{turn}", "net", members=[f"{'m' * 100}{turn}-{n}" for n in range(200)]))
            store.remove_room(f"r{turn}")
            assert path.stat().st_size >= int(store.describe()["length"])


def test_a_record_that_does_not_decode(path: Path) -> None:
    with (
        lmdb.Environment(str(path), subdir=False) as environment,
        environment.begin(write=True) as txn,
        txn.cursor() as cursor,
    ):
        assert cursor.set_range(b"message\0")
        assert cursor.put(cursor.key(), b'{"kind": "message", "id": "m000"')
    with open_store(f"lmdb:///{path}") as store:
        page = store.list_room_messages("r", on_corrupt="skip")
        assert (len(page.items), page.skipped) == (99, 1)
        with pytest.raises(CorruptRecordError) as caught:
            store.get_message("m000")
        assert (caught.value.table, caught.value.record_id) == ("message", "m000")


def test_a_newer_format(path: Path) -> None:
    with lmdb.Environment(str(path), subdir=False) as environment, environment.begin(write=True) as txn:
        txn.put(
            b"migration\0lmdb\0" + b"00000002", b'{"name":"new","checksum":"x","applied_at":"2030-01-01T00:00:00Z"}'
        )
    content = path.read_bytes()
    with pytest.raises(SchemaTooNewError):
        open_store(f"lmdb:///{path}")
    assert path.read_bytes() == content
    with open_store(f"lmdb:///{path}?mode=ro") as store:
        assert store.counts().messages == 100


def test_nothing_is_made_to_read_it(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError):
        open_store(f"lmdb:///{tmp_path}/folder/a.lmdb?mode=ro")
    with pytest.raises(ConfigError):
        open_store(f"lmdb:///{tmp_path}/a.lmdb?map_size=1")
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    with pytest.raises(ConfigError):
        open_store(f"lmdb:///{tmp_path}/link")
    assert [path.name for path in tmp_path.iterdir()] == ["link"]


def test_reading_changes_no_byte(path: Path) -> None:
    content = path.read_bytes()
    with open_store(f"lmdb:///{path}?mode=ro") as store:
        assert len(store.list_room_messages("r").items) == 100
    assert path.read_bytes() == content


def test_a_backup_is_a_whole_store(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.lmdb"
    with open_store(f"lmdb:///{path}") as store:
        store.backup(copy)
        store.remove_room("r")
    with open_store(f"lmdb:///{copy}?mode=ro") as store:
        assert store.counts().rooms == 1
        assert len(store.list_room_messages("r").items) == 100
    assert copy.stat().st_mode & 0o777 == 0o600


@pytest.fixture
def shown() -> Iterator[Path]:
    """A folder that everybody can look into, as tests may run as root, who may do everything."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.parametrize(
    ("file", "lock", "query", "expected"),
    [
        (0o644, 0o644, "", ReadOnlyStoreError),
        (0o600, 0o600, "?mode=ro", ReadOnlyStoreError),
        (0o644, 0o644, "?mode=ro", ReadOnlyStoreError),  # a reader has to say so in the lock file
        (0o644, 0o666, "?mode=ro", None),
    ],
)
def test_what_others_may_not_touch(
    shown: Path, file: int, lock: int, query: str, expected: type[MoltnetError] | None
) -> None:
    path = shown / "a.lmdb"
    with open_store(f"lmdb:///{path}") as store:
        store.create_room(Room("r", "net"))
    content = path.read_bytes()
    as_other = os.getuid() == 0
    for each, mode in ((path, file), (shown / "a.lmdb-lock", lock)):
        each.chmod(mode if as_other else (mode & 0o006) << 6)

    if (child := os.fork()) == 0:
        if as_other:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
        try:
            with open_store(f"lmdb:///{path}{query}") as store:
                os._exit(0 if expected is None and store.counts().rooms == 1 else 2)
        except BaseException as error:  # noqa: BLE001 - nothing may come back from a child
            os._exit(0 if type(error) is expected else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    path.chmod(0o600)
    assert path.read_bytes() == content


def test_errors_tell_no_text_of_lmdb_s(tmp_path: Path) -> None:
    (tmp_path / "a.lmdb").write_bytes(b"x" * 8192)
    with pytest.raises(MoltnetError) as caught:
        open_store(f"lmdb:///{tmp_path}/a.lmdb")
    assert type(caught.value.__cause__).__name__ == "DriverError"
