"""The feed of a snapshot: its order, over openings and in what others write, and its notes on that."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from tests.children import Child, listen, tell
from tests.moltnet_json.snapshots import url_of

from moltnet_core import (
    START,
    Actor,
    Message,
    Part,
    Room,
    Store,
    StoreUnavailableError,
    Target,
    Watch,
    open_store,
)
from moltnet_core.timestamps import parse_time

Start = Callable[..., Child]
Opening = Callable[[], Store]

ROOMS = ("a", "b", "c")


def said(own_id: str, room_id: str, second: int) -> Message:
    when = parse_time(f"2026-01-01T00:00:{second:02}Z")
    target = Target.dm("d", ("x", "y")) if room_id == "d" else Target.room(room_id)
    return Message("local", target, Actor("agent", "x"), [Part("text", own_id)], id=own_id, created_at=when)


def ids(watch: Watch) -> list[str]:
    return [message.id for message in watch]


@pytest.fixture
def made(path: Path) -> Path:
    with open_store(url_of(path)) as store:
        for room_id in ROOMS:
            store.create_room(Room(room_id, "local"))
    return path


def arrivals(path: Path) -> dict[str, Any]:
    """The notes that a file has."""
    found: dict[str, Any] = json.loads(path.read_bytes()).get("moltnet_ext", {}).get("arrivals", {})
    return found


# -- the order over openings -------------------------------------------------------------------------


def test_messages_that_come_in_the_order_of_their_times_need_no_note(made: Path) -> None:
    with open_store(url_of(made)) as store:
        for second, room_id in enumerate("abcabdacbd"):
            store.append_message(said(f"m{second}", room_id, second))
        store.append_message(said("late", "d", 0))  # behind the other in its list, and behind all others
    assert arrivals(made) == {}
    with open_store(url_of(made)) as store:
        assert ids(store.watch(after=START, timeout=0)) == [*(f"m{second}" for second in range(10)), "late"]


@pytest.mark.parametrize("seconds", list(product([5, 3], repeat=3)))
def test_each_opening_gives_the_order_in_which_they_came(made: Path, seconds: tuple[int, ...]) -> None:
    written: list[str] = []
    for number, second in enumerate(seconds):
        with open_store(url_of(made)) as store:
            batch = [said(f"m{number}{room_id}", room_id, second) for room_id in "cadb"]
            store.append_messages(batch)
            written += [message.id for message in batch]
            assert ids(store.watch(after=START, timeout=0)) == written
            for place in (0, len(written) // 2, len(written) - 2):
                assert ids(store.watch(after=written[place], timeout=0)) == written[place + 1 :]


def test_a_write_that_fails_leaves_no_trace_in_the_order(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_store(url_of(made)) as store:
        store.append_message(said("m1", "b", 5))
        file = store.driver._file  # type: ignore[attr-defined]
        real = file.replace

        def refuse(content: bytes) -> None:
            raise StoreUnavailableError("the disk is gone")

        monkeypatch.setattr(file, "replace", refuse)
        with pytest.raises(StoreUnavailableError):
            store.append_messages([said("m2", "a", 9), said("m3", "b", 3)])
        monkeypatch.setattr(file, "replace", real)
        store.append_message(said("m4", "a", 4))
        store.append_message(said("m5", "c", 5))
        assert ids(store.watch(after=START, timeout=0)) == ["m1", "m4", "m5"]
    assert not {"m2", "m3"} & arrivals(made).keys()
    with open_store(url_of(made)) as store:
        assert ids(store.watch(after=START, timeout=0)) == ["m1", "m4", "m5"]


@pytest.mark.parametrize("note", ["1", "[]", '["x"]', '[1,"x"]', "null", '["2026-01-01T00:00:09",true]'])
def test_a_note_that_says_nothing_is_left_alone(made: Path, note: str) -> None:
    with open_store(url_of(made)) as store:
        store.append_messages([said("m1", "a", 5), said("m2", "b", 3)])
    assert set(arrivals(made)) == {"m2"}
    content = json.loads(made.read_bytes())
    content["moltnet_ext"]["arrivals"]["m2"] = json.loads(note)
    made.write_text(json.dumps(content))
    with open_store(url_of(made)) as store:
        assert ids(store.watch(after=START, timeout=0)) == ["m2", "m1"]


# -- what others write -------------------------------------------------------------------------------


def as_the_server(path: Path, change: Callable[[dict[str, Any]], None], *, in_place: bool = False) -> None:
    """Rewrites the file as the server does: without what it does not know."""
    content = json.loads(path.read_bytes())
    content.pop("moltnet_ext", None)
    change(content)
    text = json.dumps(content, sort_keys=True)
    if in_place:
        path.write_text(text)
        return
    new = path.with_name("new")
    new.write_text(text)
    new.replace(path)


def server_message(own_id: str, room_id: str, second: int) -> dict[str, Any]:
    return {
        "id": own_id,
        "network_id": "local",
        "target": {"kind": "room", "room_id": room_id},
        "from": {"type": "agent", "id": "x"},
        "parts": [{"kind": "text", "text": own_id}],
        "created_at": f"2026-01-01T00:00:{second:02}Z",
        "origin": {"network_id": "local", "message_id": own_id},
    }


def appended(own_id: str, room_id: str, second: int) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        lists = content["room_messages"]
        lists[room_id] = [*(lists.get(room_id) or []), server_message(own_id, room_id, second)]

    return change


@pytest.mark.parametrize("in_place", [False, True])
def test_a_store_that_only_reads_follows_the_server(made: Path, in_place: bool) -> None:
    with open_store(url_of(made)) as store:
        store.append_messages([said("m1", "a", 5), said("m2", "b", 3)])
    with open_store(url_of(made, mode="ro")) as store, store.watch(timeout=60) as watch:
        with store.watch(room_id="a", timeout=60) as of_a:
            for number, (room_id, second) in enumerate([("a", 1), ("c", 9), ("b", 2), ("a", 0)]):
                as_the_server(made, appended(f"s{number}", room_id, second), in_place=in_place)
                assert next(watch).id == f"s{number}"
            assert [next(of_a).id for _ in range(2)] == ["s0", "s3"]
        assert watch.token == "s3"


def append_and_say(path: str) -> None:
    with open_store(url_of(Path(path))) as store:
        tell("ready")
        while own_id := listen():
            store.append_message(said(own_id, "a", 9 - int(own_id[1:])))
            tell("done")


def test_a_store_that_only_reads_follows_another_process(made: Path, start: Start) -> None:
    child = start(append_and_say, str(made))
    assert child.hear() == "ready"
    with open_store(url_of(made, mode="ro")) as store, store.watch() as watch:
        for number in range(5):
            child.say(f"c{number}")
            assert next(watch).id == f"c{number}"
            assert child.hear() == "done"
    child.say("")
    child.end()


def test_a_file_that_is_away_for_a_while(made: Path) -> None:
    with open_store(url_of(made, mode="ro")) as store, store.watch() as watch:
        aside = made.with_name("aside")
        made.rename(aside)
        with pytest.raises(StoreUnavailableError):
            next(store.watch(patience=0, after=START))
        found: list[str] = []
        follower = threading.Thread(target=lambda: found.append(next(watch).id))
        follower.start()
        as_the_server(aside, appended("s1", "a", 1))
        aside.rename(made)
        follower.join(60)
        assert found == ["s1"]


def test_what_was_taken_out_does_not_come_again(made: Path) -> None:
    with open_store(url_of(made)) as store:
        store.append_messages([said("m1", "a", 5), said("m2", "b", 3)])
    with open_store(url_of(made, mode="ro")) as store:
        watch = store.watch(after="m1", timeout=0)
        assert ids(watch) == ["m2"]
        as_the_server(made, lambda content: content["room_messages"].pop("b"))
        as_the_server(made, appended("s1", "c", 1))
        assert ids(watch) == ["s1"]


@pytest.fixture
def opened(made: Path) -> Iterator[Store]:
    with open_store(url_of(made)) as store:
        yield store


def test_a_state_that_is_read_anew_keeps_what_was_seen(opened: Store) -> None:
    watch = opened.watch(timeout=0)
    opened.append_messages([said("m1", "a", 5), said("m2", "b", 3)])
    assert next(watch).id == "m1"
    opened.driver._state = None  # type: ignore[attr-defined]  # as after an interrupt
    opened.append_message(said("m3", "a", 1))
    assert ids(watch) == ["m2", "m3"]
