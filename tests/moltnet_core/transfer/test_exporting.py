"""Exporting and importing: on every backend, to files and pipes, in one piece and after an interruption."""

from __future__ import annotations

import errno
import gzip
import io
import itertools
import os
import random
import shutil
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
from tests.backends import BACKENDS, LOCATIONS
from tests.children import Child, peak_memory, starting, tell, tree
from tests.privileges import run_unprivileged

from moltnet_conformance.building import agent, everything, fill, message, records, room
from moltnet_core import (
    CancelledError,
    CorruptRecordError,
    InvalidExportError,
    Progress,
    ReadOnlyStoreError,
    Record,
    RecordKind,
    StorageFullError,
    Store,
    StoreNotEmptyError,
    StoreUnavailableError,
    ValidationError,
    VerificationError,
    check_export,
    export_store,
    import_store,
    open_store,
)
from moltnet_core.transfer import importing

Place = Callable[[str], str]


@pytest.fixture
def source() -> Iterator[Store]:
    with open_store("memory://") as store:
        fill(store)
        yield store


@pytest.fixture
def target() -> Iterator[Store]:
    with open_store("memory://") as store:
        yield store


@pytest.fixture
def export(source: Store, tmp_path: Path) -> Path:
    path = tmp_path / "chat.jsonl"
    export_store(source, path, with_credentials=True)
    return path


def long_export(folder: Path, messages: int, name: str = "long.jsonl") -> Path:
    """An export of more than one batch."""
    path = folder / name
    with open_store("memory://") as store:
        fill(store)
        store.append_messages([message(f"x{number:06}", second=100 + number) for number in range(messages)])
        export_store(store, path, with_credentials=True)
    return path


class Pipe(io.RawIOBase):
    """What cannot be read twice."""

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._content.readinto(buffer)


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "_ROWS_AT_ONCE", 3)


# -- round trips -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("one", "other"), list(itertools.product(BACKENDS, BACKENDS)))
def test_from_any_backend_into_any(one: str, other: str, tmp_path: Path) -> None:
    path = tmp_path / "chat.jsonl.gz"
    with open_store(LOCATIONS[one](tmp_path / "one")) as source, open_store(LOCATIONS[other](tmp_path / "other")) as to:
        fill(source)
        digits = min(source.backend.time_digits, to.backend.time_digits)
        exported = export_store(source, path, with_credentials=True)
        result = import_store(to, path)
        assert everything(to) == everything(source), "these times have no more than six digits"
        assert (result.loaded, result.unchanged, result.verified) == (len(records(source)), 0, True)
        assert result.truncated == 0
        assert result.digest == exported.digest
        assert digits in (6, 9)


def test_finer_times_are_cut_and_counted(tmp_path: Path) -> None:
    with open_store("memory://") as source, open_store(LOCATIONS["postgres"](tmp_path)) as to:
        source.create_room(room())
        fine = records(source)[0]
        for number in range(3):
            moment = {"created_at": f"2026-01-01T00:00:00.12345678{9 - number}Z"}
            source.load([Record("message", attrs.evolve(message(f"m{number}"), origin=None), moment)])
        export_store(source, tmp_path / "x.jsonl")
        assert check_export(tmp_path / "x.jsonl", time_digits=6).truncated == 3
        result = import_store(to, tmp_path / "x.jsonl")
        assert (result.loaded, result.truncated, result.verified) == (4, 3, True)
        assert records(to)[0].id == fine.id
        again = import_store(to, tmp_path / "x.jsonl")
        assert (again.loaded, again.unchanged) == (0, 4), "what was cut is still what the export begins with"


def test_through_a_pipe(source: Store, target: Store) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as pipe:

        def export() -> None:
            with os.fdopen(writing, "wb") as into:
                export_store(source, into, with_credentials=True)

        exporter = threading.Thread(target=export)
        exporter.start()
        assert import_store(target, pipe).verified
        exporter.join()
        assert not pipe.closed
    assert everything(target) == everything(source)


@pytest.mark.parametrize("packed", [False, True])
def test_streams_stay_open_and_are_read_from_where_they_are(source: Store, target: Store, packed: bool) -> None:
    made = io.BytesIO()
    export_store(source, made, with_credentials=True)
    content = gzip.compress(made.getvalue()) if packed else made.getvalue()
    stream = io.BytesIO(b"before" + content)
    stream.seek(6)
    import_store(target, stream)
    assert not stream.closed
    assert everything(target) == everything(source)
    pipe = Pipe(content)
    with open_store("memory://") as other:
        import_store(other, pipe)  # type: ignore[arg-type]  # a raw stream will do
        assert not pipe.closed
        assert everything(other) == everything(source)


# -- credentials -------------------------------------------------------------------------------------


def test_credentials_come_only_when_asked_for(source: Store, target: Store, tmp_path: Path) -> None:
    path = tmp_path / "chat.jsonl"
    result = export_store(source, path)
    assert result.credentials_left_out == 2
    assert b"token:1" not in path.read_bytes()
    assert b"credential_key" not in path.read_bytes()
    imported = import_store(target, path)
    assert (imported.without_credentials, imported.verified) == (2, True)
    known = target.get_agent("ann")
    assert known is not None
    assert (known.display_name, known.credential_key) == ("Ann", "")
    assert target.get_agent_by_credential("") is None
    with pytest.raises(PermissionError):
        target.register_agent(agent("ann", "token:1"))
    assert target.reconcile_agent(agent("ann", "token:9")).actor_uid == known.actor_uid
    assert target.get_agent_by_credential("token:9") is not None


# -- files -------------------------------------------------------------------------------------------


def test_a_file_is_for_its_owner_and_overwrites_nothing(source: Store, tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        export_store(source, tmp_path / "a.jsonl")
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "a.jsonl").stat().st_mode) == 0o600
    before = tree(tmp_path)
    (tmp_path / "link").symlink_to("nowhere")
    for taken in ("a.jsonl", "link", "no/folder"):
        with pytest.raises(ValidationError, match="destination"):
            export_store(source, tmp_path / taken)
    with pytest.raises(ValidationError, match="not a regular file"):
        export_store(source, tmp_path, overwrite=True)
    (tmp_path / "link").unlink()
    assert tree(tmp_path) == before


def test_overwriting_is_asked_for_and_keeps_a_link(source: Store, tmp_path: Path) -> None:
    (tmp_path / "old.jsonl").write_text("old")
    (tmp_path / "link.jsonl").symlink_to("old.jsonl")
    export_store(source, tmp_path / "link.jsonl", overwrite=True)
    assert (tmp_path / "link.jsonl").is_symlink()
    assert check_export(tmp_path / "old.jsonl").loaded == len(records(source))
    assert stat.S_IMODE((tmp_path / "old.jsonl").stat().st_mode) == 0o600


def test_one_that_fails_leaves_nothing(source: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "old.jsonl").write_text("old")
    before = tree(tmp_path)
    with pytest.raises(CancelledError):
        export_store(source, tmp_path / "old.jsonl", overwrite=True, cancelled=lambda: True)

    def interrupt(_: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        export_store(source, tmp_path / "new.jsonl", on_progress=interrupt)
    assert "nothing was written" in caught.value.__notes__[0]

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageFullError):
        export_store(source, tmp_path / "new.jsonl")
    assert tree(tmp_path) == before


def test_where_a_file_system_has_no_links(source: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    export_store(source, tmp_path / "a.jsonl")
    assert os.listdir(tmp_path) == ["a.jsonl"]  # noqa: PTH208
    assert check_export(tmp_path / "a.jsonl").loaded


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    code = """
from moltnet_core import ReadOnlyStoreError, export_store, open_store
with open_store("memory://") as store:
    try:
        export_store(store, sys.argv[1])
    except ReadOnlyStoreError as error:
        print(error)
"""
    done = run_unprivileged(code, str(tmp_path / "a.jsonl"), cwd=Path(__file__).parents[3])
    tmp_path.chmod(0o700)
    assert "cannot be written" in done.stdout, done.stderr
    assert os.listdir(tmp_path) == []  # noqa: PTH208


def test_what_a_killed_export_left_is_removed_by_the_next(source: Store, tmp_path: Path) -> None:
    dead = tmp_path / ".a.jsonl.0123456789abcdef.tmp"
    dead.mkdir()
    (dead / "a.jsonl").write_text("half")
    mine = tmp_path / ".a.jsonl.txt"
    mine.write_text("mine")
    export_store(source, tmp_path / "a.jsonl")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".a.jsonl.txt", "a.jsonl"]


def export_slowly(path: str, folder: str) -> None:
    with open_store("memory://") as store:
        fill(store)

        def wait(progress: Progress) -> None:
            if progress.done:
                tell("writing")
                threading.Event().wait()

        export_store(store, Path(folder, path), on_progress=wait)


def test_what_another_export_is_writing_is_left_to_it(source: Store, tmp_path: Path) -> None:
    with starting() as start:
        child: Child = start(export_slowly, "a.jsonl", tmp_path)
        assert child.hear() == "writing"
        (temporary,) = tmp_path.iterdir()
        export_store(source, tmp_path / "a.jsonl")
        assert temporary.exists()
        child.kill()
    export_store(source, tmp_path / "a.jsonl", overwrite=True)
    assert not temporary.exists()


def test_a_corrupt_record_is_a_reason_not_to_begin_unless_left_out(tmp_path: Path) -> None:
    from moltnet_core.plugins import load_backend
    from moltnet_core.plugins.manager import Plugins
    from moltnet_memory import CorruptRow, MemoryDriver, Tables

    tables = Tables()
    with open_store("memory://") as store:
        store.create_room(room())
        (held,) = records(store)
    backend, module = load_backend("memory")
    with Store(MemoryDriver(tables), backend, Plugins("memory", module, (), ())) as store:
        store.load([held])
        bad: Any = CorruptRow("messages", "m1", "not JSON")
        tables.apply({(RecordKind.MESSAGE, "m1"): bad})
        with pytest.raises(CorruptRecordError):
            export_store(store, tmp_path / "a.jsonl")
        assert os.listdir(tmp_path) == []  # noqa: PTH208
        result = export_store(store, tmp_path / "a.jsonl", on_corrupt="skip")
    assert (result.skipped, result.digest.count) == (1, 1)
    assert check_export(tmp_path / "a.jsonl").skipped == 1


# -- a damaged file ----------------------------------------------------------------------------------


@contextmanager
def nothing_written(store: Store) -> Iterator[None]:
    before = everything(store)
    yield
    assert everything(store) == before


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut short": lambda content: content[: len(content) // 2],
    "without its trailer": lambda content: content[: content.rindex(b'{"end"')],
    "altered": lambda content: content.replace(b"text of m1", b"text of m2"),
    "doubled": lambda content: content * 2,
    "empty": lambda content: b"",
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("damage", DAMAGES)
def test_of_a_damaged_file_nothing_is_written(
    target: Store, tmp_path: Path, small_batches: None, damage: str, packed: bool
) -> None:
    path = long_export(tmp_path, 20)
    content = DAMAGES[damage](path.read_bytes())
    path.write_bytes(gzip.compress(content) if packed else content)
    with nothing_written(target), pytest.raises(InvalidExportError):
        import_store(target, path)
    with pytest.raises(InvalidExportError):
        check_export(path)


def test_a_compressed_file_that_is_damaged(target: Store, tmp_path: Path) -> None:
    whole = gzip.compress(long_export(tmp_path, 200).read_bytes())
    chance = random.Random(1)
    path = tmp_path / "chat.gz"
    damaged = [whole[:length] for length in range(2, len(whole), 97)]
    damaged += [whole[:-8] + bytes(8), whole + b"more"]
    for _ in range(60):
        place = chance.randrange(10, len(whole))
        damaged.append(whole[:place] + bytes([whole[place] ^ 16]) + whole[place + 1 :])
    for content in damaged:
        path.write_bytes(content)
        with nothing_written(target), pytest.raises(InvalidExportError):
            import_store(target, path)
    path.write_bytes(whole + bytes(64))  # as tapes pad
    assert import_store(target, path).verified


def test_what_is_no_file(target: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError):
        import_store(target, tmp_path / "missing.jsonl")
    with pytest.raises(ValidationError, match="folder"):
        import_store(target, tmp_path)


def test_what_no_store_can_hold_is_found_before_anything_is_written(
    source: Store, target: Store, tmp_path: Path, small_batches: None
) -> None:
    orphan = message("zz", "nowhere", second=900)
    surrogate = attrs.evolve(message("zz", second=900), parts=message("zz").parts * 2)
    path = tmp_path / "x.jsonl"
    for bad, problem in ((orphan, "nowhere"), (surrogate, "lone surrogate")):
        with open_store("memory://") as store:
            import_store(store, _copy(source, tmp_path / "y.jsonl"))
            stream = io.BytesIO()
            from moltnet_core.transfer.format import ExportHeader, ExportWriter

            writer = ExportWriter(stream, ExportHeader("memory", 9, credentials=True))
            for record in records(store):
                writer.write(record)
            parts = [attrs.evolve(part, text="\ud800") for part in bad.parts] if bad is surrogate else bad.parts
            writer.write(
                Record("message", attrs.evolve(bad, parts=parts, origin=None), {"created_at": "2026-01-01T01:00:00Z"})
            )
            writer.finish()
        path.write_bytes(stream.getvalue())
        with nothing_written(target), pytest.raises(ValidationError, match=problem) as caught:
            import_store(target, path)
        assert "line" in str(caught.value)


def _copy(store: Store, path: Path) -> Path:
    path.unlink(missing_ok=True)
    export_store(store, path, with_credentials=True)
    return path


def test_a_dry_run_writes_nothing(target: Store, export: Path) -> None:
    with nothing_written(target):
        result = import_store(target, export, dry_run=True)
    assert (result.loaded, result.verified) == (result.digest.count, False)
    assert check_export(export) == result


# -- a store that is not empty -----------------------------------------------------------------------


def test_another_stores_content_is_refused(target: Store, export: Path, small_batches: None) -> None:
    contents: list[Callable[[Store], object]] = [
        lambda store: store.create_room(room("general")),
        lambda store: store.create_room(room("zzz")),
        lambda store: store.register_agent(agent("ann", "token:1")),
    ]
    for put in contents:
        with open_store("memory://") as store:
            put(store)
            for pipe in (False, True):
                with nothing_written(store), pytest.raises(StoreNotEmptyError):
                    import_store(store, Pipe(export.read_bytes()) if pipe else export)  # type: ignore[arg-type]


def test_more_than_the_export_is_refused(target: Store, export: Path) -> None:
    import_store(target, export)
    assert import_store(target, export).loaded == 0
    changes: list[Callable[[], object]] = [
        lambda: target.append_message(message("later", second=50)),
        lambda: target.create_room(room("zzz")),
        lambda: target.remove_agent("bob"),
    ]
    for change in changes:
        change()
        with nothing_written(target), pytest.raises(StoreNotEmptyError):
            import_store(target, export)


def test_one_that_is_written_to_meanwhile_is_noticed(target: Store, export: Path) -> None:
    def meddle(progress: Progress) -> None:
        if progress.phase == "import" and progress.done:
            target.append_message(message("meddler", second=70))

    with pytest.raises(VerificationError) as caught:
        import_store(target, export, on_progress=meddle)
    assert caught.value.kinds == ("message",)


# -- interruptions -----------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS)
def test_it_goes_on_after_every_batch(backend: str, tmp_path: Path, small_batches: None) -> None:
    """Called off after each batch in turn: what is there is the beginning, and the same call goes on."""
    path = long_export(tmp_path, 10)
    with open_store("memory://") as whole:
        import_store(whole, path)
        wanted = [record.to_json(with_credentials=True) for record in records(whole)]
    with open_store(LOCATIONS[backend](tmp_path / "into")) as store:
        while len(held := records(store)) < len(wanted):
            told = one_batch(store, path)
            now = len(records(store))
            assert len(held) < now <= len(held) + 3
            assert f"the store holds {now} records;" in told
        assert import_store(store, path).verified
        assert [record.to_json(with_credentials=True) for record in records(store)] == wanted


def one_batch(store: Store, path: Path) -> str:
    """Import until one batch is stored, and give what the error says is there."""
    done: list[int] = []

    def note(progress: Progress) -> None:
        if progress.phase == "import" and progress.done:
            done.append(progress.done)

    with pytest.raises(CancelledError) as caught:
        import_store(store, path, on_progress=note, cancelled=lambda: bool(done))
    return caught.value.__notes__[0]


def test_a_pipe_that_breaks_off_leaves_a_beginning_and_says_so(
    target: Store, tmp_path: Path, small_batches: None
) -> None:
    content = long_export(tmp_path, 40).read_bytes()
    for share in (3, 5, 9):
        with pytest.raises(InvalidExportError) as caught:
            import_store(target, Pipe(content[: len(content) * share // 10]))  # type: ignore[arg-type]
        held = len(records(target))
        assert f"the store holds {held} records; import the same export again" in caught.value.__notes__[0]
    result = import_store(target, Pipe(content))  # type: ignore[arg-type]
    assert result.unchanged == held > 0
    assert result.loaded + held == result.digest.count == len(records(target))


def test_a_short_pipe_that_breaks_off_leaves_nothing(target: Store, export: Path) -> None:
    with nothing_written(target), pytest.raises(InvalidExportError) as caught:
        import_store(target, Pipe(export.read_bytes()[:-30]))  # type: ignore[arg-type]
    assert caught.value.__notes__ == ["nothing was stored"]


def import_and_tell(path: str, url: str) -> None:
    importing._ROWS_AT_ONCE = 20  # type: ignore[misc]
    with open_store(url) as store:
        import_store(store, path, on_progress=lambda progress: tell([progress.phase, progress.done]))


@pytest.mark.parametrize("backend", [each for each in BACKENDS if each != "memory"])
def test_killed_it_goes_on(backend: str, tmp_path: Path) -> None:
    path, url = long_export(tmp_path, 1000), LOCATIONS[backend](tmp_path / "into")
    chance = random.Random(backend)
    with starting() as start:
        for _ in range(4):
            child: Child = start(import_and_tell, path, url)
            wanted = chance.randint(0, 6)
            for _ in range(1000):
                phase, done = child.hear()
                wanted -= phase == "import" and done > 0
                if wanted < 0:
                    break
            child.kill()
    with open_store(url) as store, open_store("memory://") as whole:
        result = import_store(store, path)
        assert result.unchanged > 0
        assert result.verified
        import_store(whole, path)
        assert everything(store) == everything(whole)
        assert store.counts().messages == 1005


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """Ten times the messages, about the same peak, in processes that do nothing else."""
    peaks = []
    for messages in (3_000, 30_000):
        path = long_export(tmp_path, messages, f"{messages}.jsonl")
        with starting() as start:
            child: Child = start(peak_of_check, path)
            peaks += child.rest()
    assert peaks[1] < 1.3 * peaks[0], peaks


def peak_of_check(path: str) -> None:
    check_export(path)
    tell(peak_memory())


@pytest.mark.skipif(shutil.which("mkfifo") is None, reason="there is no mkfifo")
def test_a_named_pipe_is_a_pipe(source: Store, target: Store, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)

    def export() -> None:
        with fifo.open("wb") as into:
            export_store(source, into, with_credentials=True)

    exporter = threading.Thread(target=export)
    exporter.start()
    import_store(target, fifo)
    exporter.join()
    assert everything(target) == everything(source)


def test_a_store_that_may_not_be_written(export: Path, tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/s.db"):
        pass
    with open_store(f"sqlite:///{tmp_path}/s.db?mode=ro") as store, pytest.raises(ReadOnlyStoreError):
        import_store(store, export)
