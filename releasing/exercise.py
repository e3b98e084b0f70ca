"""Shows that what is installed works: ``exercise.py '{"backend": "url of a new store", …}'``, in a clean environment.

It needs nothing but what is installed there, and the backends that are installed have to be the given ones, a further
scheme of one among them. What is wrong ends it with a traceback.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

BACKENDS = {"json", "memory", "postgres", "sqlite"}
ENGINES = {"lmdb", "peewee", "psycopg2", "pysqlite3", "sqlite3"}
UNASKED = {"click", "hypothesis", "pytest", "rich", "tomli", "yaml"}  # modules that no store needs

before = set(sys.modules)

LOADED = {name.partition(".")[0] for name in set(sys.modules) - before}

from moltnet_core import (  # noqa: E402
    START,
    Actor,
    BackendNotFoundError,
    Message,
    PageRequest,
    Part,
    Room,
    Target,
    open_async_store,
    open_store,
)
from moltnet_core.plugins import installed_backends, load_backend  # noqa: E402

ALPHA = Actor("agent", "alpha")


def main(places: dict[str, str]) -> None:
    assert not LOADED & (ENGINES | UNASKED | {f"moltnet_{name}" for name in BACKENDS}), sorted(LOADED)
    assert set(installed_backends()) == set(places), f"installed are {sorted(installed_backends())}"
    for name in sorted(BACKENDS - set(places)):
        refuse(name)
    for name, url in places.items():
        use(name, url)
        asyncio.run(use_async(name, url))
    assert not UNASKED & set(sys.modules), "a store has loaded what it does not need"
    read_configurations()
    if "moltnet-storage" in entry_points(group="console_scripts").names:
        for name, url in places.items():
            command(name, url)
        listed = {each["name"] for each in storage("backends")}
        assert listed == set(places), f"the command lists {sorted(listed)}"


def message(name: str) -> Message:
    return Message("local", Target.room("general"), ALPHA, [Part("text", "hello")], id=name)


def refuse(name: str) -> None:
    """A backend that is not there says how to get it."""
    said = refusal(f"{name}:///nowhere", {})
    assert f'pip install "moltnet-core[{name}]"' in said, said


def refusal(location: str | None, environ: dict[str, str]) -> str:
    """What the error says, of a store whose backend is not installed."""
    try:
        open_store(location, environ=environ)
    except BackendNotFoundError as error:
        return str(error)
    raise AssertionError(f"{location or environ} has a backend")


def use(name: str, url: str) -> None:
    """Write, page, and find it all again."""
    with open_store(url, environ={}) as store:
        store.create_room(Room("general", "local", members=["alpha"]))
        for number in range(5):
            store.append_message(message(f"m{number}"))
        page = store.list_room_messages("general", PageRequest(after=START, limit=3))
        assert [each.id for each in page.items] == ["m0", "m1", "m2"]
        assert [each.id for each in store.room_messages("general")] == [f"m{number}" for number in range(5)]
    if "persistent" in load_backend(name)[0].capabilities:
        with open_store(url, environ={}) as store:
            assert store.counts().messages == 5


async def use_async(name: str, url: str) -> None:
    async with open_async_store(url, environ={}) as store:
        if await store.get_room("general") is None:
            await store.create_room(Room("general", "local"))
        await asyncio.gather(*(store.append_message(message(f"a{number}")) for number in range(5)))
        newest = await store.list_room_messages("general", PageRequest(limit=100))
        assert {f"a{number}" for number in range(5)} <= {each.id for each in newest.items}


def read_configurations() -> None:
    """The core alone reads every format."""
    files = {
        "moltnet.yaml": "storage: {kind: nothing}",
        "moltnet.toml": "storage = {kind = 'nothing'}",
        "moltnet.json": '{"storage": {"kind": "nothing"}}',
    }
    for file, text in files.items():
        Path(file).write_text(text, encoding="utf-8")
        said = refusal(None, {"MOLTNET_CONFIG": file})
        assert "nothing" in said, said


def command(name: str, url: str) -> None:
    """The command line works on the same store."""
    if "persistent" not in load_backend(name)[0].capabilities:
        return
    storage("--store", url, "send", "room:general", "by command", "--from", "alpha")
    read = storage("--store", url, "read", "room:general", "--all")
    assert [each["parts"][0]["text"] for each in read] == ["hello"] * 10 + ["by command"]


def storage(*arguments: str) -> list[dict[str, Any]]:
    program = Path(sys.executable).with_name("moltnet-storage")
    done = subprocess.run([program, *arguments, "--json"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
