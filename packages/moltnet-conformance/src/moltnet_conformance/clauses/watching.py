"""The power ``watch``: new messages, in the order of their commits."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

import pytest

from moltnet_conformance.building import dm, everything, message, read_only, room, thread, two_rooms
from moltnet_conformance.cases import case
from moltnet_conformance.children import run
from moltnet_conformance.clause import Group
from moltnet_conformance.harness import Place
from moltnet_core import (
    START,
    DuplicateMessageError,
    InvalidCursorError,
    RoomNotFoundError,
    Store,
    StoreClosedError,
    Target,
    UnsupportedCapabilityError,
    ValidationError,
)
from moltnet_core.driver import SupportsWatch

clause = Group("watching", given=two_rooms, needs=("watch",))
refusal = Group("watching")

LONG = 20.0  # seconds that a wait may take at most, where there is something to come
SOON = 5.0  # seconds after which a watch that was closed has ended, at most
THREADS, EACH = 4, 15
APPEND = """
import sys
from moltnet_conformance.building import message
from moltnet_conformance.uninstalled import opened

with opened(sys.argv[1]) as store:
    store.append_message(message(sys.argv[2]))
"""


def there(watch: Iterable[Any]) -> list[str]:
    """The ids of what a watch with ``timeout=0`` gives."""
    return [each.id for each in watch]


def all_of(store: Store, **options: Any) -> list[str]:
    """The ids of everything stored, as a watch gives it."""
    with store.watch(after=START, timeout=0, **options) as watch:
        return there(watch)


class Following(threading.Thread):
    """Takes messages from a watch in a thread of its own, so many at most."""

    def __init__(self, watch: Any, count: int = 1_000_000) -> None:
        super().__init__(daemon=True)
        self._watch = watch
        self._count = count
        self.found: list[str] = []
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        """Follow."""
        try:
            while len(self.found) < self._count:
                self.found.append(next(self._watch).id)
        except StopIteration:
            pass
        except BaseException as error:  # noqa: BLE001 - raised by whoever asks
            self.error = error

    def result(self, patience: float = LONG) -> list[str]:
        """What it found, once it has ended."""
        self.join(patience)
        assert not self.is_alive(), f"it still waits, and was given {self.found}"
        if self.error is not None:
            raise self.error
        return self.found


@clause("WATCH-001", "0.4")
def messages_come_in_the_order_of_their_commits(store: Store) -> None:
    with store.watch(timeout=0) as watch:
        assert there(watch) == []
        targets: list[Target | str] = ["general", thread("t1"), dm("d1"), "other", "general", thread("t1")]
        for number, target in enumerate(targets):
            store.append_message(message(f"m{number}", target, second=100 - number))  # each is dated earlier
        assert there(watch) == [f"m{number}" for number in range(6)]
        batch = [message(f"b{9 - number}", second=number % 3) for number in range(10)]
        store.append_messages(batch)
        store.append_message(message("a0", "other", second=0))
        assert there(watch) == [*(each.id for each in batch), "a0"]
        assert there(watch) == []
    assert len(all_of(store)) == len(set(all_of(store))) == 17


@clause("WATCH-002", "0.4")
def what_comes_is_the_stored_message(store: Store) -> None:
    offered = message("m1", thread("t1"), second=5, mentions=["ann"])
    with store.watch(timeout=LONG) as watch:
        written = store.append_message(offered).message
        assert next(watch) == written == store.get_message("m1")


@clause("WATCH-003", "0.4", "0.5")
def a_watch_begins_where_it_is_told_to(store: Store) -> None:
    store.watch().close()  # the order of commits may be kept from the first watch on
    store.append_messages([message(f"m{number}", second=10 - number) for number in range(4)])
    with store.watch(timeout=0) as now:  # fixed before anything is asked of it
        store.append_message(message("m4", second=0))
        assert there(now) == ["m4"]
    order = ["m0", "m1", "m2", "m3", "m4"]
    for size in (1, 2, 5, 250):
        with case(size):
            assert all_of(store, page_size=size) == order
            for number, after in enumerate(order):
                with store.watch(after=after, timeout=0, page_size=size) as watch:
                    assert there(watch) == order[number + 1 :]
                    assert watch.token == order[-1]


@clause("WATCH-004", "0.4", "0.6")
def one_conversation_is_watched(store: Store) -> None:
    targets: dict[str, Target | str] = {
        "g": "general",
        "o": "other",
        "t": thread("t1"),
        "u": thread("t2"),
        "d": dm("d1"),
        "e": dm("d2"),
    }
    chosen: dict[str, dict[str, Any]] = {
        "g": {"room_id": "general"},
        "t": {"thread_id": "t1"},
        "d": {"dm_id": "d1"},
        "-": {"room_id": "nowhere"},
    }
    watches = {name: store.watch(timeout=0, **options) for name, options in chosen.items()}
    for number in range(3):
        for name, target in targets.items():
            store.append_message(message(f"{name}{number}", target, second=10 - number))
        for name, watch in watches.items():
            assert there(watch) == ([f"{name}{number}"] if name != "-" else [])
    for name, options in chosen.items():
        with case(name):
            watches[name].close()
            expected = [f"{name}{number}" for number in range(3)] if name != "-" else []
            assert all_of(store, **options) == all_of(store, page_size=1, **options) == expected
            # A token may be of another conversation: all that was committed after it comes.
            with store.watch(after="o1", timeout=0, **options) as watch:
                assert there(watch) == [each for each in expected if each[1] == "2" or each in ("t1", "d1")]


@clause("WATCH-005", "0.5", "5.4")
def bad_arguments_of_a_watch(store: Store) -> None:
    store.append_message(message("m1"))
    before = everything(store)
    for after in ("unknown", "", "general", "a\x00b", "\ud800"):
        with case(after), pytest.raises(InvalidCursorError) as caught, store.watch(after=after, timeout=0) as watch:
            next(watch)
        assert caught.value.cursor == after
    wrong: list[dict[str, Any]] = [
        {"room_id": "general", "dm_id": "d1"},
        {"page_size": 0},
        {"timeout": -1},
        {"on_corrupt": "no"},
    ]
    for options in wrong:
        with case(options), pytest.raises(ValidationError):
            store.watch(**options)
    assert everything(store) == before


@clause("WATCH-006", "0.4", "0.5")
def watches_one_after_the_other_miss_and_repeat_nothing(store: Store) -> None:
    found: list[str] = []
    written: list[str] = []
    with store.watch() as first:
        token = first.token
    for number in range(12):
        batch = [message(f"m{number}-{each}", ("general", "other")[each % 2], 500 - number) for each in range(number)]
        store.append_messages(batch)
        written += [each.id for each in batch]
        with store.watch(after=token, timeout=0, page_size=3) as watch:
            found += there(watch) if number % 3 else [next(watch).id for _ in range(number // 2)]
            token = watch.token
    with store.watch(after=token, timeout=0) as watch:
        found += there(watch)
    assert found == written


@clause("WATCH-007", "0.4")
def what_failed_or_was_there_already_does_not_come(store: Store) -> None:
    stored = message("m1")
    store.append_message(stored)
    with store.watch(timeout=0) as watch:
        with pytest.raises(DuplicateMessageError):
            store.append_messages([message("m2"), message("m1", second=7)])
        with pytest.raises(RoomNotFoundError):
            store.append_messages([message("m3"), message("m4", "nowhere")])
        assert store.append_message(stored, retry=True).replayed
        store.create_room(room("third"))
        assert there(watch) == []
        store.append_message(message("m5"))
        assert there(watch) == ["m5"]


@clause("WATCH-008", "0.4", "4.33")
def messages_of_many_writers_come_once_to_each_watch(store: Store) -> None:
    total = THREADS * EACH
    with store.watch() as whole, store.watch(room_id="other", page_size=2) as part:
        followers = Following(whole, total), Following(part, total // 2)
        errors: list[BaseException] = []

        def write(writer: int) -> None:
            try:
                for number in range(EACH):
                    name = ("general", "other")[writer % 2]
                    store.append_message(message(f"w{writer}-{number:02}", name, second=EACH - number))
            except BaseException as error:  # noqa: BLE001 - raised below
                errors.append(error)

        writers = [threading.Thread(target=write, args=(writer,)) for writer in range(THREADS)]
        for each in writers:
            each.start()
        for each in writers:
            each.join()
        assert errors == []
        found, of_other = followers[0].result(), followers[1].result()
    expected = sorted(f"w{writer}-{number:02}" for writer in range(THREADS) for number in range(EACH))
    assert sorted(found) == expected
    for writer in range(THREADS):
        own = [each for each in found if each.startswith(f"w{writer}")]
        assert own == sorted(own), "it is not the order of the commits"
    assert of_other == [each for each in found if each[1] in "13"]
    assert all_of(store) == found


@clause("WATCH-009", "0.7")
def a_watch_that_is_closed_ends(store: Store) -> None:
    watch = store.watch()
    waiting = Following(watch)
    store.append_message(message("m1"))
    waiting.join(0.05)
    watch.close()
    assert waiting.result(SOON) in ([], ["m1"])
    store.append_message(message("m2"))
    assert there(watch) == []
    watch.close()


@clause("WATCH-010", "0.7", "5.7")
def a_watch_of_a_closed_store_says_so(store: Store) -> None:
    waiting = Following(store.watch())
    waiting.join(0.05)
    store.close()
    with pytest.raises(StoreClosedError):
        waiting.result(SOON)
    with pytest.raises(StoreClosedError), store.watch(timeout=0) as watch:
        next(watch)


@clause("WATCH-011", "0.4", "0.5", needs=("persistent",))
def a_watch_goes_on_in_a_store_that_is_opened_again(place: Place) -> None:
    location = place.new_location()
    with place.open(location) as store:
        two_rooms(store)
        with store.watch(timeout=0) as watch:
            store.append_messages([message(f"m{number}", second=50 - number) for number in range(5)])
            assert [next(watch).id for _ in range(3)] == ["m0", "m1", "m2"]
            token = watch.token
        store.append_message(message("n0", "other", second=60))
        store.append_message(message("n1", "other", second=2))
        store.append_message(message("m5", second=1))
    with place.open(location) as store, store.watch(after=token, timeout=0) as watch:
        store.append_message(message("m6", second=0))
        found = there(watch)
        assert sorted(found) == ["m3", "m4", "m5", "m6", "n0", "n1"]
        assert [each for each in found if each[0] == "m"] == ["m3", "m4", "m5", "m6"]
        assert found[-1] == "m6"


@clause("POWER-009", "0.4")
def whoever_watches_is_told_of_another_opener_s_append(place: Place) -> None:
    location = place.new_location()
    store = place.open(location)
    store.create_room(room("general"))
    shared = {"multi_process", "persistent"} <= store.capabilities
    writer = place.open(location) if shared else store
    with store.watch() as watch:
        waiting = Following(watch, 1)
        waiting.join(0.05)  # it waits by then, most likely
        writer.append_message(message("m1", second=9))
        assert waiting.result() == ["m1"], "it was not told of an append"
        if shared:
            waiting = Following(watch, 1)
            run(APPEND, location, "m2")
            assert waiting.result() == ["m2"], "it was not told of another process's append"


@clause("WATCH-012", "0.4", needs=("read_only",))
def a_read_only_store_is_watched(place: Place) -> None:
    location = place.new_location()
    writer = place.open(location)
    two_rooms(writer)
    writer.watch().close()  # the first watch may have to write
    writer.append_message(message("m1", second=9))
    reader = place.open(read_only(location))
    with reader.watch() as watch:
        waiting = Following(watch, 3)
        writer.append_message(message("m2", second=8))
        writer.append_message(message("m3", "other", second=7))
        writer.append_message(message("m4", second=6))
        assert waiting.result() == ["m2", "m3", "m4"]
    with reader.watch(after="m1", timeout=0) as watch:
        assert sorted(there(watch)) == ["m2", "m3", "m4"]


@refusal("POWER-010", "0.1", "0.2", "5.12", lacks="watch")
def without_watch_it_is_refused(store: Store) -> None:
    before = everything(store)
    with pytest.raises(UnsupportedCapabilityError) as caught, store.watch(timeout=0) as watch:
        next(watch)
    assert (caught.value.__dict__["capability"], caught.value.__dict__["backend"]) == ("watch", store.backend.name)
    assert everything(store) == before
    assert not isinstance(store.driver, SupportsWatch), (
        f"{type(store.driver).__name__} has a feed, and {store.backend.name} does not declare watch"
    )


clause.clauses.extend(refusal.clauses)
