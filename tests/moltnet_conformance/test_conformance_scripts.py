"""A history that does not come out alike is left as a script that shows it by itself."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.moltnet_conformance.runs import run

import moltnet_core
from moltnet_conformance.scripting import Step, literal, script
from moltnet_conformance.strategies import filters, messages, pages, records, registrations, rooms
from moltnet_core import PageRequest, Part

SUITE = """
import broken
from moltnet_conformance import ConformanceSuite, Harness

class Broken(Harness):
    backend = "broken"
    plugins = (broken,)
    def new_location(self, tmp_path): return f"broken:///{tmp_path}/store.json"

class TestBroken(ConformanceSuite):
    harness = Broken
"""
BACKEND = """
import attrs
from moltnet_core import RoomNotFoundError, START
from moltnet_core.plugins import hookimpl
from moltnet_json.driver import JSONDriver
from moltnet_json.plugin import BACKEND

opened = []

class Driver(JSONDriver):
    def __init__(self, settings):
        opened.append(str(settings.path))
        self.again = opened.count(str(settings.path)) > 1
        super().__init__(settings)

{fault}

def opening(settings, *, read_only=False): return Driver(settings)

@hookimpl
def moltnet_register_backend():
    return attrs.evolve(BACKEND, name="broken", open=opening, powers=(), sublocation=None, drop_sublocation=None)
"""
FAULTS = {
    "an error that is another": """
    def remove_room(self, room_id, removed_at):
        try:
            super().remove_room(room_id, removed_at)
        except RoomNotFoundError as error:
            raise KeyError(room_id) from error
""",
    "a result that is another": """
    def read(self, listing, before, after, limit):
        return super().read(listing, before, START if after == "A" else after, limit)[: 3 if after else None]

    def update_members(self, room_id, add, remove):
        room = super().update_members(room_id, add, remove)
        return attrs.evolve(room, name=room.name.upper())
""",
    "something that is lost when it is opened again": """
    def remove_agent(self, agent_id):
        if not self.again:
            super().remove_agent(agent_id)
""",
}
SAYS = {"an error that is another": "KeyError: ", "a result that is another": "AssertionError: "}
FIRST, LAST = "# A history that comes out", 'print("they agree")'


def found_by(folder: Path, fault: str) -> str:
    """The script that a run leaves on a backend with the fault."""
    (folder / "broken.py").write_text(BACKEND.format(fault=fault))
    status, said, _ = run(folder, SUITE, "-k", "diff_001")
    assert status == 1, said
    assert said.count(FIRST) == 1, said
    return said[said.index(FIRST) : said.index(LAST) + len(LAST)] + "\n"


def ran(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A run of the script, which finds the module of the backend."""
    environ = {**os.environ, "PYTHONPATH": str(path.parent)}
    command = [sys.executable, "-W", "error", str(path), *arguments]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_script_shows_by_itself_what_the_suite_has_found(tmp_path: Path, fault: str) -> None:
    path = tmp_path / "history.py"
    path.write_text(found_by(tmp_path, FAULTS[fault]))
    assert len(path.read_text().splitlines()) < 60  # it is the shortest
    for arguments in ((), (f"broken:///{tmp_path}/elsewhere.json",)):
        shown = ran(path, *arguments)
        assert shown.returncode == 1, shown.stdout
        last = shown.stderr.rstrip().splitlines()
        assert any(line.startswith(SAYS.get(fault, "AssertionError: ")) for line in last), shown.stderr
        assert fault.startswith("an error") or ("\nbroken: " in shown.stderr and "\nreference: " in shown.stderr)
        assert "they agree" not in shown.stdout
    sound = ran(path, f"json:///{tmp_path}/sound.json")
    assert (sound.returncode, sound.stdout) == (0, "they agree\n"), sound.stderr
    if "opened again" in fault:
        assert path.read_text().count("subject = open_store(location") == 2


@settings(max_examples=300, deadline=None)
@given(st.one_of(filters, messages, pages, records, registrations, rooms, st.lists(rooms, max_size=2)))
def test_a_literal_is_the_value(value: Any) -> None:
    made = eval(literal(value), {**vars(moltnet_core), "datetime": datetime})
    assert made == value
    assert repr(made) == repr(value)


def test_a_script_does_not_show_a_password_and_takes_a_folder_of_its_own(tmp_path: Path) -> None:
    steps = [Step("list_rooms", (PageRequest(limit=1),)), Step(), Step("ping")]
    text = script("mydb", "mydb://u:hunter2@h/db?schema=x", tmp_path, steps)
    assert "hunter2" not in text
    assert "It needs the URL of a place where no store is yet" in text
    compile(text, "script", "exec")
    spaced = tmp_path / "a b"
    for location in (f"mydb:///{spaced}/x", f"mydb:///{str(spaced).replace(' ', '%20')}/x"):
        text = script("mydb", location, spaced, steps, [object()])
        assert "'mydb:///' + folder + '/x'" in text
        assert "plugins too" in text
        compile(text, "script", "exec")


def test_a_literal_of_what_has_no_short_form() -> None:
    assert literal(Part("data", data={"k": (1,), "l": [None, -0.0]})) == (
        "Part(kind='data', data={'k': (1,), 'l': [None, -0.0]})"
    )
