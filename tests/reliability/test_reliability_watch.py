"""Following: nothing is missed and nothing comes twice, over reconnections, between processes, and over kills.

A further backend is a :class:`Place` more.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
from attrs import frozen
from tests.children import Child, tell, wait_until
from tests.existing.server import Server, message_rows
from tests.moltnet_sqlite.support import integrity, raw_connection

from moltnet_core import START, Actor, Message, Part, Room, Store, Target, open_store
from moltnet_core.timestamps import parse_time
from moltnet_core.types import Start as FromStart

Start = Callable[..., Child]
Figure = Callable[[str], None]

MESSAGES = 100_000
RECONNECTIONS = 20
ROOMS = ("general", "other", "third")
KILLED = 20_000


@frozen
class Place:
    """Where messages are written and followed.

    :param url: from a path to what writers open, and to what followers open.
    :param writers: processes that write at a time; 0: threads of this one.
    :param batch: messages in one append.
    :param served: of all messages, how many another program writes as the Go server does.
    :param reopened: of the reconnections, how many open the store anew; the others make a new watch.
    :param shaken: what is done to the place in the middle, after so many messages were followed.
    """

    name: str
    url: Callable[[Path], str]
    followed: Callable[[Path], str]
    writers: int
    batch: int
    served: int = 0
    reopened: int = RECONNECTIONS
    shaken: Callable[[Path], None] = lambda path: None


def renumber(path: Path) -> None:
    """Take every tenth message of the older part out, and compact the file: rows get other ids."""
    some = "SELECT id FROM messages WHERE rowid < (SELECT max(rowid) / 4 FROM messages) AND rowid % 10 = 0"
    with raw_connection(path, timeout=60) as connection:
        connection.execute("BEGIN IMMEDIATE")
        # By hand: no index leads a cascade from a message to its artifacts.
        connection.execute(f"DELETE FROM artifacts WHERE message_id IN ({some})")
        connection.execute(f"DELETE FROM messages WHERE id IN ({some})")
        connection.execute("COMMIT")
        connection.execute("VACUUM")


def file_url(kind: str, suffix: str = "") -> Callable[[Path], str]:
    return lambda path: f"{kind}:///{path}{suffix}"


PLACES = [
    Place("memory", lambda path: "memory://", lambda path: "", 0, 100, reopened=0),
    Place("sqlite", file_url("sqlite", "?busy_timeout=60"), file_url("sqlite"), 2, 250, served=10_000, shaken=renumber),
    Place("json", file_url("json"), file_url("json", "?mode=ro"), 1, 25_000, reopened=3),
]


def said(own_id: str, chance: random.Random) -> Message:
    """A message in some conversation, of some time."""
    name = chance.choice((*ROOMS, "d", "t"))
    target = Target.dm("d", ("a", "b")) if name == "d" else Target.room(name)
    target = Target.thread("general", "t") if name == "t" else target
    when = parse_time(f"2026-01-01T{chance.randrange(24):02}:{chance.randrange(60):02}:00Z")
    return Message("local", target, Actor("agent", "a"), [Part("text", "x")], id=own_id, created_at=when)


def write(store: Store, writer: int, messages: int, batch: int) -> None:
    chance = random.Random(writer)
    for first in range(0, messages, batch):
        numbers = range(first, min(first + batch, messages))
        store.append_messages([said(f"w{writer}-{number:06}", chance) for number in numbers])


def write_apart(url: str, writer: int, messages: int, batch: int) -> None:
    """In a process of its own."""
    tell("ready")
    with open_store(url, environ={}) as store:
        write(store, writer, messages, batch)


def serve(path: Path, messages: int) -> None:
    """As the Go server writes. It waits five seconds for a lock, and ends where compacting takes longer: then anew."""
    chance = random.Random("server")
    batches = []
    for first in range(0, messages, 100):
        batch = []
        for number in range(first, first + 100):
            target = {"kind": "room", "room_id": chance.choice(ROOMS)}
            batch += message_rows(f"s-{number:06}", target, f"2026-01-01T12:{chance.randrange(60):02}:00.5Z")
        batches.append(batch)
    while batches:
        with Server(path) as server, suppress(json.JSONDecodeError, BrokenPipeError):
            while batches:
                server.transaction(*batches[0])
                batches.pop(0)


@contextmanager
def writing(place: Place, path: Path, start: Start, total: int) -> Iterator[Store | None]:
    """Writers at work; gives the store, where it is one of this process alone."""
    threads = []
    if place.served:
        threads.append(threading.Thread(target=serve, args=(path, place.served)))
    own = total - place.served
    if place.writers:
        share = own // place.writers
        children = [start(write_apart, place.url(path), writer, share, place.batch) for writer in range(place.writers)]
        for child in children:
            assert child.hear() == "ready"
        for thread in threads:
            thread.start()
        yield None
        for child in children:
            child.end()
    else:
        with open_store(place.url(path), environ={}) as store:
            make_rooms(store)
            share = own // 4
            threads += [threading.Thread(target=write, args=(store, each, share, place.batch)) for each in range(4)]
            for thread in threads:
                thread.start()
            yield store
    for thread in threads:
        thread.join()


def make_rooms(store: Store) -> None:
    for room_id in ROOMS:
        store.create_room(Room(room_id, "local"))


class Followed:
    """What a follower was given: how often each message came, and whether each writer's came in its order."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.late = 0
        self._last: dict[str, str] = {}

    def add(self, own_id: str) -> None:
        writer = own_id.partition("-")[0]
        self.late += own_id <= self._last.get(writer, "")
        self._last[writer] = own_id
        self.counts[own_id] += 1

    @property
    def total(self) -> int:
        return self.counts.total()

    def figures(self, written: int) -> tuple[int, int, int]:
        """How many were missed, doubled, out of order."""
        return written - len(self.counts), self.total - len(self.counts), self.late


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_nothing_is_missed_or_doubled(place: Place, path: Path, start: Start, figure: Figure) -> None:
    if place.writers:
        with open_store(place.url(path), environ={}) as store:
            make_rooms(store)
    began = time.monotonic()
    followed, chance = Followed(), random.Random(7)
    shaken = reconnections = reopened = 0
    after: str | FromStart = START
    with writing(place, path, start, MESSAGES) as shared:
        store = shared or open_store(place.followed(path), environ={})
        while followed.total < MESSAGES:
            # Each watch is left somewhere, mostly in the middle of what it has read.
            share = MESSAGES // (RECONNECTIONS + 1)
            until = followed.total + share + chance.randrange(-500, 500) if reconnections < RECONNECTIONS else MESSAGES
            with store.watch(after=after, timeout=100, page_size=chance.choice((10, 100, 250, 1000))) as watch:
                for message in watch:
                    followed.add(message.id)
                    if followed.total >= min(until, MESSAGES):
                        break
                else:
                    break  # nothing came for long: it is missed
                after = message.id
            if followed.total < MESSAGES:
                reconnections += 1
                if reopened < place.reopened and shared is None:
                    reopened += 1
                    store.close()
                    store = open_store(place.followed(path), environ={})
            if not shaken and followed.total > MESSAGES // 3:
                shaken = 1
                place.shaken(path)
        with store.watch(after=after, timeout=0) as watch:
            for message in watch:
                followed.add(message.id)
    store.close()
    missed, doubled, late = followed.figures(MESSAGES)
    if place.name == "sqlite":
        assert integrity(path) == []
    figure(
        f"watch, {place.name}: {MESSAGES} messages by {place.writers or 'threads of one'} process(es)"
        f"{f' and {place.served} of them as the server' if place.served else ''}, {reconnections} reconnections"
        f" ({reopened} of them openings), {missed} missed, {doubled} doubled, {late} out of a writer's order,"
        f" {time.monotonic() - began:.0f} s"
    )
    assert (missed, doubled, late) == (0, 0, 0)
    assert reconnections >= RECONNECTIONS


# -- kills -------------------------------------------------------------------------------------------


def follow_into(url: str, log: str) -> None:
    """Notes each message that it was given; what is noted is done, and the last one is where it goes on."""
    done = Path(log).read_text("ascii").split("\n")[:-1]
    with open_store(url, environ={}) as store, store.watch(after=done[-1] if done else START) as watch:
        tell("ready")
        with Path(log).open("a", encoding="ascii") as file:
            for message in watch:
                file.write(f"{message.id}\n")
                file.flush()


def reaches(log: Path, lines: int) -> bool:
    return log.read_bytes().count(b"\n") >= lines


@pytest.mark.parametrize("place", PLACES[1:], ids=lambda place: place.name)
def test_a_follower_that_is_killed_goes_on_from_what_it_noted(
    place: Place, path: Path, start: Start, figure: Figure
) -> None:
    with open_store(place.url(path), environ={}) as store:
        make_rooms(store)
    log = path.with_name("log")
    log.touch()
    kills, chance = 0, random.Random(9)
    wanted = 8 if place.reopened == RECONNECTIONS else 4
    batch = min(place.batch, KILLED // 10)
    served = min(place.served, KILLED // 10)
    total = KILLED
    lively = Place(place.name, place.url, place.followed, place.writers, batch, served)
    with writing(lively, path, start, total):
        while (noted := log.read_bytes().count(b"\n")) < total:
            follower = start(follow_into, place.followed(path), str(log))
            assert follower.hear() == "ready"
            until = noted + total // (wanted + 1) + chance.randrange(200) if kills < wanted else total
            wait_until(partial(reaches, log, min(until, total)), "it follows")
            follower.kill()
            kills += 1
    # A line that was cut off by the kill would be one that was not noted; a write of a few bytes is not cut.
    followed = Followed()
    for own_id in log.read_text("ascii").split("\n")[:-1]:
        followed.add(own_id)
    missed, doubled, late = followed.figures(total)
    figure(f"watch, {place.name}: {total} messages, {kills} kills of the follower, {missed} missed, {doubled} doubled")
    assert (missed, doubled, late) == (0, 0, 0)
