"""A tour: one conversation stored and read back, by the command line and from Python, on the SQLite default.

Run it where moltnet-core, moltnet-sqlite and moltnet-cli are installed: ``python examples/demo.py``. It works in a
temporary directory, which it removes, and exits with 1 if what it reads back is not what it wrote.
"""

from __future__ import annotations

import inspect
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NoReturn

from moltnet_core import START, Actor, Message, PageRequest, Part, Target, open_store

SCRIPT = shutil.which("moltnet-storage", path=str(Path(sys.executable).parent))
COLOURS = sys.stdout.isatty() and "NO_COLOR" not in os.environ


def main() -> None:
    """The tour."""
    started = time.monotonic()
    home = Path.cwd()
    for variable in [name for name in os.environ if name.startswith("MOLTNET_")]:
        del os.environ[variable]  # the tour is about the defaults, not about this machine's configuration
    with tempfile.TemporaryDirectory(prefix="moltnet-demo-") as folder:
        os.chdir(folder)
        try:
            processes = tour()
        finally:
            os.chdir(home)
    title("Done")
    print(f"Written and read back by {processes} processes in {time.monotonic() - started:.1f} s: everything is there.")


def tour() -> int:
    """Every step of it; returns how many processes used the store."""
    title("An empty directory; the first command that writes creates .moltnet/moltnet.db")
    run("rooms", "create", "general", "--name", "General", "--member", "alice", "--member", "bob")
    run("agents", "register", "alice", "--name", "Alice", "--token", "--credential-stdin", stdin="alice-token")
    run("agents", "register", "bob", "--name", "Bob", "--token", "--credential-stdin", stdin="bob-token")

    title("Messages in a room, a thread and a direct conversation")
    run("send", "room:general", "Shall we ship it on Friday? 🚀", "--from", "alice", "--id", "msg_ship")
    run("send", "thread:release", "Notes are up.", "--from", "bob", "--room", "general", "--parent", "msg_ship",
        "--url", "https://example.org/notes.pdf", "--file", "notes.pdf")  # fmt: skip
    run("send", "dm:alice-bob", "Coffee first?", "--from", "alice", "--with", "bob")

    title("The same store from Python, in this process")
    print(code(in_python))
    written = in_python()

    title("And again from the command line, in new processes")
    run("rooms", "list")
    run("agents", "list")
    run("read", "room:general")
    run("read", "thread:release")
    run("read", "dm:alice-bob")
    run("artifacts")
    run("info")

    title("What is stored is what was written")
    check_stored(written)
    return run.count + 1


def in_python() -> Message:
    with open_store() as store:
        report = Message(
            network_id="local",
            target=Target.room("general"),
            sender=Actor("agent", "ci", name="Build"),
            parts=[Part("text", "All checks passed."), Part("data", data={"tests": 1204, "seconds": 31.5})],
        )
        result = store.append_message(report)
        for message in store.list_room_messages("general", PageRequest(after=START)).items:
            print(f"  {message.created_at:%H:%M:%S}  {message.sender.id}: {message.parts[0].text}")
    return result.message


def check_stored(from_python: Message) -> None:
    """Compare what new processes read with what was written.

    :raises SystemExit: it is not the same.
    """
    texts = {
        conversation: [message["parts"][0]["text"] for message in read_json("read", conversation, "--all")]
        for conversation in ("room:general", "thread:release", "dm:alice-bob")
    }
    expect("room:general", texts["room:general"], ["Shall we ship it on Friday? 🚀", "All checks passed."])
    expect("thread:release", texts["thread:release"], ["Notes are up."])
    expect("dm:alice-bob", texts["dm:alice-bob"], ["Coffee first?"])

    (room,) = read_json("rooms", "list")
    expect("the room's members", room["members"], ["alice", "bob"])
    agents = read_json("agents", "list")
    expect("the agents", [agent["display_name"] for agent in agents], ["Alice", "Bob"])
    expect("no credential is shown", [agent for agent in agents if "credential_key" in agent], [])
    (thread,) = read_json("threads", "general")
    expect("the thread", (thread["parent_message_id"], thread["message_count"]), ("msg_ship", 1))
    (dm,) = read_json("dms")
    expect("the participants", dm["participant_ids"], ["alice", "bob"])
    names = {artifact.get("filename") for artifact in read_json("artifacts", "room:general", "--all")}
    expect("the room's artifacts", names, {"notes.pdf", None})

    (stored,) = (message for message in read_json("read", "room:general") if message["id"] == from_python.id)
    expect("the data written from Python", stored["parts"][1]["data"], {"tests": 1204, "seconds": 31.5})
    with open_store(read_only=True) as store:
        expect("the message written from Python", store.get_message(from_python.id), from_python)


# -- the command line --------------------------------------------------------------------------------


class Runner:
    """Runs ``moltnet-storage`` as a person would, and shows it."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, *args: str, stdin: str | None = None) -> None:
        typed = f"moltnet-storage {shlex.join(args)}"
        print(paint("1", f"$ {typed}" if stdin is None else f"$ echo {shlex.quote(stdin)} | {typed}"))
        output = self.output(*args, stdin=stdin)
        print("\n".join(f"  {line}" for line in output.splitlines()), end="\n\n")

    def output(self, *args: str, stdin: str | None = None) -> str:
        """What the command prints.

        :raises SystemExit: it failed.
        """
        if SCRIPT is None:
            fail("there is no moltnet-storage beside this Python; install moltnet-cli")
        self.count += 1
        # Without an input of its own it must not read the terminal of whoever runs the tour.
        done = subprocess.run(
            [SCRIPT, *args],
            input=stdin or "",
            capture_output=True,
            encoding="utf-8",
            env=utf8(),
            timeout=60,
            check=False,
        )
        if done.returncode != 0:
            fail(f"moltnet-storage {shlex.join(args)} exited with {done.returncode}: {done.stderr.strip()}")
        return done.stdout + done.stderr


run = Runner()


def utf8() -> dict[str, str]:
    """This process's environment, with UTF-8 in pipes."""
    return {**os.environ, "PYTHONIOENCODING": "utf-8"}


def read_json(*args: str) -> list[dict[str, Any]]:
    """The objects that a command prints with ``--json``."""
    return [json.loads(line) for line in run.output(*args, "--json").splitlines()]


# -- telling -----------------------------------------------------------------------------------------


def expect(what: str, found: object, written: object) -> None:
    """Compare, and say so."""
    if found != written:
        fail(f"{what}: read back {found!r}, but {written!r} was written")
    print(f"  {paint('32', 'same')}  {what}")


def fail(problem: str) -> NoReturn:
    """End the tour."""
    sys.exit(f"demo: {problem}")


def title(text: str) -> None:
    """The heading of a step."""
    print(f"\n{paint('1;36', f'== {text}')}\n", flush=True)


def code(function: object) -> str:
    """A function's body as it is written here."""
    source = inspect.getsource(function)  # type: ignore[arg-type]
    return "\n".join(paint("1", line) for line in source.splitlines()[1:-1]) + "\n"


def paint(style: str, text: str) -> str:
    """A text in a style, at a terminal."""
    return f"\x1b[{style}m{text}\x1b[0m" if COLOURS else text


if __name__ == "__main__":
    # A pipe of another encoding shows what it can.
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    main()
