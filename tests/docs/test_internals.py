"""The page on internals names files and what is in them; each is there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "internals.md").read_text(encoding="utf-8")
FILE = r"moltnet_\w+/[\w/]+\.py"
ROWS = re.findall(rf"^\|[^|\n]*\| `({FILE})` \| (.+) \|$", PAGE, re.MULTILINE)


def source(name: str) -> Path:
    """Where a file is that the page names from its package's folder of sources."""
    (found,) = ROOT.glob(f"packages/*/src/{name}")
    return found


@cache
def names_in(name: str) -> set[str]:
    """What a file defines: functions, classes, and their methods as ``Class.method``."""
    found = set()
    for node in ast.parse(source(name).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{each.name}" for each in node.body if hasattr(each, "name")}
    return found


def test_every_row_of_a_table_names_a_file() -> None:
    tables = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| what ")]
    assert len(ROWS) == len(tables) > 40


@pytest.mark.parametrize(("file", "named"), ROWS, ids=[f"{file}-{number}" for number, (file, _) in enumerate(ROWS)])
def test_what_a_row_names_is_in_its_file(file: str, named: str) -> None:
    names = re.findall(r"`([^`]+)`", named)
    assert names
    assert set(names) <= names_in(file)


def test_every_file_that_the_text_names_is_there() -> None:
    for name in re.findall(rf"`({FILE})`", PAGE):
        assert source(name).is_file()
