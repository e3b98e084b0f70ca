"""The conformance kit on every backend that is broken on purpose: each dies, each required clause kills."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

SUMMARY = 3  # lines


def test_every_mutant_dies_and_every_required_clause_kills(tmp_path: Path, figure: Callable[[str], None]) -> None:
    report, start = tmp_path / "matrix.json", time.monotonic()
    command = [sys.executable, "-m", "moltnet_conformance", "selftest", "--report", str(report)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=850, check=False)
    lines = done.stdout.splitlines()
    figure("\n".join([*lines[-SUMMARY:], f"in {time.monotonic() - start:.0f} s"]))
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(report.read_text("utf-8"))
    assert (found["verdict"], found["problems"]) == ("PASSED", [])
    assert [clause["id"] for clause in found["clauses"] if not clause["kills"]] == []
