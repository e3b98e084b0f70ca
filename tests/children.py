"""What tests of several processes share: children that run a function of a test file, looks at files and errors."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from moltnet_core import MoltnetError

__all__ = [
    "ENGINE_VARIABLE",
    "ROOT",
    "WAIT",
    "Child",
    "chain",
    "foreign_in_chain",
    "listen",
    "open_descriptors",
    "outcome",
    "peak_memory",
    "run_script",
    "starting",
    "tell",
    "tree",
    "wait_until",
]

ROOT = Path(__file__).parents[1]
LAUNCHER = Path(__file__).with_name("launcher.py")
ENGINE_VARIABLE = "MOLTNET_TEST_ENGINE"
WAIT = 60.0
"""Seconds that a condition may take on a slow machine. No test waits that long when all is well."""


# -- files -------------------------------------------------------------------------------------------


def tree(folder: Path) -> dict[str, tuple[str, int]]:
    """Every file below a folder with a hash of its content, and its mode; links by where they lead."""
    found = {}
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        if path.is_symlink():
            content = str(path.readlink())
        elif path.is_file():
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            content = ""
        found[str(path.relative_to(folder))] = (content, mode)
    return found


def open_descriptors(part: str) -> list[str]:
    """What this process has open that has ``part`` in its path."""
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the one that the folder was read with is gone
            target = str(descriptor.readlink())
            if part in target:
                found.append(target)
    return sorted(found)


def peak_memory() -> int:
    """The most memory that this process had since it was started, in KiB; on Linux."""
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.partition("VmHWM:")[2].split()[0])


# -- errors ------------------------------------------------------------------------------------------


def chain(error: BaseException) -> Iterator[BaseException]:
    """An error, its causes and its contexts."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        found = waiting.pop()
        if found is None or id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        waiting += [found.__cause__, found.__context__]


def foreign_in_chain(error: BaseException) -> list[str]:
    """The errors in an error's chain that are neither the library's own nor the operating system's."""
    return [repr(found) for found in chain(error) if not isinstance(found, MoltnetError | OSError)]


# -- waiting -----------------------------------------------------------------------------------------


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Return once a condition holds.

    :raises AssertionError: it does not for :data:`WAIT` seconds.
    """
    deadline = time.monotonic() + WAIT
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"did not happen: {what}")
        time.sleep(0.002)


# -- child processes ---------------------------------------------------------------------------------


class Child:
    """A function of a test file, running in an interpreter of its own.

    It tells with :func:`tell`, and goes on with :func:`listen` once told. Its arguments, and what it tells, are JSON.

    :param engine: ``sqlite3`` lets it run on Python's own SQLite, as where ``pysqlite3`` is not installed.
    :param wrapper: a command that runs it, such as ``strace``.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *args: object,
        engine: str | None = None,
        wrapper: Sequence[str] = (),
        user: int | None = None,
        cwd: Path = ROOT,
    ) -> None:
        module = sys.modules[function.__module__]
        environ = {key: value for key, value in os.environ.items() if not key.startswith(("MOLTNET_", "COV_CORE"))}
        engine = engine or os.environ.get(ENGINE_VARIABLE)
        if engine is not None:
            environ[ENGINE_VARIABLE] = engine
        self.function = function
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the child
        self._process = subprocess.Popen(
            [
                *wrapper,
                sys.executable,
                str(LAUNCHER),
                str(module.__file__),
                function.__name__,
                json.dumps(args, default=str),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            cwd=cwd,
            env=environ,
            user=user,
            group=user,
            extra_groups=() if user is not None else None,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def hear(self) -> Any:
        """What the child tells next.

        :raises AssertionError: it ended instead.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError(f"{self.function.__name__} ended ({self._process.wait()}): {self.errors()}")
        return json.loads(line)

    def say(self, value: object = None) -> None:
        """Let the child's :func:`listen` return."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(value, default=str).encode() + b"\n")
        self._process.stdin.flush()

    def rest(self) -> list[Any]:
        """All that the child tells until it ends, which it has to without an error."""
        assert self._process.stdout is not None
        told = [json.loads(line) for line in self._process.stdout]
        self.end()
        return told

    def end(self, status: int = 0) -> None:
        """Wait for the child's end.

        :raises AssertionError: its status is another than expected.
        """
        found = self._process.wait(WAIT)
        assert found == status, f"{self.function.__name__} ended with {found}: {self.errors()}"

    def wait(self) -> int:
        """Wait for the child's end, whatever its status, and return that."""
        return self._process.wait(WAIT)

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()
        self._process.wait()

    def lines(self) -> list[bytes]:
        """Whole lines that are still to be heard from a child that has ended."""
        assert self._process.stdout is not None
        return [line for line in self._process.stdout.read().splitlines(keepends=True) if line.endswith(b"\n")]

    def errors(self) -> str:
        """What the child wrote on standard error."""
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")

    def close(self) -> None:
        """End it if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None and not stream.closed:
                with suppress(OSError):  # what was never read cannot be written either
                    stream.close()
        self._errors.close()


@contextmanager
def starting() -> Iterator[Callable[..., Child]]:
    """What starts children, which end with the block at the latest. See :class:`Child` for the arguments."""
    children: list[Child] = []

    def start(function: Callable[..., Any], *args: object, **options: Any) -> Child:
        children.append(Child(function, *args, **options))
        return children[-1]

    try:
        yield start
    finally:
        for child in children:
            child.close()


def run_script(script: str, *arguments: object) -> str:
    """What a script prints, run in an interpreter of its own, with warnings as errors.

    :raises AssertionError: it fails, or says anything on standard error.
    """
    command = [sys.executable, "-W", "error", "-c", script, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=WAIT, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def tell(value: object = None) -> None:
    """In a child: tell the test something."""
    os.write(1, json.dumps(value, default=str).encode() + b"\n")


def listen() -> Any:
    """In a child: wait until the test says something. When the test is gone, so is the child."""
    line = sys.stdin.readline()
    if not line:
        raise SystemExit(3)
    return json.loads(line)


def outcome(call: Callable[[], object]) -> dict[str, Any]:
    """In a child: what became of a call, as JSON."""
    try:
        call()
    except MoltnetError as error:
        return {
            "error": type(error).__name__,
            "text": str(error),
            "committed": error.committed,
            "foreign": foreign_in_chain(error),
        }
    return {"error": None}
