"""The power ``online_backup``: a copy of the whole store, made while it is in use."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from moltnet_conformance.building import agent, everything, fill, message, room, thread, walk
from moltnet_conformance.cases import case
from moltnet_conformance.clause import Group
from moltnet_conformance.harness import Place
from moltnet_core import Part, Store, StoreClosedError, ValidationError

clause = Group("powers", needs=("online_backup",))

SIZE = 3  # messages a batch
COPIES = 4


@clause("POWER-005", "0.3")
def a_backup_holds_everything_and_is_a_store_of_its_own(place: Place, store: Store, tmp_path: Path) -> None:
    fill(store)
    before = everything(store)
    store.backup(tmp_path / "backup")
    assert everything(store) == before
    with place.open_backup(tmp_path / "backup") as copy:
        assert everything(copy) == before
        assert copy.list_room_messages("general") == store.list_room_messages("general")
        assert copy.get_agent_by_credential("token:1") == store.get_agent("ann")
        copy.append_message(message("in-the-copy"))
        copy.register_agent(agent("zoe"))
        store.append_message(message("in-the-store"))
        assert (copy.get_message("in-the-store"), store.get_message("in-the-copy")) == (None, None)
        copied = everything(copy)
    if "persistent" in store.capabilities:
        with place.open_backup(tmp_path / "backup") as copy:
            assert everything(copy) == copied


@clause("POWER-006", "0.3", "4.33")
def a_backup_beside_a_writer_is_whole_and_has_what_was_acknowledged_before(
    place: Place, store: Store, tmp_path: Path
) -> None:
    store.create_room(room("general"))
    acknowledged, written, ended = [0], threading.Event(), threading.Event()

    def write() -> None:
        number = 0
        while not ended.is_set():
            batch = [message(f"m{number:05}-{item}", thread(), number, parts=[Part("file")]) for item in range(SIZE)]
            store.append_messages(batch)
            number += 1
            acknowledged[0] = number
            written.set()

    writer = threading.Thread(target=write)
    writer.start()
    made = []
    try:
        for number in range(COPIES):
            written.clear()
            assert written.wait(60), "the writer is not heard of any more"  # it goes on meanwhile
            there = acknowledged[0]
            store.backup(tmp_path / f"backup{number}")
            made.append(there)
    finally:
        ended.set()
        writer.join(60)
    assert not writer.is_alive()
    for number, there in enumerate(made):
        with case(f"backup {number}"), place.open_backup(tmp_path / f"backup{number}") as copy:
            pages = walk(lambda page: copy.list_thread_messages("t1", page), 1000, forwards=True)
            found = [each.id for page in pages for each in page.items]
            assert len(found) >= SIZE * there, "it lacks messages that were acknowledged before it was begun"
            assert len(found) % SIZE == 0, "it holds a part of a batch"
            batches = range(len(found) // SIZE)
            assert found == [f"m{batch:05}-{item}" for batch in batches for item in range(SIZE)]
            line = copy.get_thread("t1")
            assert line is not None
            assert line.message_count == len(found) == copy.counts().messages == copy.counts().artifacts


@clause("POWER-007", "0.3", "5.4", "5.13")
def a_backup_overwrites_nothing_and_leaves_nothing_where_it_is_refused(
    place: Place, store: Store, tmp_path: Path
) -> None:
    fill(store)
    before = everything(store)
    folder = tmp_path / "backups"
    (folder / "a-folder").mkdir(parents=True)
    (folder / "a-file").write_text("theirs")
    (folder / "a-link").symlink_to(folder / "nowhere")
    store.backup(folder / "a-backup")
    content = (folder / "a-backup").read_bytes()
    there = sorted(path.name for path in folder.iterdir())
    for name in ("a-folder", "a-file", "a-link", "a-backup", "no-folder/backup"):
        with case(name):
            with pytest.raises(ValidationError) as caught:
                store.backup(folder / name)
            assert (caught.value.field, caught.value.committed) == ("destination", False)
            assert sorted(path.name for path in folder.iterdir()) == there
    assert (folder / "a-file").read_text() == "theirs"
    assert (folder / "a-backup").read_bytes() == content
    assert everything(store) == before
    store.close()
    with pytest.raises(StoreClosedError):
        store.backup(folder / "late")
    assert sorted(path.name for path in folder.iterdir()) == there


@clause("POWER-008", "0.3", needs=("migrations",))
def a_store_is_copied_before_it_is_migrated(place: Place, tmp_path: Path) -> None:
    store = place.open(migrate="later")
    pending = store.migration_status().pending
    store.backup(tmp_path / "backup")
    assert store.migrate() == pending
    with place.open_backup(tmp_path / "backup", migrate="later") as copy:
        assert copy.migration_status().pending == pending
        assert copy.migrate() == pending
        fill(copy)
