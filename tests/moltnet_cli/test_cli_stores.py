"""Which store a command opens, ``info``, ``backends``, and that looking never creates or changes one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from tests.privileges import run_unprivileged

from moltnet_core import StoreUnavailableError, open_store

Invoke = Callable[..., Result]
Objects = Callable[..., list[dict[str, Any]]]

LOOKING = [
    ("info",),
    ("migrate", "status"),
    ("migrate", "plan"),
    ("rooms", "list"),
    ("rooms", "members", "general"),
    ("agents", "list"),
    ("threads", "general"),
    ("dms",),
    ("artifacts",),
    ("read", "room:general"),
    ("tail", "room:general"),
    ("tail", "room:general", "--no-follow"),
]


@pytest.mark.parametrize("args", LOOKING)
def test_looking_at_nothing_creates_nothing(invoke: Invoke, path: Path, args: tuple[str, ...]) -> None:
    result = invoke(*args, code=3)
    assert str(path) in result.stderr
    assert not list(Path.cwd().iterdir())


@pytest.mark.parametrize("args", [args for args in LOOKING if args != ("tail", "room:general")])
def test_looking_changes_nothing(invoke: Invoke, filled: Path, args: tuple[str, ...]) -> None:
    before = filled.read_bytes(), filled.stat().st_mtime_ns
    invoke(*args)
    assert (filled.read_bytes(), filled.stat().st_mtime_ns) == before


@pytest.mark.parametrize(
    "args", [("rooms", "remove", "x", "--yes"), ("rooms", "members", "x", "--add", "y"), ("agents", "remove", "x")]
)
@pytest.mark.parametrize("options", [[], ["--dry-run"]])
def test_what_needs_a_store_creates_none(invoke: Invoke, args: tuple[str, ...], options: list[str]) -> None:
    invoke(*args, *options, code=3)
    assert not list(Path.cwd().iterdir())


def test_a_path_without_a_store_says_what_to_do(invoke: Invoke) -> None:
    error = invoke("--store", "sqlite:///no such.db", "rooms", "list", code=3).stderr
    assert "check the path" in error
    assert "moltnet-storage --store 'sqlite:///no such.db' migrate up" in error
    assert '"moltnet-storage migrate up"' in invoke("rooms", "list", code=3).stderr
    Path("mine.yaml").write_text("")
    assert (
        '"moltnet-storage --config mine.yaml migrate up"'
        in invoke("--config", "mine.yaml", "rooms", "list", code=3).stderr
    )


def test_a_file_that_is_no_database(invoke: Invoke, path: Path) -> None:
    path.parent.mkdir()
    path.write_text("hello " * 1000)
    invoke("rooms", "list", code=3)
    invoke("rooms", "create", "x", code=3)
    assert path.read_text() == "hello " * 1000


def test_a_directory_in_the_way(invoke: Invoke, path: Path) -> None:
    path.mkdir(parents=True)
    invoke("rooms", "list", code=2)


def test_memory_is_always_empty(invoke: Invoke) -> None:
    assert invoke("--store", "memory://", "rooms", "list").stderr == "no rooms\n"
    invoke("--store", "memory://", "rooms", "create", "x")


def test_a_read_only_url(invoke: Invoke, filled: Path) -> None:
    url = f"sqlite:///{filled}?mode=ro"
    invoke("--store", url, "rooms", "list")
    before = filled.read_bytes()
    assert "mode=ro" in invoke("--store", url, "send", "room:general", "x", "--from", "bob", code=2).stderr
    assert "mode=ro" in invoke("--store", url, "migrate", "up", code=2).stderr
    assert filled.read_bytes() == before


def test_the_option_wins_over_the_configuration(objects: Objects, invoke: Invoke, filled: Path) -> None:
    Path("moltnet.toml").write_text('[storage]\nkind = "sqlite"\n[storage.sqlite]\npath = "other.db"\n')
    invoke("rooms", "list", code=3)
    invoke("rooms", "create", "elsewhere")
    assert [room["id"] for room in objects("rooms", "list")] == ["elsewhere"]
    assert len(objects("--store", f"sqlite:///{filled}", "rooms", "list")) == 2


def test_looking_by_url_does_not_read_the_file(invoke: Invoke, filled: Path) -> None:
    Path("moltnet.toml").write_text("not [ toml")
    url = f"sqlite:///{filled}"
    invoke("--store", url, "rooms", "list")
    assert "moltnet.toml" in invoke("rooms", "list", code=2).stderr
    assert "moltnet.toml" in invoke("--store", url, "rooms", "create", "x", code=2).stderr


def test_a_named_configuration_file(objects: Objects, filled: Path) -> None:
    Path("mine.yaml").write_text(f"storage:\n  kind: sqlite\n  sqlite:\n    path: {filled}\nnetwork:\n  id: net\n")
    (info,) = objects("--config", "mine.yaml", "info")
    assert info["config_file"] == "mine.yaml"
    assert info["network"] == "net"
    assert info["chosen_by"] == "mine.yaml: storage.kind"
    assert info["settings"]["path"] == {"value": str(filled), "source": "mine.yaml: storage.sqlite.path"}


def test_info(invoke: Invoke, objects: Objects, filled: Path) -> None:
    (info,) = objects("info")
    assert info["backend"]["name"] == "sqlite"
    assert info["backend"]["distribution"] == "moltnet-sqlite"
    assert info["chosen_by"] == "default"
    assert info["counts"]["messages"] == 9
    assert info["schema"]["moltnet"] == {"applied": 8, "known": 8}
    assert info["store"]["engine"].startswith("SQLite")
    assert info["pending"] == []
    text = invoke("info").stdout
    for part in ("SQLite", str(filled), "messages", "version 8 of 8"):
        assert part in text


def test_info_says_where_settings_come_from(objects: Objects, filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOLTNET_SQLITE_PATH", str(filled))
    monkeypatch.setenv("MOLTNET_SQLITE_BUSY_TIMEOUT", "2")
    (info,) = objects("info")
    assert info["chosen_by"] == "environment: MOLTNET_SQLITE_PATH"
    assert info["settings"]["busy_timeout"] == {"value": 2.0, "source": "environment: MOLTNET_SQLITE_BUSY_TIMEOUT"}
    (info,) = objects("--store", f"sqlite:///{filled}?synchronous=normal", "info")
    assert info["settings"]["synchronous"] == {"value": "normal", "source": "--store"}
    assert info["settings"]["busy_timeout"] == {"value": 5.0, "source": "default"}


def test_info_shows_the_configuration_of_a_store_that_is_not_there(objects: Objects, path: Path) -> None:
    (info,) = objects("info", code=3)
    assert info["settings"]["path"]["value"] == str(path)
    assert "no store" in info["error"]


def test_info_lists_warnings(objects: Objects, invoke: Invoke, filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOLTNET_SQLITE_PATH", f"{filled}?_pragma=x")
    (info,) = objects("info")
    assert "ignored" in info["warnings"][0]
    assert "warning: " in invoke("info").stderr
    assert invoke("rooms", "list").stderr.count("warning: ") == 1


def test_backends(invoke: Invoke, objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {row["name"]: row for row in objects("backends")}
    assert found["sqlite"]["distribution"] == "moltnet-sqlite"
    assert "read_only" in found["sqlite"]["capabilities"]
    assert found["memory"]["durability"].startswith("ephemeral")
    assert "moltnet-sqlite" in invoke("backends").stdout


def test_a_broken_backend_is_a_row(
    invoke: Invoke, objects: Objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    metadata = site / "broken_backend-1.2.dist-info"
    metadata.mkdir(parents=True)
    (site / "broken_backend.py").write_text("raise RuntimeError('out of \\x1b[31morder')")
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-backend\nVersion: 1.2\n")
    (metadata / "entry_points.txt").write_text("[moltnet.storage]\nbroken = broken_backend\n")
    monkeypatch.syspath_prepend(site)
    found = {row["name"]: row for row in objects("backends")}
    assert "out of" in found["broken"]["error"]
    assert found["broken"]["version"] == "1.2"
    assert "error" not in found["sqlite"]
    assert "\x1b" not in invoke("backends").stdout
    invoke("--store", "broken://", "rooms", "list", code=2)


def test_a_plugin_that_keeps_the_store_from_opening(
    invoke: Invoke, filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise RuntimeError("not today")

    monkeypatch.setattr("moltnet_core.open_store", refuse)
    assert "not today" in invoke("rooms", "list", code=3).stderr


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    command = "from moltnet_cli.app import main; main()"
    ran = run_unprivileged(command, "--store", "sqlite:///locked/chat.db", "rooms", "create", "x", cwd=tmp_path)
    assert ran.returncode == 3, ran.stderr
    assert ran.stderr.startswith("error: ")
    assert list((tmp_path / "locked").iterdir()) == []


def test_an_error_while_open_is_not_an_error_of_opening(filled: Path) -> None:
    with open_store(read_only=True) as store, pytest.raises(StoreUnavailableError):
        raise StoreUnavailableError(str(store))
