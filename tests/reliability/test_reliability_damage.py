"""Two hundred damaged files: an error of a known type, or rows that are right; never a crash, never an empty store."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.children import Child, foreign_in_chain, listen, tell
from tests.moltnet_sqlite.support import NETWORK, make_store, query, raw_connection, url_of
from tests.reliability.checks import a_batch, a_message_of

from moltnet_core import AgentRegistration, MoltnetError, PageRequest, Store, open_store, to_json

Start = Callable[..., Child]
Figure = Callable[[str], None]
FILES = 200
PAGE = 4096


# -- damages --------------------------------------------------------------------------------------------------


def flip_bits(content: bytearray, chance: random.Random) -> None:
    for _ in range(chance.randint(1, 20)):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)


def flip_bits_of_a_header(content: bytearray, chance: random.Random) -> None:
    """Of the file, or of a page's tree."""
    page = chance.choice([0, chance.randrange(len(content) // PAGE)]) * PAGE
    for _ in range(chance.randint(1, 4)):
        content[page + chance.randrange(16 if page else 100)] ^= 1 << chance.randrange(8)


def overwrite_a_page(content: bytearray, chance: random.Random) -> None:
    page = chance.randrange(len(content) // PAGE) * PAGE
    content[page : page + PAGE] = chance.randbytes(PAGE) if chance.random() < 0.5 else bytes(PAGE)


def swap_pages(content: bytearray, chance: random.Random) -> None:
    one, other = (page * PAGE for page in chance.sample(range(1, len(content) // PAGE), 2))
    content[one : one + PAGE], content[other : other + PAGE] = content[other : other + PAGE], content[one : one + PAGE]


def cut_off(content: bytearray, chance: random.Random) -> None:
    del content[chance.randrange(1, len(content)) :]


def lose_a_piece(content: bytearray, chance: random.Random) -> None:
    begin = chance.randrange(len(content) - 5000)
    del content[begin : begin + chance.randint(1, 5000)]


def overwrite_a_stretch(content: bytearray, chance: random.Random) -> None:
    begin = chance.randrange(len(content) - 20_000)
    length = chance.randint(1, 20_000)
    content[begin : begin + length] = chance.choice([bytes(length), chance.randbytes(length), b"\xff" * length])


DAMAGES = [
    flip_bits,
    flip_bits_of_a_header,
    overwrite_a_page,
    swap_pages,
    cut_off,
    lose_a_piece,
    overwrite_a_stretch,
]


# -- reading ---------------------------------------------------------------------------------------------------


def digest(items: Any) -> list[Any]:
    """How many, their ids, and all they hold."""
    texts = [repr(item) for item in items]
    return [len(texts), hashlib.sha256("\n".join(texts).encode()).hexdigest()]


def walk(fetch: Callable[[PageRequest], Any]) -> Iterator[Any]:
    before = None
    while True:
        page = fetch(PageRequest(before=before, limit=97))
        yield from (to_json(item) for item in reversed(page.items))
        before = page.info.next_before
        if before is None:
            return


def reads(store: Store) -> dict[str, Callable[[], Any]]:
    def scan() -> Iterator[Any]:
        with store.snapshot() as snapshot:
            for record in snapshot.records():
                yield record.to_json(with_credentials=True)

    found: dict[str, Callable[[], Any]] = {
        "rooms": lambda: walk(store.list_rooms),
        "room": lambda: walk(lambda page: store.list_room_messages("hall", page)),
        "artifacts": lambda: walk(lambda page: store.list_artifacts(None, page)),
        "dms": lambda: walk(store.list_dms),
        "threads": lambda: walk(lambda page: store.list_threads("hall", page)),
        "agents": lambda: walk(store.list_agents),
        "members": lambda: walk(store.list_members),
        "records": scan,
        "one message": lambda: [store.get_message(f"m{number}") for number in range(0, 900, 50)],
        "counts": lambda: [store.counts()],
    }
    for number in range(0, 10, 3):
        found[f"thread {number}"] = lambda number=number: walk(  # type: ignore[misc]
            lambda page: store.list_thread_messages(f"topic-{number}", page)
        )
        found[f"dm {number}"] = lambda number=number: walk(  # type: ignore[misc]
            lambda page: store.list_dm_messages(f"pair-{number}", page)
        )
    return found


def read_all(path: str, mode: str) -> dict[str, Any]:
    """What became of the open, of each way to read, and of a write."""
    results: dict[str, Any] = {}
    unknown: list[str] = []

    def attempt(name: str, work: Callable[[], Any]) -> None:
        try:
            results[name] = digest(work())
        except MoltnetError as error:
            results[name] = type(error).__name__
            unknown.extend(foreign_in_chain(error))
        except Exception:  # noqa: BLE001 - that is what is looked for
            unknown.append(traceback.format_exc())

    def use() -> list[str]:
        with open_store(url_of(Path(path), mode=mode)) as store:
            for name, work in reads(store).items():
                attempt(name, work)
            if mode == "rw":
                attempt("append", lambda: [store.append_messages(a_batch("new")) and None])
        return []

    attempt("open", use)
    return {"results": results, "unknown": unknown}


def read_damaged_files() -> None:
    """Each file in a fork of this process, so that a crash is that fork's alone."""
    while told := listen():
        path, mode = told
        readable, writable = os.pipe()
        pid = os.fork()
        if not pid:
            os.dup2(writable, 1)
            status = 1
            try:
                signal.alarm(60)
                tell(read_all(path, mode))
                status = 0
            finally:
                os._exit(status)
        os.close(writable)
        with os.fdopen(readable, "rb") as stream:
            line = stream.read()
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        os.write(1, line if not status else b'{"crash": %d}\n' % status)


# -- the test --------------------------------------------------------------------------------------------------


def make_original(path: Path) -> None:
    make_store(path)
    with open_store(url_of(path)) as store:
        for number in range(900):
            store.append_message(a_message_of(("room", "thread", "dm")[number % 3], f"m{number}"))
        for number in range(50):
            store.register_agent(AgentRegistration(f"agent-{number}", NETWORK, f"key-{number}", f"Agent {number}"))
            store.update_room_members("hall", add=[f"agent-{number}"])
        for number in range(20):
            store.append_messages(a_batch(f"b-{number}"))


def damage(original: Path, path: Path, number: int) -> str:
    """The file as a number says: damaged itself, or with a damaged log beside it."""
    chance = random.Random(number)
    kind = DAMAGES[number % len(DAMAGES)]
    for left in path.parent.glob(f"{path.name}*"):
        left.unlink()
    if number % 5 == 4:
        with raw_connection(original) as connection:
            connection.execute("PRAGMA wal_autocheckpoint = 0")
            connection.execute("BEGIN")
            connection.execute("UPDATE messages SET mentions_json = '[]'")
            connection.execute("UPDATE messages SET mentions_json = 'null'")
            connection.execute("COMMIT")
            shutil.copy(original, path)
            shutil.copy(f"{original}-wal", f"{path}-wal")
        target = path.with_name(f"{path.name}-wal")
    else:
        shutil.copy(original, path)
        target = path
    content = bytearray(target.read_bytes())
    kind(content, chance)
    target.write_bytes(content)
    return f"{kind.__name__} of {target.name} ({number})"


def problems_of(path: Path) -> list[str]:
    """What SQLite's own thorough check says; what it raises is an answer too."""
    try:
        return [row[0] for row in query(path, "PRAGMA integrity_check") if row[0] != "ok"]
    except Exception as error:  # noqa: BLE001 - the engine's
        return [str(error)]


def test_two_hundred_damaged_files(path: Path, start: Start, figure: Figure) -> None:
    original = path.with_name("original.db")
    make_original(original)
    child = start(read_damaged_files)
    shutil.copy(original, path)
    child.say([str(path), "ro"])
    expected = child.hear()["results"]
    assert all(isinstance(found, list) for found in expected.values())
    outcomes: Counter[str] = Counter()
    faults: list[str] = []
    for number in range(FILES):
        what = damage(original, path, number)
        problems = problems_of(shutil_copy(path))
        before = path.read_bytes()
        mode = ("rw", "ro")[number % 2]
        child.say([str(path), mode])
        told = child.hear()
        if "crash" in told:
            faults.append(f"{what}: crash {told['crash']}")
            continue
        faults += [f"{what}: {text}" for text in told["unknown"]]
        results = told["results"]
        if isinstance(results["open"], str):
            outcomes["refused at open"] += 1
            if path.read_bytes() != before and not path.with_name(f"{path.name}-wal").exists() and number % 5 != 4:
                faults.append(f"{what}: refused, and written to")
            continue
        reading = {name: found for name, found in results.items() if name not in ("open", "append")}
        wrong = [name for name, found in reading.items() if isinstance(found, list) and found != expected[name]]
        if wrong and all(
            found == expected[name][:1] or found[0] == 0 for name, found in reading.items() if name == "counts"
        ):
            faults.append(f"{what}: an empty store")
        if any(isinstance(found, str) for found in reading.values()):
            outcomes["typed error in use"] += 1
        elif not wrong:
            outcomes["all rows right"] += 1
        elif number % 5 == 4:
            # What a damaged log's checksums do not vouch for is as if it had not been committed.
            outcomes["rows of before the log"] += 1
        elif problems:
            outcomes["other rows, which a check of the file finds"] += 1
        else:
            # Letters of a text that SQLite has no checksum for.
            outcomes["other letters, which no check of SQLite finds"] += 1
            fewer = [name for name in wrong if reading[name][0] < expected[name][0]]
            if fewer:
                faults.append(f"{what}: rows are missing from {fewer} and nothing says so")
    figure(
        f"damaged files: {sum(outcomes.values())} of {FILES}: "
        + ", ".join(f"{n} {k}" for k, n in sorted(outcomes.items()))
    )
    assert faults == []
    assert outcomes["refused at open"] > 10
    assert outcomes["typed error in use"] > 10
    assert outcomes["all rows right"] > 10


def shutil_copy(path: Path) -> Path:
    """A copy with its log to look at, so that looking does not change what is tested."""
    copy = path.with_name("copy.db")
    for suffix in ("", "-wal", "-shm"):
        copy.with_name(f"copy.db{suffix}").unlink(missing_ok=True)
        if Path(f"{path}{suffix}").exists():
            shutil.copy(f"{path}{suffix}", f"{copy}{suffix}")
    return copy
