"""Other processes that use a store: Python scripts, run with a store's location."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

PROCESSES = 4
TIMEOUT = 60  # seconds


def command(script: str, *arguments: str) -> list[str]:
    """The command that runs a script with this Python; a warning is an error."""
    return [sys.executable, "-W", "error", "-c", script, *arguments]


def run(script: str, *arguments: str) -> str:
    """What a script says that ends well."""
    done = subprocess.run(command(script, *arguments), capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def race(script: str, location: str) -> Iterator[Any]:
    """Starts processes that all wait for a sign, gives it, and yields what each says last.

    A script says ``"ready"``, in JSON as everything, and then reads a line.
    """
    with ExitStack() as stack:
        running = [
            stack.enter_context(
                subprocess.Popen(
                    command(script, str(number), location),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            for number in range(PROCESSES)
        ]
        for each in running:
            stack.callback(each.kill)
        for each in running:
            assert each.stdout is not None
            ready = each.stdout.readline()
            assert ready == '"ready"\n', each.communicate()[1]
        for each in running:
            assert each.stdin is not None
            each.stdin.write("go\n")
            each.stdin.flush()
        for each in running:
            out, err = each.communicate(timeout=TIMEOUT)
            assert each.returncode == 0, err
            yield json.loads(out)
