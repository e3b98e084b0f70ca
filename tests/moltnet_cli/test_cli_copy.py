"""``copy`` and ``verify``: what they print and leave, what they refuse, and what Ctrl-C leaves."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.backends import BACKENDS, LOCATIONS

from moltnet_core import RecordConflictError, Room, Target, open_store, store_digest, verify_stores

from .conftest import Invoke, Start, message

Objects = Callable[..., list[dict[str, Any]]]

COUNTED = "2 rooms, 2 agents, 2 threads, 2 DMs, 9 messages"


@pytest.fixture
def source(filled: Path) -> str:
    return f"sqlite:///{filled}"


@pytest.fixture
def target(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/new.db"


@pytest.mark.parametrize("backend", [name for name in BACKENDS if name != "memory"])
def test_a_copy_into_each_backend(invoke: Invoke, source: str, tmp_path: Path, backend: str) -> None:
    target = LOCATIONS[backend](tmp_path / "to")
    assert invoke("copy", source, target, "--dry-run").stderr.splitlines()[-1] == f"dry run: would copy {COUNTED}"
    last = [invoke(verb, source, target).stderr.splitlines()[-1] for verb in ("copy", "copy", "verify")]
    with open_store(target) as store:
        digits = store.backend.time_digits
    assert last == [
        f"copied {COUNTED}; verified",
        f"copied nothing: TO held all of it, {COUNTED}; verified",
        f"equal, to {digits} digits of a second",
    ]
    digests = {invoke("verify", url, "--digest", "--time-digits", "6").stdout for url in (source, target)}
    assert len(digests) == 1
    with open_store(source) as store:
        assert digests == {f"{store_digest(store, time_digits=6).text}\n"}


def test_events_for_machines(objects: Objects, source: str, target: str) -> None:
    *progress, done = objects("copy", source, target)
    assert [(each["event"], each["phase"], each["done"]) for each in progress] == [
        ("progress", "check", 0),
        ("progress", "copy", 0),
        ("progress", "verify", 0),
    ]
    with open_store(source) as store:
        assert done == {
            "event": "done",
            **store_digest(store).to_json(),
            "copied": 17,
            "present": 0,
            "truncated": 0,
            "reordered": 0,
            "skipped": 0,
            "verified": True,
        }


def test_a_rehearsal_makes_no_store(invoke: Invoke, source: str, target: str, tmp_path: Path) -> None:
    shown = invoke("copy", source, target, "--dry-run").stderr
    assert shown == f"dry run: would create the store {tmp_path}/new.db\ndry run: would copy {COUNTED}\n"
    assert not (tmp_path / "new.db").exists()


def test_a_refused_copy_makes_no_store(
    invoke: Invoke, filled: Path, source: str, target: str, tmp_path: Path, sql: Callable[..., None]
) -> None:
    sql(filled, "UPDATE messages SET parts_json = '{' WHERE id IN ('m1', 'p1')")
    shown = invoke("copy", source, target, code=1).stderr
    assert "2 messages ('m1', 'p1'): cannot be read" in shown
    assert "--skip-corrupt" in shown
    assert not (tmp_path / "new.db").exists()
    shown = invoke("copy", source, target, "--skip-corrupt").stderr
    assert "7 messages; verified" in shown
    assert "warning: left out 2 messages ('m1', 'p1'): cannot be read" in shown
    invoke("verify", source, target, code=1)
    assert "warning: left out 2 records of A" in invoke("verify", source, target, "--skip-corrupt").stderr


def test_a_store_that_holds_something_else_is_left_as_it_is(
    invoke: Invoke, source: str, target: str, tmp_path: Path
) -> None:
    with open_store(target) as store:
        store.create_room(Room("mine", "local"))
    before = (tmp_path / "new.db").read_bytes()
    shown = invoke("copy", source, target, code=1).stderr
    assert "1 room ('mine'): is not in the source" in shown
    assert (tmp_path / "new.db").read_bytes() == before


def test_usage(invoke: Invoke, source: str, target: str, filled: Path, tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(filled)
    for args in (
        ["copy", source, source],
        ["copy", source, f"sqlite:///{tmp_path}/link.db"],
        ["copy", source, f"{target}?mode=ro"],
        ["copy", source, target, "--store", source],
        ["copy", source],
        ["copy", source, "nothing://x"],
        ["verify", source],
        ["verify", source, target, "--digest"],
        ["verify", source, target, "--time-digits", "6"],
        ["verify", source, source, "--store", source],
    ):
        invoke(*args, code=2)
    assert not (tmp_path / "new.db").exists()
    assert "--store" in invoke("copy", f"sqlite:///{tmp_path}/absent.db", target, code=3).stderr
    invoke("verify", source, target, code=3)
    assert not (tmp_path / "new.db").exists()


def test_differences(invoke: Invoke, objects: Objects, source: str, target: str) -> None:
    invoke("copy", source, target)
    with open_store(target) as store:
        store.create_room(Room("mine", "local"))
        store.reconcile_room(Room("general", "local", "Renamed", ("alice", "bob")))
    shown = invoke("verify", source, target, code=1)
    lines = [line.split() for line in shown.stdout.splitlines()]
    assert lines[-2:] == [["room", "general", "differs", "name"], ["room", "mine", "only", "in", "B", "-"]]
    assert lines[1][:1] + lines[1][1::2] == ["room", "2", "3"]
    assert shown.stderr == "error: A and B are not equal: 2 records differ\n"
    limited = invoke("verify", source, target, "--limit", "1", code=1)
    assert "and 1 more differences" in limited.stderr
    found = objects("verify", source, target, code=1)
    assert [each for each in found if each["event"] == "difference"] == [
        {"event": "difference", "kind": "room", "id": "general", "only_in": None, "fields": ["name"]},
        {"event": "difference", "kind": "room", "id": "mine", "only_in": "second"},
    ]
    assert (found[-1]["equal"], found[-1]["differing"]) == (False, 2)


def test_no_secret_is_shown(invoke: Invoke, source: str, target: str, filled: Path) -> None:
    invoke("copy", source, target)
    with open_store(target) as store:
        agent = store.get_agent("alice")
        assert agent is not None
        store.remove_agent("alice")
        import attrs

        store.reconcile_agent(attrs.evolve(agent, credential_key="token:hush-other"))
    for args in (["verify", source, target], ["copy", source, target], ["verify", source, target, "--json"]):
        shown = invoke(*args, code=1)
        assert "credential_key" in shown.stdout or args[0] == "copy"
        assert "hush" not in shown.stdout + shown.stderr


def test_interrupted_and_gone_on_with(start: Start, invoke: Invoke, tmp_path: Path, target: str) -> None:
    source = f"sqlite:///{tmp_path}/big.db"
    with open_store(source) as store:
        store.create_room(Room("general", "local"))
        store.append_messages([message(Target.room("general"), f"m{number}", number) for number in range(10_000)])
    process = start("copy", source, target, "--json")
    assert process.stdout is not None
    while json.loads(process.stdout.readline())["phase"] != "copy":
        pass
    process.send_signal(signal.SIGINT)
    _, shown = process.communicate(timeout=60)
    assert process.returncode == 130
    *_, left, last = shown.decode().splitlines()
    assert left.startswith("TO holds at least ")
    assert left.endswith(" of 10001 records; the same command goes on from there")
    assert last == "error: interrupted"
    with open_store(target) as store:
        held = store.counts().messages
    assert int(left.split()[4]) <= held + 1 < 10_001
    assert "verified" in invoke("copy", source, target).stderr
    with open_store(source) as one, open_store(target) as other:
        assert verify_stores(one, other).equal


def test_interrupted_before_anything_was_written(start: Start, tmp_path: Path, target: str) -> None:
    source = f"sqlite:///{tmp_path}/big.db"
    with open_store(source) as store:
        store.create_room(Room("general", "local"))
        store.append_messages([message(Target.room("general"), f"m{number}", number) for number in range(10_000)])
    process = start("copy", source, target, "--json")
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, shown = process.communicate(timeout=60)
    assert process.returncode == 130
    assert shown.decode().splitlines()[-2:] == ["nothing was written to TO", "error: interrupted"]
    assert not (tmp_path / "new.db").exists()


def test_a_bar_at_a_terminal(terminal: Callable[..., tuple[int, str]], source: str, target: str) -> None:
    code, shown = terminal("copy", source, target, columns=100)
    assert code == 0
    for phase in ("check", "copy", "verify"):
        assert f"{phase} " in shown
    assert "100%" in shown
    assert f"copied {COUNTED}; verified" in shown


def test_a_store_is_not_compared_with_itself(invoke: Invoke, source: str, tmp_path: Path) -> None:
    path = Path(source.removeprefix("sqlite:///"))
    (tmp_path / "link.db").symlink_to(path.absolute())
    result = invoke("verify", source, f"sqlite:///{tmp_path}/link.db", code=2)
    assert "A and B are one store" in result.stderr


def test_two_who_copy_other_stores_into_one_place_are_told(
    invoke: Invoke, source: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken(self: object, records: object) -> None:
        raise RecordConflictError("room", "general")

    monkeypatch.setattr("moltnet_core.store.Store.load", taken)
    result = invoke("copy", source, target, code=1)
    assert "and some that are not of FROM" in result.stderr
