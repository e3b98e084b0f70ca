"""Following on PostgreSQL: nothing is missed and nothing comes twice, though sessions end and the server is killed."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from contextlib import closing

import psycopg2
from tests.children import WAIT, Child, tell
from tests.existing.server import message_rows
from tests.moltnet_postgres.support import Place, told
from tests.postgres.cluster import Cluster
from tests.reliability.test_reliability_watch import ROOMS, Followed, make_rooms, said

from moltnet_core import START, Store, StoreUnavailableError, Watch, open_store
from moltnet_core.types import Start

Figure = Callable[[str], None]

WRITERS, SERVERS = 3, 2
OWN, SERVED = 93_000, 7_000
BATCH, TRANSACTION = 250, 20
RECONNECTIONS = 20


# -- writers -----------------------------------------------------------------------------------------


def write(url: str, writer: int) -> None:
    """Append batches, each until it is acknowledged."""
    chance = random.Random(writer)
    with open_store(url, environ={}) as store:
        tell("ready")
        for first in range(0, OWN // WRITERS, BATCH):
            batch = [said(f"w{writer}-{number:06}", chance) for number in range(first, first + BATCH)]
            while told(lambda batch=batch: store.append_messages(batch, retry=True)) is not None:  # type: ignore[misc]
                time.sleep(0.05)


def serve(dsn: str, writer: int) -> None:
    """Store messages as a Moltnet server does, a few in one transaction, each until it is known to be there."""
    chance = random.Random(f"server {writer}")
    tell("ready")
    for first in range(0, SERVED // SERVERS, TRANSACTION):
        own_ids = [f"s{writer}-{number:06}" for number in range(first, first + TRANSACTION)]
        statements = [each for own_id in own_ids for each in rows(own_id, chance)]
        while not is_stored(dsn, own_ids, statements):
            time.sleep(0.05)


def rows(own_id: str, chance: random.Random) -> list[tuple[str, list[object]]]:
    """The server's statements for a message in some room, of some time."""
    target = {"kind": "room", "room_id": chance.choice(ROOMS)}
    return message_rows(own_id, target, f"2026-01-01T12:{chance.randrange(60):02}:00.5Z")


def is_stored(dsn: str, own_ids: list[str], statements: list[tuple[str, list[object]]]) -> bool:
    """Store messages, unless they are; some of the transactions take a while, and some are rolled back first."""
    try:
        with closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM messages WHERE id = ANY(%s)", (own_ids,))
            if cursor.fetchall() == [(len(own_ids),)]:
                return True
            for is_over in (own_ids[0][-2:] != "40", True):
                for sql, parameters in statements:
                    cursor.execute(sql.replace("%", "%%").replace("?", "%s"), parameters)
                if is_over:
                    cursor.execute("SELECT pg_sleep(%s)", (0.02,))
                    connection.commit()
                    return True
                connection.rollback()
    except psycopg2.Error:
        pass
    return False


# -- the follower ------------------------------------------------------------------------------------


def begun(store: Store, token: str | Start) -> Watch:
    """A watch, which is begun as soon as the server is there."""
    until = time.monotonic() + WAIT
    while True:
        try:
            return store.watch(after=token, timeout=WAIT, page_size=500)
        except StoreUnavailableError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def follow(followed: Followed, token: str | Start, until: int, store: Store) -> str | Start:
    """Take messages until there are so many."""
    with begun(store, token) as watch:
        while followed.total < until:
            message = next(watch, None)
            assert message is not None, f"nothing comes after {followed.total}"
            followed.add(message.id)
            token = message.id
    return token


def test_nothing_is_missed_or_doubled(
    cluster: Cluster, place: Place, start: Callable[..., Child], figure: Figure
) -> None:
    began = time.monotonic()
    with place.open() as store:
        make_rooms(store)
        store.watch().close()
    children = [start(write, place.url(), number) for number in range(WRITERS)]
    dsn = cluster.dsn(options=f"-c search_path={place.schema}")
    children += [start(serve, dsn, number) for number in range(SERVERS)]
    for child in children:
        assert child.hear() == "ready"
    followed, total = Followed(), OWN + SERVED
    token: str | Start = START
    store = place.open()
    kills = openings = 0
    starting = threading.Thread()
    starting.start()
    for number in range(RECONNECTIONS):
        token = follow(followed, token, total * (number + 1) // (RECONNECTIONS + 1), store)
        starting.join()
        if number % 7 == 3:
            cluster.kill()
            starting = threading.Thread(target=cluster.start)
            starting.start()
            kills += 1
        elif number % 3 == 2:
            store.close()
            store = place.open()
            openings += 1
        else:
            cluster.terminate_backends("moltnet-storage")
    follow(followed, token, total, store)
    starting.join()
    for child in children:
        child.end()
    store.close()
    missed, doubled, late = followed.figures(total)
    figure(
        f"watch, PostgreSQL: {total} messages of {WRITERS} processes and {SERVERS} that write as a server does, "
        f"{RECONNECTIONS} reconnections ({kills} as the server was killed, {openings} openings), {missed} missed, "
        f"{doubled} doubled, {late} out of a writer's order, {time.monotonic() - began:.0f} s"
    )
    assert (missed, doubled, late) == (0, 0, 0)
    assert sorted(followed.counts) == place.stored()
