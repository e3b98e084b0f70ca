"""A thousand threads, and a reader that stays beside a hundred thousand appends."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.children import Child, listen, open_descriptors, tell
from tests.moltnet_sqlite.support import a_message, all_messages, integrity, make_store, query, url_of
from tests.reliability.checks import partial

from moltnet_core import PageRequest, open_store
from moltnet_sqlite.engine import has_wal_reset_bug

Start = Callable[..., Child]
Figure = Callable[[str], None]


# -- a thousand threads ----------------------------------------------------------------------------------------


def use_a_thousand_threads(path: str, at_once: bool) -> None:
    threads_of_all = 1000
    errors: list[str] = []
    with open_store(url_of(Path(path), busy_timeout=120)) as store:
        store.ping()
        before = len(open_descriptors(""))
        most = 0
        everybody = threading.Barrier(threads_of_all + 1) if at_once else None

        def work(number: int) -> None:
            try:
                if everybody is not None:
                    everybody.wait(120)
                store.append_message(a_message(f"m{number:04}"))
                store.list_room_messages("hall", PageRequest(limit=5))
                with store.snapshot() as snapshot:
                    snapshot.scan("room")
            except BaseException as error:  # noqa: BLE001 - told
                errors.append(repr(error))

        began = time.monotonic()
        threads = [threading.Thread(target=work, args=(number,)) for number in range(threads_of_all)]
        for thread in threads:
            thread.start()
            if not at_once:
                thread.join()
        if everybody is not None:
            everybody.wait(120)
        while any(thread.is_alive() for thread in threads):
            most = max(most, len(open_descriptors("moltnet.db")))
            threads[-1].join(0.05)
        tell(
            {
                "errors": errors,
                "messages": store.counts().messages,
                "more": len(open_descriptors("")) - before,
                "most": most,
                "seconds": round(time.monotonic() - began, 1),
            }
        )
    tell(open_descriptors("moltnet.db"))


def test_a_thousand_threads_one_after_the_other(path: Path, start: Start, figure: Figure) -> None:
    make_store(path)
    told, left = start(use_a_thousand_threads, path, False).rest()
    figure(
        f"threads: 1000 one after the other, {told['messages']} appended, {told['more']} descriptors more than before, "
        f"{len(left)} after close, {told['seconds']} s"
    )
    assert told["errors"] == []
    assert told["messages"] == 1000
    assert told["more"] <= 4
    assert left == []


def test_a_thousand_threads_at_once(path: Path, start: Start, figure: Figure) -> None:
    make_store(path)
    told, left = start(use_a_thousand_threads, path, True).rest()
    figure(
        f"threads: 1000 at once, {told['messages']} appended, at most {told['most']} files open, "
        f"{len(left)} after close, {told['seconds']} s"
    )
    assert told["errors"] == []
    assert told["messages"] == 1000
    assert left == []
    assert partial(path).keys() <= {"messages without all their artifacts"}  # these have none on purpose
    assert integrity(path) == []


# -- readers beside writers --------------------------------------------------------------------------------------


def append_beside_a_reader(path: str, appends: int) -> None:
    """Append until told that the reader has gone, and the rest then; tell the sizes of the log on the way."""
    wal = Path(f"{path}-wal")
    gone = threading.Event()
    warnings: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            warnings.append(record.getMessage())

    logging.getLogger("moltnet_sqlite").addHandler(Keep(logging.WARNING))
    with open_store(url_of(Path(path))) as store:
        tell("ready")
        listen()

        def wait() -> None:
            listen()
            gone.set()

        waiting = threading.Thread(target=wait)
        waiting.start()
        slowest, beside, largest, later = 0.0, 0, 0, 0
        said = ""
        for number in range(appends):
            before = time.monotonic()
            store.append_message(a_message(f"n{number:06}", "x" * 200))
            slowest = max(slowest, time.monotonic() - before)
            if not gone.is_set():
                beside, largest = number + 1, wal.stat().st_size
                if number % 1000 == 0:
                    said = store.describe().get("write-ahead log", "")
            else:
                later = max(later, wal.stat().st_size)
        waiting.join()
        tell(
            {
                "slowest": slowest,
                "beside": beside,
                "largest": largest,
                "later": later,
                "last": wal.stat().st_size,
                "said": said,
                "warnings": warnings,
            }
        )


def test_a_reader_that_stays_beside_many_appends(path: Path, start: Start, figure: Figure) -> None:
    """None waits. The log grows while the reader stays, which is told, and shrinks when it has gone."""
    appends, seconds = 100_000, 60
    make_store(path, messages=10)
    writer = start(append_beside_a_reader, path, appends)
    assert writer.hear() == "ready"
    with open_store(url_of(path)) as store:
        with store.snapshot() as snapshot:
            seen = [record.id for record in snapshot.records("message")]
            assert len(seen) == 10
            writer.say()
            began, slowest, looks = time.monotonic(), 0.0, 0
            while time.monotonic() - began < seconds:
                before = time.monotonic()
                assert [record.id for record in snapshot.records("message")] == seen
                slowest = max(slowest, time.monotonic() - before)
                looks += 1
                time.sleep(0.01)  # it looks now and then, and does not keep a processor busy
        writer.say()
        told = writer.hear()
        writer.end()
        assert store.counts().messages == 10 + appends
    figure(
        f"a reader of {seconds} s beside {told['beside']} of {appends} appends: "
        f"log at {told['largest'] / 2**20:.0f} MiB ({told['largest'] / told['beside']:.0f} bytes an append), "
        f"at most {told['later'] / 2**20:.0f} MiB without it and {told['last'] / 2**20:.0f} MiB at the end; "
        f"slowest append {told['slowest'] * 1000:.0f} ms; "
        f"{looks} looks, slowest {slowest * 1000:.0f} ms; {len(told['warnings'])} warnings"
    )
    assert 1000 < told["beside"] < appends, "the reader left too early or too late to say anything"
    assert "bytes" in told["said"]
    assert told["largest"] < told["beside"] * 20 * 4120
    if told["largest"] > 300 * 2**20 and not has_wal_reset_bug():
        assert any("write-ahead log" in text for text in told["warnings"])
    assert told["later"] <= told["largest"] + 32 * 2**20
    assert told["last"] < 64 * 2**20 or has_wal_reset_bug()
    assert told["slowest"] < 5
    assert slowest < 5
    assert not path.with_name("moltnet.db-wal").exists()
    assert integrity(path) == []


def read_in_short_calls(path: str) -> None:
    """Four threads that read all the time, each read short."""
    stop = threading.Event()
    with open_store(url_of(Path(path))) as store:
        counts = [0] * 4

        def read(name: int) -> None:
            while not stop.is_set():
                store.list_room_messages("hall", PageRequest(limit=100))
                counts[name] += 1

        threads = [threading.Thread(target=read, args=(name,)) for name in range(4)]
        for thread in threads:
            thread.start()
        tell("reading")
        listen()
        stop.set()
        for thread in threads:
            thread.join()
        tell(sum(counts))


def test_the_log_stays_small_beside_short_reads(path: Path, start: Start, figure: Figure) -> None:
    appends = 10_000
    make_store(path, messages=200)
    reader = start(read_in_short_calls, path)
    assert reader.hear() == "reading"
    most = 0
    wal = path.with_name("moltnet.db-wal")
    with open_store(url_of(path)) as store:
        for number in range(appends):
            store.append_message(a_message(f"n{number:06}", "x" * 200))
            if number % 50 == 0:
                most = max(most, wal.stat().st_size)
        reader.say()
        looks = reader.hear()
        reader.end()
        assert len(all_messages(store)) == appends + 200
    figure(f"log beside {looks} short reads and {appends} appends: at most {most / 2**20:.1f} MiB")
    assert most < 64 * 2**20
    assert query(path, "SELECT count(*) FROM messages") == [(appends + 200,)]
