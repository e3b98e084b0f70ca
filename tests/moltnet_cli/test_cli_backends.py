"""The verbs on every backend that keeps what it is given: what they print, and what they leave."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from tests.backends import LOCATIONS, having

from moltnet_core import open_store
from moltnet_core.driver import SupportsMigrations

Invoke = Callable[..., Result]

SECRET = "hunter2-and-then-some"


@pytest.fixture
def backend(request: pytest.FixtureRequest) -> str:
    """A backend's name, which ``having`` gives."""
    return str(request.param)


@pytest.fixture
def url(backend: str, tmp_path: Path) -> str:
    """Where no store is yet."""
    return LOCATIONS[backend](tmp_path / "store")


@pytest.fixture
def on(invoke: Invoke, url: str) -> Callable[..., Result]:
    """Runs a verb on the store."""
    return lambda *args, **options: invoke("--store", url, *args, **options)


@pytest.fixture
def objects(on: Callable[..., Result]) -> Callable[..., list[dict[str, Any]]]:
    """The objects that it prints with ``--json``."""
    return lambda *args, **options: [
        json.loads(line) for line in on(*args, "--json", **options).stdout_bytes.decode().splitlines()
    ]


def ids(found: list[dict[str, Any]]) -> list[str]:
    return [item.get("id") or item["agent_id"] for item in found]


@having("persistent")
def test_a_store_from_its_first_room_to_its_end(
    on: Callable[..., Result], objects: Callable[..., list[dict[str, Any]]]
) -> None:
    created = objects("rooms", "create", "general", "--name", "Gen", "--member", "ann", "--visibility", "public")
    assert [(room["id"], room["members"]) for room in created] == [("general", ["ann"])]
    on("rooms", "create", "ops")
    on("rooms", "create", "general", code=1)
    assert ids(objects("rooms", "list")) == ["general", "ops"]
    assert objects("rooms", "members", "general", "--add", "bob", "--remove", "ann")[0]["members"] == ["bob"]
    assert "bob" in on("rooms", "members", "general").stdout

    on("send", "room:general", "first", "--from", "ann", "--id", "m1")
    on("send", "room:general", "second", "--from", "ann", "--id", "m2", "--url", "https://example.org/a.txt")
    on("send", "room:general", "again", "--from", "ann", "--id", "m2", code=1)
    on("send", "room:nosuch", "lost", "--from", "ann", code=1)
    sent = objects("send", "thread:t1", "-", "--from", "bob", "--room", "general", "--parent", "m1", input="piped")
    assert sent[0]["message"]["parts"] == [{"kind": "text", "text": "piped"}]
    on("send", "dm:d1", "quietly", "--from", "ann", "--with", "bob", "--data", '{"n": 18446744073709551616}')

    assert ids(objects("read", "room:general")) == ["m1", "m2"]
    assert ids(objects("read", "room:general", "--limit", "1")) == ["m2"]
    assert ids(objects("read", "room:general", "--after", "m1")) == ["m2"]
    assert ids(objects("tail", "room:general", "--no-follow", "--limit", "1")) == ["m2"]
    assert "first" in on("read", "room:general").stdout
    assert [(thread["id"], thread["message_count"]) for thread in objects("threads", "general")] == [("t1", 1)]
    assert [dm["participant_ids"] for dm in objects("dms")] == [["ann", "bob"]]
    assert objects("read", "dm:d1")[0]["parts"][1]["data"] == {"n": 2**64}
    assert [(art["message_id"], art["kind"]) for art in objects("artifacts", "room:general")] == [("m2", "url")]

    on("agents", "register", "ann", "--name", "Ann", "--credential-stdin", input=f"token:{SECRET}")
    on("agents", "register", "ann", "--credential-stdin", input="token:other", code=1)
    assert [(agent["agent_id"], agent["display_name"]) for agent in objects("agents", "list")] == [("ann", "Ann")]
    on("agents", "remove", "ann")
    assert objects("agents", "list") == []

    on("rooms", "remove", "ops", "--yes")
    assert ids(objects("rooms", "list")) == ["general"]
    counts = objects("info")[0]["counts"]
    assert (counts["rooms"], counts["removed_rooms"], counts["messages"], counts["artifacts"]) == (1, 1, 4, 2)


@having("persistent")
def test_looking_and_rehearsing_create_nothing(on: Callable[..., Result], url: str, invoke: Invoke) -> None:
    for verb in (["info"], ["rooms", "list"], ["read", "room:general"], ["migrate", "status"], ["migrate", "plan"]):
        on(*verb, code=3)
    on("send", "room:general", "hi", "--from", "ann", code=3)
    assert "would create the store" in on("rooms", "create", "general", "--dry-run").stderr
    assert "would create the store" in on("migrate", "up", "--dry-run").stderr
    on("info", code=3)
    on("rooms", "create", "general")
    on("info")


@having("persistent")
def test_info_tells_which_store_it_is(backend: str, on: Callable[..., Result], objects: Any) -> None:
    on("rooms", "create", "general")
    (found,) = objects("info")
    assert found["backend"]["name"] == backend
    assert found["store"]
    shown = on("info").stdout
    for value in found["store"].values():
        assert value.split()[0] in shown


@having("migrations")
def test_an_old_store_is_planned_and_upgraded(
    backend: str, on: Callable[..., Result], objects: Callable[..., list[dict[str, Any]]], url: str
) -> None:
    with open_store(url, environ={}, migrate="later") as store:
        assert isinstance(store.driver, SupportsMigrations)
        pending = store.migration_status().pending
        for step in pending[:4]:
            store.driver.migration_log.apply(step)
    labels = [step.label for step in pending[4:]]
    plan = objects("migrate", "plan")
    assert [f"{step['series']}:{step['version']}" for step in plan] == labels
    assert plan[-1]["blocks"].startswith("writers, for a pass over messages and artifacts")
    assert plan[-1]["rows"]["messages"] == 0
    assert plan[-1]["seconds"] == 0
    assert "under 1 s" in on("migrate", "plan").stdout
    assert objects("migrate", "up", "--dry-run") == plan
    status = {each["series"]: (each["applied"], each["known"]) for each in objects("migrate", "status")}
    assert status == {"moltnet": (4, 8), backend: (0, 1)}
    assert objects("info")[0]["pending"] == labels
    assert objects("rooms", "list") == []
    on("send", "room:nosuch", "hi", "--from", "ann", code=1)
    assert [f"{step['series']}:{step['version']}" for step in objects("migrate", "up")] == labels
    assert objects("migrate", "up") == []
    assert "out of date" not in on("migrate", "status").stdout


def test_backends_are_all_listed(invoke: Invoke) -> None:
    listed = [json.loads(line) for line in invoke("backends", "--json").stdout.splitlines()]
    assert {"postgres", "sqlite", "json", "memory"} <= {each["name"] for each in listed}
    assert not any(each.get("error") for each in listed)


# -- a server that is not there ----------------------------------------------------------------------

VERBS = [
    ("info",),
    ("rooms", "list"),
    ("rooms", "create", "x"),
    ("rooms", "create", "x", "--dry-run"),
    ("send", "room:x", "hi", "--from", "ann"),
    ("read", "room:x"),
    ("tail", "room:x", "--no-follow"),
    ("migrate", "status"),
    ("migrate", "up"),
]


@pytest.fixture
def nowhere() -> Iterator[int]:
    """A port on which nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
@pytest.mark.parametrize("how", ["url", "environment", "words"])
def test_an_unreachable_server_is_one_line_without_the_password(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, nowhere: int, verb: tuple[str, ...], how: str
) -> None:
    dsn = f"postgres://ann:{SECRET}@127.0.0.1:{nowhere}/chat"
    if how == "words":
        dsn = f"host=127.0.0.1 port={nowhere} user=ann password={SECRET} dbname=chat"
    if how == "url":
        result = invoke("--store", dsn, *verb, code=3)
    else:
        monkeypatch.setenv("MOLTNET_POSTGRES_DSN", dsn)
        result = invoke(*verb, code=3)
    assert SECRET not in result.output
    (line,) = result.stderr.splitlines()
    assert f"127.0.0.1:{nowhere}" in line
    assert "check host and port" in line


def test_a_mistake_in_a_dsn_is_a_usage_error_without_the_password(invoke: Invoke) -> None:
    for dsn in (
        f"postgres://ann:{SECRET}%@h/chat",
        f"postgres://ann:{SECRET}/x@h/chat",
        f"postgres://a:{SECRET}@h:0/c",
    ):
        assert SECRET not in invoke("--store", dsn, "rooms", "list", code=2).output


@having("multi_process", "persistent")
def test_the_dsn_is_shown_without_its_password(invoke: Invoke, backend: str, url: str) -> None:
    invoke("--store", url, "rooms", "create", "general")
    _, at, _ = url.partition("@")
    password = url.partition("://")[2].partition(":")[2].partition("@")[0] if at else "no password at all"
    for options in ((), ("--json",)):
        assert password not in invoke("--store", url, "info", *options).output
