"""``export``, ``import``, ``backup``, ``restore``: what they print, refuse and leave behind."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.children import WAIT, wait_until

from moltnet_core import Manifest, open_store, store_digest

from .conftest import COMMAND, Invoke, Start, fill

Objects = Callable[..., list[dict[str, Any]]]


def digest_of(location: Path | str) -> str:
    with open_store(location if isinstance(location, str) else f"sqlite:///{location}", read_only=True) as store:
        return store_digest(store).text


def test_export_and_import(invoke: Invoke, filled: Path) -> None:
    told = invoke("export", "chat.jsonl.gz").stderr
    assert "exported 2 rooms, 2 agents, 2 threads, 2 DMs, 9 messages to chat.jsonl.gz" in told
    assert "credentials of 2 agents" in told
    told = invoke("--store", "sqlite:///new.db", "import", "chat.jsonl.gz").stderr
    assert "imported 2 rooms, 2 agents, 2 threads, 2 DMs, 9 messages from chat.jsonl.gz; verified" in told
    assert "2 agents came without credentials" in told
    invoke("export", "whole.jsonl", "--with-credentials")
    assert "credentials" not in invoke("--store", "json:///new.json", "import", "whole.jsonl").stderr
    assert digest_of("json:///new.json") == digest_of(filled)


def test_an_export_is_not_overwritten_unasked(invoke: Invoke, filled: Path) -> None:
    Path("chat.jsonl").write_text("mine")
    invoke("export", "chat.jsonl", code=2)
    assert Path("chat.jsonl").read_text() == "mine"
    invoke("export", "chat.jsonl", "--overwrite")
    invoke("import", "chat.jsonl", "--dry-run", code=1)
    assert "is not empty" not in invoke("--store", "sqlite:///new.db", "import", "chat.jsonl", "--dry-run").stderr
    assert not Path("new.db").exists()


def test_a_pipe(filled: Path, start: Start) -> None:
    exporter = start("export", "-", "--with-credentials", "--json")
    importer = start("--store", "json:///new.json", "import", "-", stdin=exporter.stdout)
    assert importer.wait(WAIT) == exporter.wait(WAIT) == 0
    assert exporter.stderr is not None
    events = [json.loads(line) for line in exporter.stderr.read().splitlines() if line.startswith(b"{")]
    assert events[-1]["event"] == "done", "the output is taken, so events are on standard error"
    assert digest_of("json:///new.json") == digest_of(filled)


@pytest.mark.parametrize("damage", [lambda text: text[:-40], lambda text: text.replace("text of m1", "text of m2")])
def test_a_damaged_export_creates_no_store(invoke: Invoke, filled: Path, damage: Callable[[str], str]) -> None:
    invoke("export", "chat.jsonl")
    Path("bad.jsonl").write_text(damage(Path("chat.jsonl").read_text("utf-8")), "utf-8")
    told = invoke("--store", "sqlite:///new.db", "import", "bad.jsonl", code=1).stderr
    assert "bad.jsonl" in told
    assert not Path("new.db").exists()
    invoke("--store", "sqlite:///new.db", "import", "missing.jsonl", code=3)
    assert not Path("new.db").exists()


def test_a_broken_pipe_says_what_was_stored(invoke: Invoke, filled: Path) -> None:
    content = invoke("export", "-").stdout_bytes
    told = invoke("--store", "sqlite:///new.db", "import", "-", input=content[:-60], code=1)
    assert "nothing was stored" in told.stderr
    lines = content.splitlines(keepends=True)
    Path("new.db").unlink()
    again = invoke("--store", "sqlite:///new.db", "import", "-", input=b"".join(lines), code=0)
    assert "verified" in again.stderr


def test_backup_and_restore(invoke: Invoke, filled: Path) -> None:
    assert "would back up" in invoke("backup", "monday", "--dry-run").stderr
    assert not Path("monday").exists()
    told = invoke("backup", "monday").stderr
    assert "backed up 2 rooms, 2 agents, 2 threads, 2 DMs, 9 messages to monday" in told
    invoke("backup", "monday", code=2)
    whole = digest_of(filled)
    for to in ("sqlite:///drill.db", "json:///drill.json"):
        assert "is whole" in invoke("restore", "monday", to, "--dry-run").stderr
        assert "; verified" in invoke("restore", "monday", to).stderr
        assert digest_of(to) == whole
    invoke("send", "room:general", "later", "--from", "bob")
    later = digest_of(filled)
    invoke("restore", "monday", code=1)
    assert digest_of(filled) == later
    told = invoke("restore", "monday", "--replace").stderr
    assert digest_of(filled) == whole
    (aside,) = [path for path in filled.parent.iterdir() if "before-restore" in path.name]
    assert f"kept as {aside}" in told
    assert digest_of(aside) == later


def test_what_is_refused(invoke: Invoke, filled: Path) -> None:
    invoke("backup", "monday")
    invoke("--store", "sqlite:///a.db", "restore", "monday", "sqlite:///b.db", code=2)
    invoke("--store", "sqlite:///a.db?mode=ro", "restore", "monday", code=2)
    invoke("restore", "tuesday", code=1)
    invoke("--store", "sqlite:///missing.db", "backup", "tuesday", code=3)
    invoke("--store", "sqlite:///missing.db", "export", "x.jsonl", code=3)
    (Path("monday") / "moltnet.db").write_bytes(b"x")
    assert "monday" in invoke("restore", "monday", "sqlite:///b.db", code=1).stderr
    assert sorted(path.name for path in Path().iterdir()) == [".moltnet", "monday"]


def test_events(objects: Objects, filled: Path) -> None:
    *progress, done = objects("backup", "monday")
    assert {each["event"] for each in progress} == {"progress"}
    assert [each["phase"] for each in progress if each["done"] == 0] == ["copy", "check", "verify", "hash"]
    assert done.pop("event") == "done"
    assert done.pop("folder") == "monday"
    assert done == Manifest.read(Path("monday")).to_json()
    for verb in (("export", "x.jsonl"), ("--store", "sqlite:///a.db", "import", "x.jsonl")):
        assert objects(*verb)[-1]["kinds"]["message"]["count"] == 9
    assert objects("restore", "monday", "sqlite:///b.db")[-1]["kept_aside"] is None
    assert objects("restore", "monday", "sqlite:///b.db", "--replace")[-1]["kept_aside"].startswith(str(Path.cwd()))
    assert objects("restore", "monday", "sqlite:///c.db", "--dry-run")[-1]["dry_run"] is True


def test_quiet_but_for_the_end_where_there_is_no_terminal(invoke: Invoke, filled: Path) -> None:
    done = invoke("backup", "monday")
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1


def test_bars_at_a_terminal(terminal: Callable[..., tuple[int, str]], filled: Path) -> None:
    code, shown = terminal("backup", "monday")
    assert code == 0
    for phase in ("copy", "check", "verify", "hash"):
        assert phase in shown
    assert "100%" in shown
    assert "backed up" in shown


def test_an_upgrade_is_not_made_for_an_import_that_is_refused(
    invoke: Invoke, filled: Path, sql: Callable[..., None]
) -> None:
    invoke("export", "chat.jsonl")
    sql(filled, "DELETE FROM schema_migrations WHERE version = 8")
    before = filled.read_bytes()
    Path("bad.jsonl").write_text("nonsense")
    invoke("import", "bad.jsonl", code=1)
    assert filled.read_bytes() == before


# -- interrupted -------------------------------------------------------------------------------------


@pytest.fixture
def large(path: Path) -> Path:
    """A store that is not exported in a moment."""
    from moltnet_core import Target

    from .conftest import message

    path.parent.mkdir()
    with open_store(f"sqlite:///{path}") as store:
        fill(store)
        store.append_messages([message(Target.room("general"), f"x{n:05}", 100 + n) for n in range(20_000)])
    return path


def interrupted(*args: str, when: Callable[[], object]) -> tuple[int, str]:
    """Ctrl-C once something is so; the code, and what was said."""
    process = subprocess.Popen([*COMMAND, *args], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    wait_until(when, "what the interrupt waits for")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=WAIT)
    return process.returncode, said.decode()


def temporary() -> list[Path]:
    return [found for each in Path().glob(".*.tmp") for found in each.rglob("*") if found.is_file()]


def test_ctrl_c_leaves_nothing_of_an_export_or_a_backup(large: Path) -> None:
    code, said = interrupted("export", "chat.jsonl", when=temporary)
    assert (code, "nothing was written to" in said) == (130, True), said
    code, said = interrupted("backup", "monday", when=temporary)
    assert (code, "there is no backup" in said) == (130, True), said
    assert [path.name for path in Path().iterdir()] == [".moltnet"]


def test_ctrl_c_leaves_an_import_to_go_on_with(invoke: Invoke, large: Path) -> None:
    invoke("export", "chat.jsonl", "--with-credentials")
    new = Path("new.db")

    def begun() -> bool:
        log = Path("new.db-wal")
        return new.exists() and log.exists() and log.stat().st_size > 1_000_000

    code, said = interrupted("--store", "sqlite:///new.db", "import", "chat.jsonl", when=begun)
    assert code == 130
    assert "import the same export again to go on from there" in said
    told = invoke("--store", "sqlite:///new.db", "import", "chat.jsonl").stderr
    assert "of them before; verified" in told
    assert digest_of(new.absolute()) == digest_of(large)
