"""Runs of pytest that judge backends, as their authors start them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

__all__ = ["State", "run", "states_of"]

State = str


def run(folder: Path, text: str, *arguments: str) -> tuple[int, str, Any]:
    """The exit status of a run of pytest on a file, what it says, and its report."""
    Path(folder, "test_it.py").write_text(text)
    Path(folder, "pytest.ini").write_text("[pytest]\nfilterwarnings = error\naddopts = --strict-markers\n")
    report = folder / "report.json"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--moltnet-report", str(report), *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=280, check=False
    )
    said = done.stdout + done.stderr
    return done.returncode, said, json.loads(report.read_text()) if report.exists() else None


def states_of(report: Any) -> dict[str, dict[str, State]]:
    """What became of each clause, by the name of its suite's class."""
    return {
        suite["suite"].rpartition("::")[2]: {clause["id"]: clause["state"] for clause in suite["clauses"]}
        for suite in report["suites"]
    }
