"""Every block of the README and the documentation that can run is run; everything public is documented."""

from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click
import pytest
from releasing.distributions import CORE, distributions
from tests.postgres.shared import shared_server

from moltnet_cli.app import cli
from moltnet_core import errors
from moltnet_core.checking import FAULTS
from moltnet_core.config import describe
from moltnet_core.plugins import hookspecs, installed_backends, load_backend

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<reason>[^\n]+) -->\n)?```(?P<language>[a-z]+)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)
RUNNABLE = {"python", "sh"}
SHOWN = {"text", "yaml", "toml", "json"}

FILE = re.compile(r"# ([a-z_]+\.(?:py|toml))\n")

# Runs a page's blocks in order: Python in one namespace, shell in one shell each, all in one directory. A block whose
# first line is the name of a file becomes that file, and runs where another imports it.
RUNNER = """
import json, pathlib, re, subprocess, sys
namespace = {"__name__": "__main__"}
for language, line, code in json.load(sys.stdin):
    try:
        if named := re.match(FILE, code):
            pathlib.Path(named[1]).write_text(code, "utf-8")
        elif language == "python":
            exec(compile("\\n" * line + code, PAGE, "exec"), namespace)
        else:
            subprocess.run(["bash", "-euo", "pipefail", "-c", code], check=True)
    except BaseException as error:
        sys.exit(f"{PAGE}:{line}: {type(error).__name__}: {error}")
"""

CONFIGURED = """
from moltnet_core import Actor, AgentRegistration, Message, Part, Room, Target, open_store
with open_store() as store:
    store.create_room(Room("general", "local"))
    store.append_message(Message("local", Target.room("general"), Actor("agent", "a"), [Part("text", "hello")]))
    store.register_agent(AgentRegistration("alice", "local", "token:of-alice"))
"""

SERVED = """
from moltnet_core import Actor, Message, Part, Room, Target, open_store
for url in ("sqlite:///moltnet.db", "json:///data.json"):
    with open_store(url) as store:
        store.create_room(Room("general", "local"))
        store.append_message(Message("local", Target.room("general"), Actor("agent", "a"), [Part("text", "hello")]))
"""
"""What a server keeps, in either of its forms."""

BEFORE = {
    "moving.md": SERVED,
    "backup.md": CONFIGURED,
    "export-format.md": CONFIGURED,
    # What a page takes for granted: a server's database, here one of ours.
    "existing-database.md": """
from moltnet_core import Actor, Message, Part, Room, Target, open_store
with open_store("sqlite:///moltnet.db") as store:
    store.create_room(Room("general", "local"))
    store.append_message(Message("local", Target.room("general"), Actor("agent", "a"), [Part("text", "hello")]))
""",
    "check.md": """
from moltnet_core import Actor, Message, Part, Room, Target, open_store
with open_store("sqlite:///moltnet.db") as store:
    store.create_room(Room("general", "local"))
    dm = Target("dm", dm_id="d1", participant_ids=("a", "b"))
    store.append_message(Message("local", dm, Actor("agent", "a"), [Part("text", "hello")]))
from moltnet_sqlite.engine import sqlite3
connection = sqlite3.connect("moltnet.db", isolation_level=None)
connection.execute("UPDATE dm_conversations SET last_message_at = '2020-01-01T00:00:00Z'")
connection.execute("INSERT INTO dm_participants VALUES ('d1', 'mallory')")
connection.close()
""",
    # A server that was killed, so that a -wal is left, and faults that are older.
    "after-a-crash.md": """
import os, subprocess, sys
writer = '''
import os, signal
from moltnet_core import Actor, Message, Part, Room, Target, open_store
from moltnet_sqlite.engine import sqlite3
store = open_store("sqlite:///moltnet.db")
store.create_room(Room("general", "local"))
target = Target("thread", room_id="general", thread_id="t1")
parts = [Part("text", "hello")]
for number in range(5):
    store.append_message(Message("local", target, Actor("agent", "a"), parts, id=f"m{number}"))
store.append_message(Message("local", Target.room("general"), Actor("agent", "a"), parts))
connection = sqlite3.connect("moltnet.db", isolation_level=None)
connection.execute("UPDATE threads SET message_count = 7")
connection.execute("UPDATE messages SET parts_json = '[' WHERE id = 'm2'")
os.kill(os.getpid(), signal.SIGKILL)
'''
assert subprocess.run([sys.executable, "-c", writer]).returncode == -9
assert os.path.getsize("moltnet.db-wal") > 0
""",
    "json.md": """
from moltnet_core import Actor, Message, Part, Room, Target, open_store
with open_store("json:///data.json") as store:
    store.create_room(Room("general", "local"))
    store.append_message(Message("local", Target.room("general"), Actor("agent", "a"), [Part("text", "hello")]))
""",
}


def blocks(page: Path) -> Iterator[tuple[str, str | None, int, str]]:
    """Language, reason not to run it, line and code of each block of a page."""
    text = page.read_text(encoding="utf-8")
    for match in BLOCK.finditer(text):
        yield match["language"], match["reason"], text.count("\n", 0, match.start("code")), match["code"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_of_the_page_runs(page: Path, tmp_path: Path) -> None:
    found = list(blocks(page))
    for language, reason, line, _ in found:
        assert language in RUNNABLE | SHOWN, f"{page.name}:{line}: say whether a block of {language!r} can run"
        assert reason is None or language in RUNNABLE, f"{page.name}:{line}: {language} is never run"
    run = [("python", 0, BEFORE[page.name])] if page.name in BEFORE else []
    run += [(language, line, code) for language, reason, line, code in found if language in RUNNABLE and not reason]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MOLTNET_")}
    if page.name == "postgresql.md":
        environment |= {
            "MOLTNET_POSTGRES_DSN": shared_server().dsn(),
            "MOLTNET_POSTGRES_SCHEMA": shared_server().new_schema(),
        }
    if page.name == "moving.md":
        server = shared_server()
        environment |= {name: server.url(schema=server.new_schema()) for name in ("TO", "REHEARSAL")}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"PAGE = {page.name!r}\nFILE = {FILE.pattern!r}\n{RUNNER}"],
        input=json.dumps(run),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        timeout=100,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_backend_that_a_page_writes_is_conformant(tmp_path: Path) -> None:
    """It is installed as the page says, and judged as it says."""
    for _, _, _, code in blocks(ROOT / "docs" / "writing-a-backend.md"):
        if named := FILE.match(code):
            (tmp_path / named[1]).write_text(code, encoding="utf-8")
    installed = tmp_path / "installed"
    offline = ["--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check", "--quiet"]
    pip = [sys.executable, "-m", "pip", "install", *offline, "--target", str(installed), str(tmp_path)]
    assert subprocess.run(pip, capture_output=True, text=True, timeout=60, check=False).returncode == 0
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MOLTNET_", "PYTEST_"))}
    judged = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", str(tmp_path), "test_journal.py"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(installed)},
        timeout=110,
        check=False,
    )
    assert judged.returncode == 0, judged.stdout + judged.stderr
    assert "journal: CONFORMANT contract 1.0" in judged.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_folders_to_install_bring_all_that_they_require(page: Path) -> None:
    """Beside the core, which a table may take for granted."""
    known = distributions()
    for folders in re.findall(r"\./packages/[\w-]+(?: \./packages/[\w-]+)*", page.read_text(encoding="utf-8")):
        names = {Path(folder).name for folder in folders.split()}
        required = {each.name for name in names for each in known[name].requires if each.name in known}
        assert required - names <= {CORE}, f"{page.name}: {folders}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_lets_pip_take_one_of_ours_from_an_index(page: Path) -> None:
    """They are on none, where anybody may offer something under their names."""
    asked = re.findall(r"^.*pip install moltnet-.*$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert asked == []


def test_the_readme_names_the_two_commands_that_ci_and_newcomers_use() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "\npython3 dev.py demo\npython3 dev.py test\n" in readme
    assert "\npython3 dev.py test\n" in ci


def test_every_error_has_its_cause_and_cure() -> None:
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `(\w+)`", page, re.MULTILINE)) | {"MoltnetError", "DriverError"}
    classes = {name for name in errors.__all__ if isinstance(getattr(errors, name), type) and name.endswith("Error")}
    assert rows == classes


def test_every_hook_is_documented() -> None:
    page = (ROOT / "docs" / "hooks.md").read_text(encoding="utf-8")
    hooks = [name for name in hookspecs.__all__ if name.startswith("moltnet_")]
    assert len(hooks) == 8
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    for name in hooks:
        assert getattr(hookspecs, name).__doc__, f"{name} has no docstring"
        assert f"autofunction:: moltnet_core.plugins.hookspecs.{name}" in sections[name]
        assert f"(#{name})" in page, f"{name} is not in the table"
        assert re.search(rf"```python\n[^`]*def {name}\(", sections[name]), f"{name} has no example that runs"


@pytest.mark.parametrize("name", ["clauses", "installation", "settings"])
def test_a_page_that_is_made_is_up_to_date(name: str) -> None:
    made = runpy.run_path(str(ROOT / "docs" / f"{name}_page.py"))[f"{name}_page"]()
    page = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    assert page == made, f"run python3 dev.py docs, which writes docs/{name}.md anew"


def test_every_setting_says_what_it_is_for() -> None:
    for name in installed_backends():
        backend, _ = load_backend(name)
        for setting in describe(backend.settings, name):
            assert setting.help, f"{name}.{setting.name} has no help"
            assert setting.variable == f"MOLTNET_{name.upper()}_{setting.name.upper()}"


def commands(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    """A command with all below it, by what one types."""
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for each in command.list_commands(context):
            found = command.get_command(context, each)
            assert found is not None
            yield from commands(found, f"{name} {each}")


def test_every_command_and_option_is_documented() -> None:
    page = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    assert "click:: moltnet_cli.app:cli" in page
    assert ":nested: full" in page
    found = dict(commands(cli, "moltnet-storage"))
    assert {"moltnet-storage rooms create", "moltnet-storage migrate plan", "moltnet-storage tail"} <= set(found)
    for name, command in found.items():
        assert command.help, f"{name} has no help"
        for parameter in command.params:
            if isinstance(parameter, click.Option) and not parameter.hidden:
                assert parameter.help, f"{name} {parameter.opts[0]} has no help"


def test_every_page_is_in_the_table_of_contents() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^([a-z-]+)$", index, re.MULTILINE))
    assert {page.stem for page in (ROOT / "docs").glob("*.md")} - {"index"} == listed


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_files_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", text):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_fault_is_documented_as_the_catalogue_says() -> None:
    page = (ROOT / "docs" / "check.md").read_text(encoding="utf-8")
    section = r"^### (\S+)\n\n\*\*(\w+)(, repairable)?\.\*\* (.*)\n\n\*Repair:\* (.*)$"
    assert re.findall(section, page, re.MULTILINE) == [
        (fault.code, str(fault.severity).capitalize(), ", repairable" * fault.repairable, fault.meaning, fault.repair)
        for fault in FAULTS.values()
    ]


def test_every_event_is_documented_as_the_catalogues_say() -> None:
    page = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")
    catalogues = [
        import_module(f"{name}.events")
        for name in ("moltnet_core", "moltnet_sqlite", "moltnet_postgres", "moltnet_sql")
    ]
    rows = [
        f"| `{event.name}` | {event.level.name} | {', '.join(f'`{each}`' for each in event.fields)} | {event.meaning} |"
        for catalogue in catalogues
        for event in catalogue.EVENTS
    ]
    assert re.findall(r"^\| `moltnet\.[a-z_.]+` \| [A-Z]+ \| .*$", page, re.MULTILINE) == rows
