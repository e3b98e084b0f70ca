"""What backends that keep files have in common."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from moltnet_core import ConfigError, ReadOnlyStoreError, StorageFullError, StorageIOError, ValidationError
from moltnet_core.files import (
    creation_error,
    is_file,
    make_folder,
    new_file,
    publish,
    refuse_dangling,
    storage_error,
    temporary_name,
)


def test_what_is_there(tmp_path: Path) -> None:
    file, link, dangling = tmp_path / "file", tmp_path / "link", tmp_path / "dangling"
    file.write_text("x")
    link.symlink_to(file)
    dangling.symlink_to("nowhere")
    assert is_file(file, "mydb", "my.db")
    assert is_file(link, "mydb", "my.db")
    for missing in (dangling, tmp_path / "missing"):
        assert not is_file(missing, "mydb", "my.db")
    refuse_dangling(tmp_path / "missing", "mydb")
    with pytest.raises(ConfigError, match="nothing"):
        refuse_dangling(dangling, "mydb")
    with pytest.raises(ConfigError, match=r"my\.db") as caught:
        is_file(tmp_path, "mydb", "my.db")
    assert caught.value.__dict__["source"] == "mydb"
    with pytest.raises(NotADirectoryError):
        is_file(file / "below", "mydb", "my.db")


def test_folders_that_are_missing_are_made_for_their_owner(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    modes = [stat.S_IMODE(each.stat().st_mode) for each in (tmp_path, tmp_path / "a", tmp_path / "a" / "b")]
    assert modes == [0o755, 0o700, 0o700]


def test_a_new_file_is_whole_and_overwrites_nothing(tmp_path: Path) -> None:
    path = tmp_path / "new"
    with new_file(path) as temporary:
        temporary.write_text("content")
        assert not path.exists()
        assert temporary.parent == tmp_path
    assert path.read_text() == "content"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError), new_file(path) as temporary:
        temporary.write_text("other")
    assert path.read_text() == "content"
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail(temporary: Path) -> None:
        temporary.with_name(temporary.name + "-wal").write_text("beside it")
        raise LookupError

    with pytest.raises(LookupError), new_file(tmp_path / "new", ("-wal",)) as temporary:
        fail(temporary)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("code", "expected"),
    [(errno.ENOSPC, StorageFullError), (errno.EIO, StorageIOError), (errno.EACCES, ReadOnlyStoreError)],
)
def test_what_becomes_of_a_backup_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, expected: type[Exception]
) -> None:
    def fail(path: Path) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("moltnet_core.files.sync", fail)
    with pytest.raises(expected), publish(tmp_path / "copy"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_backup_that_somebody_else_made_meanwhile(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="meanwhile"), publish(tmp_path / "copy"):
        (tmp_path / "copy").write_text("theirs")
    assert (tmp_path / "copy").read_text() == "theirs"


def test_errors_of_the_system_by_what_they_mean(tmp_path: Path) -> None:
    def failure(code: int) -> OSError:
        return OSError(code, os.strerror(code))

    full = storage_error("x was not written", failure(errno.ENOSPC), committed=None)
    assert (type(full), full.committed) == (StorageFullError, None)
    assert type(storage_error("x", failure(errno.EROFS))) is ReadOnlyStoreError
    after = storage_error("x", failure(errno.EACCES), committed=None)
    assert (type(after), after.committed) == (StorageIOError, None)
    assert type(creation_error(tmp_path, "mydb", failure(errno.ELOOP))) is ConfigError
    assert type(creation_error(tmp_path, "mydb", failure(errno.EIO))) is StorageIOError


def test_temporary_names_are_short_and_cannot_be_guessed() -> None:
    names = {temporary_name("é" * 120) for _ in range(100)}
    assert len(names) == 100
    assert max(len(name.encode()) for name in names) < 255
