"""Which Pythons are found, what is installed on each, and how that is compared with what is promised."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest
from releasing.environments import Installed
from releasing.interpreters import Interpreter, InterpreterError, find, identify, running
from releasing.matrix import shapes_of
from releasing.shapes import Shape

NEWER = Interpreter((3, 29, 4), Path("/somewhere/python"))
CORE = ["attrs", "cattrs", "moltnet-core", "pluggy", "PyYAML", "tomli", "typing_extensions"]


def program(path: Path, body: str) -> Path:
    """A shell's script, which needs nothing of ``PATH``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def python(path: Path, interpreter: Interpreter, *, is_final: bool = True) -> Path:
    """What answers as an interpreter does."""
    answer = json.dumps([is_final, interpreter.version, str(interpreter.path)])
    return program(path, f"echo {shlex.quote(answer)}")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One whose ``bin`` is all of ``PATH``."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path


def test_the_running_python_is_always_there() -> None:
    assert running().version == tuple(sys.version_info[:3])
    assert find([], "3.11") == [running()]
    assert find([sys.executable], running().minor) == [running()]


def test_what_does_not_run_is_no_python(folder: Path) -> None:
    assert identify(folder / "nothing") is None
    assert identify(program(folder / "shim", "echo it is not chosen >&2; exit 127")) is None
    assert identify(python(folder / "candidate", NEWER, is_final=False)) is None
    assert identify(python(folder / "python", NEWER)) == NEWER


def test_one_of_each_version_is_found_on_the_path(folder: Path) -> None:
    python(folder / "bin" / "python3.29", NEWER)
    python(folder / "bin" / "python3.11", Interpreter((3, 11, 0), Path("another")))
    python(folder / "bin" / "python3.12", Interpreter((3, 10, 1), Path("too-old")))
    program(folder / "bin" / "python3.28", "exit 127")
    found = find([], "3.11")
    assert set(found) - {Interpreter((3, 11, 0), Path("another"))} == {running(), NEWER}
    assert len({each.minor for each in found}) == len(found)


def test_those_that_pyenv_has_are_found(folder: Path) -> None:
    python(folder / "versions" / "3.29.4" / "bin" / "python", NEWER)
    versions = "3.8.1\n3.29.4\n3.29.4/envs/mine\npypy3.10"
    program(
        folder / "bin" / "pyenv",
        f'case "$1" in versions) echo "{versions}";; prefix) echo "{folder}/versions/$2";; esac',
    )
    assert find([], "3.11") == [running(), NEWER]


def test_a_python_that_is_named_goes_first_and_has_to_work(folder: Path) -> None:
    python(folder / "bin" / "python3.29", NEWER)
    named = Interpreter((3, 29, 5), Path("/named/python"))
    assert find([str(python(folder / "named", named))], "3.11") == [running(), named]
    assert find(["python3.29"], "3.11") == [running(), NEWER]
    with pytest.raises(InterpreterError, match=r"python3\.30"):
        find(["python3.30"], "3.11")


def test_each_extra_is_tried_here_and_everything_elsewhere() -> None:
    shapes = [(shape.interpreter, shape.name) for shape in shapes_of([running(), NEWER], running())]
    assert shapes[0] == (running(), "moltnet-core")
    assert {(running(), f"moltnet-core[{name}]") for name in ("sqlite", "postgres", "cli", "all")} < set(shapes)
    assert [name for interpreter, name in shapes if interpreter == NEWER] == ["moltnet-core[all]"]


@pytest.mark.parametrize(
    ("extras", "more", "less", "differences"),
    [
        ((), [], [], []),
        (("memory",), ["moltnet-memory"], [], []),
        (("memory",), [], [], ["moltnet-memory is missing"]),
        ((), [], ["PyYAML"], ["pyyaml is missing"]),
        ((), ["moltnet-memory"], [], ["moltnet-memory came too, which belongs to another extra"]),
        ((), ["psycopg2-binary"], [], ["psycopg2-binary came too, which belongs to another extra"]),
        (("postgres",), ["moltnet-sql", "moltnet-postgres", "peewee"], [], ["psycopg2-binary is missing"]),
    ],
)
def test_what_came_is_compared_with_what_is_promised(
    extras: tuple[str, ...], more: list[str], less: list[str], differences: list[str]
) -> None:
    there = {name: Installed("1", 1) for name in [*CORE, *more] if name not in less}
    assert Shape(running(), extras, installed=there).differences() == differences
