"""The core imports no backend, and importing it loads nothing that a program may not need."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import moltnet_core

SIBLINGS = {"moltnet_memory", "moltnet_json", "moltnet_sql", "moltnet_sqlite", "moltnet_postgres", "moltnet_cli"}
SIBLINGS |= {"moltnet_conformance", "moltnet_opentelemetry"}
DRIVERS = {"peewee", "playhouse", "sqlite3", "_sqlite3", "pysqlite3", "psycopg2"}
HEAVY = {"yaml", "tomli", "tomllib", "click", "rich", "asyncio", "hypothesis", "pytest"}
SOURCES = sorted(Path(moltnet_core.__file__).parent.rglob("*.py"))


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").partition(".")[0])
    return found


def test_no_module_of_the_core_names_a_backend_or_a_driver() -> None:
    assert len(SOURCES) > 30
    assert {str(path): found for path in SOURCES if (found := imported(path) & (SIBLINGS | DRIVERS))} == {}


@pytest.mark.parametrize(
    "statement",
    ["import moltnet_core", "from moltnet_core import *", "import moltnet_core.driver, moltnet_core.plugins.hookspecs"],
)
def test_importing_it_loads_little(statement: str) -> None:
    script = f"import sys\nbefore = set(sys.modules)\n{statement}\nprint(*set(sys.modules) - before)"
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "moltnet_core" in loaded
    assert loaded & (SIBLINGS | DRIVERS | HEAVY) == set()


def test_opening_a_store_loads_its_own_backend_only() -> None:
    script = "import sys, moltnet_core\nmoltnet_core.open_store('memory://', environ={}).close()\nprint(*sys.modules)"
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "moltnet_memory" in loaded
    assert loaded & ((SIBLINGS - {"moltnet_memory"}) | DRIVERS | {"yaml", "click", "rich"}) == set()


def test_every_public_name_is_there_and_listed() -> None:
    for name in moltnet_core.__all__:
        assert getattr(moltnet_core, name) is not None
    assert len(set(moltnet_core.__all__)) == len(moltnet_core.__all__)
