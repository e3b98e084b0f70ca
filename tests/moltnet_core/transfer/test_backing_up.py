"""Backing up and restoring: on every backend, of stores in use, and never over what is there."""

from __future__ import annotations

import errno
import itertools
import json
import os
import random
import shutil
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import attrs
import pytest
from tests.backends import BACKENDS, LOCATIONS
from tests.children import Child, listen, starting, tell, tree
from tests.privileges import run_unprivileged

from moltnet_conformance.building import everything, fill, message, room
from moltnet_core import (
    CancelledError,
    InvalidBackupError,
    Manifest,
    MoltnetError,
    Progress,
    ReadOnlyStoreError,
    StorageFullError,
    Store,
    StoreBusyError,
    StoreNotEmptyError,
    ValidationError,
    back_up_store,
    open_store,
    restore_store,
    store_digest,
)
from moltnet_core.transfer import restoring
from moltnet_core.transfer.manifest import MANIFEST

FILES = [name for name in ("json", "sqlite") if name in BACKENDS]
PERSISTENT = [name for name in BACKENDS if name != "memory"]


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def backed_up(backend: str, tmp_path: Path) -> tuple[Path, Any]:
    """A backup of a filled store, and all that the store held."""
    with open_store(LOCATIONS[backend](tmp_path / "store")) as store:
        fill(store)
        back_up_store(store, tmp_path / "backup")
        return tmp_path / "backup", everything(store)


def held(url: str) -> Any:
    with open_store(url) as store:
        return everything(store)


# -- a backup ----------------------------------------------------------------------------------------


def test_a_backup_says_what_it_is(backend: str, tmp_path: Path) -> None:
    with open_store(LOCATIONS[backend](tmp_path / "store")) as store:
        fill(store)
        made = back_up_store(store, tmp_path / "backup")
        digest, status = store_digest(store), store.migration_status()
    folder = tmp_path / "backup"
    assert Manifest.read(folder) == made
    assert sorted(path.name for path in folder.iterdir()) == sorted([MANIFEST, made.file])
    assert (made.backend, made.digest, made.corrupt) == (backend, digest, 0)
    assert made.form == ("file" if backend in FILES else "export")
    assert made.schema == {series.series: series.applied for series in status.series}
    assert made.software["moltnet-core"]
    assert made.size == (folder / made.file).stat().st_size
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}
    assert modes == {"backup": 0o700, MANIFEST: 0o600, made.file: 0o600}


def test_it_overwrites_nothing(backend: str, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("nowhere")
    with open_store(LOCATIONS[backend](tmp_path / "store")) as store:
        before = tree(tmp_path)
        for taken in ("there", "link", "no/folder"):
            with pytest.raises(ValidationError, match="destination"):
                back_up_store(store, tmp_path / taken)
        assert tree(tmp_path) == before


def test_one_that_fails_leaves_nothing(backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_store(LOCATIONS[backend](tmp_path / "store")) as store:
        fill(store)
        before = sorted(path.name for path in tmp_path.iterdir())
        for phase in ("verify", "hash"):
            with pytest.raises(CancelledError):
                back_up_store(store, tmp_path / "backup", **called_off_in(phase))

        def full(_: int) -> None:
            raise OSError(errno.ENOSPC, "no space")

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(StorageFullError):
                back_up_store(store, tmp_path / "backup")
        assert sorted(path.name for path in tmp_path.iterdir()) == before
        back_up_store(store, tmp_path / "backup")


def called_off_in(phase: str) -> dict[str, Any]:
    """Arguments by which work ends when a phase begins."""
    reached: list[str] = []
    return {"on_progress": lambda now: reached.append(now.phase), "cancelled": lambda: phase in reached}


def test_without_verifying_only_its_hash_is_known(backend: str, tmp_path: Path) -> None:
    with open_store(LOCATIONS[backend](tmp_path / "store")) as store:
        fill(store)
        made = back_up_store(store, tmp_path / "backup", verify=False)
        assert (made.digest is None) == (backend in FILES)
        whole = everything(store)
    to = LOCATIONS[backend](tmp_path / "to") if backend != "memory" else f"json:///{tmp_path}/to.json"
    restore_store(tmp_path / "backup", to)
    assert held(to) == whole


@pytest.mark.parametrize("backend", PERSISTENT)
def test_it_holds_what_was_acknowledged_before_it_began(backend: str, tmp_path: Path) -> None:
    """While threads append: each backup is one moment, and the moment is not before the call."""
    with open_store(LOCATIONS[backend](tmp_path / "store")) as store:
        store.create_room(room())
        acknowledged: list[str] = []
        stop = threading.Event()

        def go_on(name: str) -> None:
            for number in itertools.count():
                if stop.is_set():
                    return
                store.append_message(message(f"{name}{number}", second=number))
                acknowledged.append(f"{name}{number}")

        writers = [threading.Thread(target=go_on, args=(name,)) for name in "ab"]
        for writer in writers:
            writer.start()
        try:
            known = []
            for number in range(3):
                known.append(set(acknowledged))
                back_up_store(store, tmp_path / f"backup{number}")
        finally:
            stop.set()
            for writer in writers:
                writer.join()
    for number, wanted in enumerate(known):
        to = f"sqlite:///{tmp_path}/to{number}.db"
        result = restore_store(tmp_path / f"backup{number}", to)
        assert result.verified
        with open_store(to) as copy, copy.snapshot() as view:
            found = {record.id for record in view.records("message")}
        assert wanted <= found
        for name in "ab":  # one moment: of what one thread wrote there is no gap
            assert {f"{name}{each}" for each in range(sum(one.startswith(name) for one in found))} <= found


def be_written(url: str) -> None:
    with open_store(url) as store:
        for number in itertools.count():
            store.append_message(message(f"other{number}", second=number))
            tell(f"other{number}")


@pytest.mark.parametrize("backend", PERSISTENT)
def test_of_a_store_that_another_process_writes(backend: str, tmp_path: Path) -> None:
    url = LOCATIONS[backend](tmp_path / "store")
    with open_store(url) as store:
        store.create_room(room())
    with starting() as start:
        child: Child = start(be_written, url)
        wanted = {child.hear() for _ in range(20)}
        with open_store(url, read_only=True) as store:
            made = back_up_store(store, tmp_path / "backup")
    assert made.digest is not None
    restore_store(tmp_path / "backup", f"sqlite:///{tmp_path}/to.db")
    with open_store(f"sqlite:///{tmp_path}/to.db") as copy:
        assert all(copy.get_message(each) is not None for each in wanted)


# -- restoring ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("other", BACKENDS)
def test_into_any_backend(backed_up: tuple[Path, Any], other: str, tmp_path: Path) -> None:
    folder, whole = backed_up
    before = tree(folder)
    to = LOCATIONS[other](tmp_path / "new" / "to")
    rehearsed = restore_store(folder, to, dry_run=True)
    assert rehearsed.manifest == Manifest.read(folder)
    if other in FILES:
        assert not (tmp_path / "new").exists()
    result = restore_store(folder, to)
    assert (result.verified, result.kept_aside, result.truncated) == (True, None, 0)
    if other != "memory":
        assert held(to) == whole
    if other in FILES:
        (made,) = (tmp_path / "new").iterdir()
        assert stat.S_IMODE(made.stat().st_mode) == 0o600
        assert stat.S_IMODE(made.parent.stat().st_mode) == 0o700
    assert tree(folder) == before


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def replaced(path: Path, make: Callable[[Path], object]) -> None:
    path.rename(path.with_name("else"))
    make(path)


def changed_manifest(change: Callable[[dict[str, Any]], object]) -> Callable[[Path, Manifest], object]:
    def act(folder: Path, _: Manifest) -> None:
        data = json.loads((folder / MANIFEST).read_text())
        change(data)
        (folder / MANIFEST).write_text(json.dumps(data))

    return act


DAMAGES: dict[str, Callable[[Path, Manifest], object]] = {
    "a byte": lambda folder, made: damage(folder / made.file),
    "cut short": lambda folder, made: os.truncate(folder / made.file, made.size - 1),
    "no data": lambda folder, made: (folder / made.file).unlink(),
    "data is a folder": lambda folder, made: replaced(folder / made.file, lambda path: path.mkdir()),
    "data is a link": lambda folder, made: replaced(folder / made.file, lambda path: path.symlink_to("else")),
    "no manifest": lambda folder, made: (folder / MANIFEST).unlink(),
    "not JSON": lambda folder, made: (folder / MANIFEST).write_text("{"),
    "not an object": lambda folder, made: (folder / MANIFEST).write_text("[]"),
    "newer": changed_manifest(lambda data: data.update(version=2)),
    "another format": changed_manifest(lambda data: data.update(format="tar")),
    "no hash": changed_manifest(lambda data: data.pop("sha256")),
    "another hash": changed_manifest(lambda data: data.update(sha256="0" * 64)),
    "a digest of no kind": changed_manifest(lambda data: data.update(digest={})),
    "a file elsewhere": changed_manifest(lambda data: data.update(file="../else")),
    "size is a text": changed_manifest(lambda data: data.update(size="big")),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_backup_is_refused_and_nothing_made(backed_up: tuple[Path, Any], name: str, tmp_path: Path) -> None:
    folder, _ = backed_up
    DAMAGES[name](folder, Manifest.read(folder))
    to = tmp_path / "to"
    to.mkdir()
    for target in (f"sqlite:///{to}/s.db", f"json:///{to}/s.json", "memory://"):
        for dry_run in (False, True):
            with pytest.raises(InvalidBackupError):
                restore_store(folder, target, dry_run=dry_run)
    assert list(to.iterdir()) == []


def test_one_whose_digest_is_another_is_never_put_in_place(backed_up: tuple[Path, Any], tmp_path: Path) -> None:
    folder, _ = backed_up
    with open_store("memory://") as other:
        wrong = store_digest(other, time_digits=Manifest.read(folder).digest.time_digits)  # type: ignore[union-attr]
    changed_manifest(lambda data: data.update(digest=wrong.to_json()))(folder, Manifest.read(folder))
    for target in (f"sqlite:///{tmp_path}/t/s.db", f"json:///{tmp_path}/t/s.json"):
        with pytest.raises(MoltnetError):
            restore_store(folder, target, dry_run=True)


@pytest.mark.parametrize("other", FILES)
def test_a_store_that_holds_data_is_kept(backed_up: tuple[Path, Any], other: str, tmp_path: Path) -> None:
    folder, whole = backed_up
    to = LOCATIONS[other](tmp_path / "mine" / "to")
    with open_store(to) as store:
        store.create_room(room("mine"))
        mine = everything(store)
    before = tree(tmp_path / "mine")
    for dry_run in (False, True):
        with pytest.raises(StoreNotEmptyError):
            restore_store(folder, to, dry_run=dry_run)
    assert {name for name in tree(tmp_path / "mine") if not name.endswith(("-shm", "-wal"))} == set(before)
    assert held(to) == mine
    result = restore_store(folder, to, replace=True)
    assert result.kept_aside is not None
    assert held(to) == whole
    scheme = to.partition(":")[0]
    assert held(f"{scheme}:///{result.kept_aside}") == mine
    again = restore_store(folder, to, replace=True)
    assert again.kept_aside not in (None, result.kept_aside), "also within the same second"
    assert held(f"{scheme}:///{result.kept_aside}") == mine


@pytest.mark.parametrize("other", FILES)
def test_a_store_that_comes_meanwhile_is_not_replaced(backed_up: tuple[Path, Any], other: str, tmp_path: Path) -> None:
    folder, _ = backed_up
    to = LOCATIONS[other](tmp_path / "to")
    came: list[str] = []

    def come(progress: Progress) -> None:
        if progress.phase == "verify" and not came:
            came.append("a store")
            with open_store(to) as store:
                store.create_room(room("mine"))

    with pytest.raises(StoreNotEmptyError):
        restore_store(folder, to, on_progress=come)
    with open_store(to) as store:
        assert store.get_room("mine") is not None
    assert not [path for path in tmp_path.iterdir() if "before-restore" in path.name]


def test_read_only_is_taken_at_its_word(backed_up: tuple[Path, Any], tmp_path: Path) -> None:
    with pytest.raises(ReadOnlyStoreError):
        restore_store(backed_up[0], f"sqlite:///{tmp_path}/to.db?mode=ro", replace=True)
    assert not (tmp_path / "to.db").exists()


@pytest.mark.parametrize("other", FILES)
def test_an_empty_store_gives_way(backed_up: tuple[Path, Any], other: str, tmp_path: Path) -> None:
    folder, whole = backed_up
    to = LOCATIONS[other](tmp_path / "to")
    with open_store(to):
        pass
    assert restore_store(folder, to).kept_aside is not None
    assert held(to) == whole


@pytest.mark.parametrize("other", FILES)
def test_a_damaged_store_is_kept_too(backed_up: tuple[Path, Any], other: str, tmp_path: Path) -> None:
    folder, whole = backed_up
    to = LOCATIONS[other](tmp_path / "mine" / "to")
    with open_store(to) as store:
        store.create_room(room("mine"))
    (file,) = (tmp_path / "mine").iterdir()
    file.write_bytes(b"garbage" + file.read_bytes()[7:])
    file.with_name(f"{file.name}-wal").write_bytes(b"a log")
    damaged = file.read_bytes()
    with pytest.raises(StoreNotEmptyError, match="cannot be read"):
        restore_store(folder, to)
    aside = restore_store(folder, to, replace=True).kept_aside
    assert aside is not None
    assert aside.read_bytes() == damaged
    if other == "sqlite":
        assert aside.with_name(f"{aside.name}-wal").read_bytes() == b"a log"
    assert held(to) == whole


@pytest.mark.parametrize("other", FILES)
def test_a_link_stays_one(backed_up: tuple[Path, Any], other: str, tmp_path: Path) -> None:
    folder, whole = backed_up
    to = LOCATIONS[other](tmp_path / "real")
    with open_store(to) as store:
        store.create_room(room("mine"))
    real = next(path for path in tmp_path.iterdir() if path.name.startswith("real"))
    (tmp_path / f"link{real.suffix}").symlink_to(real.name)
    restore_store(folder, LOCATIONS[other](tmp_path / "link"), replace=True)
    assert (tmp_path / f"link{real.suffix}").is_symlink()
    assert held(to) == whole


def keep_open(url: str) -> None:
    with open_store(url) as store:
        store.create_room(room("mine"))
        tell("open")
        listen()
        tell([record.id for record in _rooms(store)])


def _rooms(store: Store) -> Any:
    return store.list_rooms().items


@pytest.mark.parametrize("other", FILES)
def test_a_store_that_is_open_is_not_replaced(backed_up: tuple[Path, Any], other: str, tmp_path: Path) -> None:
    folder, whole = backed_up
    to = LOCATIONS[other](tmp_path / "mine" / "to")
    with starting() as start:
        child: Child = start(keep_open, to)
        assert child.hear() == "open"
        with pytest.raises(StoreBusyError):
            restore_store(folder, to, replace=True)
        child.say("go on")
        assert child.rest() == [["mine"]]
    with open_store(to), pytest.raises(StoreBusyError):
        restore_store(folder, to, replace=True)
    assert [path.name for path in (tmp_path / "mine").iterdir() if "before" in path.name] == []
    restore_store(folder, to, replace=True)
    assert held(to) == whole


def test_a_store_on_a_server_is_never_replaced(tmp_path: Path) -> None:
    to = LOCATIONS["postgres"](tmp_path)
    with open_store(f"sqlite:///{tmp_path}/s.db") as store:
        fill(store)
        back_up_store(store, tmp_path / "file")
    with open_store("memory://") as store:
        fill(store)
        back_up_store(store, tmp_path / "export")
    with open_store(to) as store:
        store.create_room(room("mine"))
        mine = everything(store)
    for folder in ("file", "export"):
        with pytest.raises(MoltnetError) as caught:
            restore_store(tmp_path / folder, to, replace=True)
        assert "ALTER SCHEMA" in caught.value.__notes__[-1]
        assert held(to) == mine


def test_a_restore_that_was_called_off_leaves_the_place_as_it_was(backed_up: tuple[Path, Any], tmp_path: Path) -> None:
    folder, whole = backed_up
    to = f"sqlite:///{tmp_path}/mine/to.db"
    with open_store(to) as store:
        store.create_room(room("mine"))
    before = tree(tmp_path / "mine")
    for phase in ("verify", "replace"):
        with pytest.raises(CancelledError):
            restore_store(folder, to, replace=True, **called_off_in(phase))
        assert tree(tmp_path / "mine") == before

    def interrupt(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        restore_store(folder, to, replace=True, on_progress=interrupt)
    assert "as it was" in caught.value.__notes__[0]
    assert tree(tmp_path / "mine") == before
    restore_store(folder, to, replace=True)
    assert held(to) == whole


def test_no_space(backed_up: tuple[Path, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, _ = backed_up

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageFullError):
        restore_store(folder, f"json:///{tmp_path}/new/to.json")
    assert list((tmp_path / "new").iterdir()) == []


def test_a_place_that_cannot_be_written(backed_up: tuple[Path, Any], tmp_path: Path) -> None:
    folder, _ = backed_up
    (tmp_path / "new").mkdir(mode=0o500)
    code = """
from moltnet_core import ReadOnlyStoreError, restore_store
try:
    restore_store(sys.argv[1], sys.argv[2])
except ReadOnlyStoreError as error:
    print(error)
"""
    for url in (f"sqlite:///{tmp_path}/new/to.db", f"json:///{tmp_path}/new/to.json"):
        done = run_unprivileged(code, str(folder), url, cwd=Path(__file__).parents[3])
        assert "cannot be written" in done.stdout, done.stderr
    assert list((tmp_path / "new").iterdir()) == []


# -- killed ------------------------------------------------------------------------------------------


def restore_and_tell(folder: str, url: str) -> None:
    restoring._PIECE = 4096  # type: ignore[misc]
    restore_store(folder, url, replace=True, on_progress=lambda progress: tell(progress.phase))


@pytest.mark.parametrize("other", [*FILES, "postgres"])
@pytest.mark.parametrize("backend", ["sqlite", "postgres"])
def test_killed_it_is_old_or_new_and_can_be_done_again(backed_up: tuple[Path, Any], other: str, tmp_path: Path) -> None:
    folder, whole = backed_up
    to = LOCATIONS[other](tmp_path / "mine" / "to")
    if other in FILES:
        with open_store(to) as store:
            store.create_room(room("mine"))
            mine = everything(store)
    chance = random.Random(other)
    with starting() as start:
        for _ in range(4):
            child: Child = start(restore_and_tell, folder, to)
            with ExitStack() as ended:
                ended.callback(child.kill)
                for _ in range(chance.randint(1, 12)):
                    try:
                        child.hear()
                    except AssertionError:
                        break  # it was done before
            if other in FILES:
                assert held(to) in (mine, whole)
    restore_store(folder, to, replace=other in FILES)
    assert held(to) == whole
    if other in FILES:
        kept = [path for path in (tmp_path / "mine").iterdir() if "before-restore" in path.name]
        assert any(held(f"{other}:///{path}") == mine for path in kept if not path.name.endswith(("-wal", "-shm")))
        assert not [path for path in (tmp_path / "mine").iterdir() if path.name.endswith(".tmp")]


def test_a_third_partys_backend_is_backed_up_by_export(tmp_path: Path) -> None:
    """It has no file form, whatever it calls itself."""
    with open_store(f"sqlite:///{tmp_path}/s.db") as store:
        fill(store)
        plain = attrs.evolve(store.backend, backup_file=None)
        other = Store(store.driver, plain, store._plugins)
        assert back_up_store(other, tmp_path / "backup").form == "export"
        whole = everything(store)
    restore_store(tmp_path / "backup", f"json:///{tmp_path}/to.json")
    assert held(f"json:///{tmp_path}/to.json") == whole


@pytest.fixture(autouse=True)
def _tidy(tmp_path: Path) -> Iterator[None]:
    yield
    shutil.rmtree(tmp_path / "mine", ignore_errors=True)


def test_an_interrupt_after_the_replacement_says_that_all_is_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    to = f"sqlite:///{tmp_path}/chat.db"
    with open_store(to) as store:
        fill(store)
        back_up_store(store, tmp_path / "backup")

    def interrupt(_: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("moltnet_core.files.sync", interrupt)
    with pytest.raises(KeyboardInterrupt) as caught:
        restore_store(tmp_path / "backup", to, replace=True)
    (kept,) = [path for path in tmp_path.glob("chat.db.before-restore-*") if not path.name.endswith(("-wal", "-shm"))]
    note = f"{tmp_path}/chat.db is wholly restored; what was there before is kept as {kept}"
    assert caught.value.__notes__ == [note]
    assert held(to) == held(f"sqlite:///{kept}")


def test_a_full_disk_is_named_and_not_the_hidden_folder_on_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_store(f"sqlite:///{tmp_path}/chat.db") as store:

        def full(_: object, destination: Path) -> None:
            raise StorageFullError(f"no space is left in {destination.parent}")

        monkeypatch.setattr(type(store), "backup", full)
        with pytest.raises(StorageFullError, match=f"in {tmp_path} for the backup"):
            back_up_store(store, tmp_path / "backup")
