"""Precedence of environment and file, and what is refused."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from moltnet_core.config import ResolvedConfig, resolve_config
from moltnet_core.errors import BackendNotFoundError, ConfigError

Resolve = Callable[..., ResolvedConfig]


def error_of(resolve: Resolve, text: str | None = None, **environ: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        resolve(text, **environ)
    return caught.value


def key_of(error: ConfigError) -> object:
    return error.__dict__["key"]


def test_nothing_is_sqlite(resolve: Resolve, tmp_path: Path) -> None:
    found = resolve()
    assert (found.kind, found.file, found.network_id, found.rooms) == ("sqlite", None, "local", ())
    assert found.settings.path == tmp_path / ".moltnet/moltnet.db"
    assert set(found.sources.values()) == {"default"}


def test_the_file_s_kind_and_settings(resolve: Resolve, tmp_path: Path) -> None:
    found = resolve("storage:\n  kind: sqlite\n  sqlite:\n    path: chat.db\n    busy_timeout: 2\n")
    assert (found.settings.path, found.settings.busy_timeout) == (tmp_path / "chat.db", 2.0)
    assert found.file == tmp_path / "moltnet.yaml"
    assert "storage.sqlite.path" in found.sources["path"]
    assert found.sources["pages"] == "default"
    assert resolve("storage: {kind: memory}").kind == "memory"
    assert resolve("storage: {kind: json, json: {path: /d.json}}").settings.path == Path("/d.json")


# Rule by rule: each thing that can choose a kind, strongest first.
CHOOSERS: list[tuple[str, dict[str, str], str]] = [
    ("memory", {"MOLTNET_STORAGE_KIND": "memory"}, ""),
    ("postgres", {"MOLTNET_POSTGRES_DSN": "postgres://h/d"}, ""),
    ("sqlite", {"MOLTNET_SQLITE_PATH": "env.db"}, ""),
    ("json", {"MOLTNET_DATA_PATH": "env-data.json"}, ""),
    ("json", {"MOLTNET_JSON_PATH": "env-json.json"}, ""),
    ("memory", {}, "storage: {kind: memory}\n"),
    ("json", {}, "server: {data_path: file-data.json}\n"),
    ("sqlite", {}, ""),
]


@pytest.mark.parametrize(("stronger", "weaker"), list(itertools.combinations(range(len(CHOOSERS)), 2)))
def test_what_chooses_the_kind(resolve: Resolve, stronger: int, weaker: int) -> None:
    kind, environ, text = CHOOSERS[stronger]
    _, weaker_environ, weaker_text = CHOOSERS[weaker]
    assert resolve(text + weaker_text, **weaker_environ, **environ).kind == kind


def test_the_json_path(resolve: Resolve) -> None:
    both = "server: {data_path: /data}\nstorage: {json: {path: /json}}\n"
    assert resolve(both).settings.path == Path("/data")
    assert resolve(both).sources["path"].endswith("server.data_path")
    assert resolve(both, MOLTNET_STORAGE_KIND="json").settings.path == Path("/data")
    assert resolve(both, MOLTNET_JSON_PATH="/env").settings.path == Path("/env")
    assert resolve(both, MOLTNET_JSON_PATH="/env", MOLTNET_DATA_PATH="/old").settings.path == Path("/old")
    kind = "server: {data_path: /data}\nstorage: {kind: json, json: {path: /json}}\n"
    assert resolve(kind).settings.path == Path("/json")
    assert resolve("server: {data_path: /data}\nstorage: {kind: sqlite}\n").kind == "sqlite"
    assert resolve("server: {data_path: '  '}\n").kind == "sqlite"
    assert key_of(error_of(resolve, "server: {data_path: [1]}\n")) == "server.data_path"


def test_environment_over_file_key_by_key(resolve: Resolve, tmp_path: Path) -> None:
    text = "storage: {kind: sqlite, sqlite: {path: file.db, pages: 7, label: file}}"
    found = resolve(text, MOLTNET_SQLITE_PATH="env.db", MOLTNET_SQLITE_LABEL=" ", MOLTNET_SQLITE_SYNC="no")
    assert found.settings.path == tmp_path / "env.db"
    assert (found.settings.pages, found.settings.label, found.settings.sync) == (7, "file", False)
    assert found.sources["path"] == "environment: MOLTNET_SQLITE_PATH"
    assert found.sources["label"].endswith("storage.sqlite.label")


def test_a_path_in_the_environment_wins_over_the_file_s_kind(resolve: Resolve, dsn: str) -> None:
    found = resolve("storage: {kind: sqlite, sqlite: {path: a.db}, postgres: {pool_size: 2}}", MOLTNET_POSTGRES_DSN=dsn)
    assert (found.kind, found.settings.dsn, found.settings.pool_size) == ("postgres", dsn, 2)
    assert found.kind_source == "environment: MOLTNET_POSTGRES_DSN"


@pytest.mark.parametrize("section", ["postgres: {dsn: x}", "json: {path: x}", "memory: {}", "json: {path: ''}"])
def test_a_section_without_a_kind(resolve: Resolve, section: str) -> None:
    text = f"storage:\n  {section}\n"
    error = error_of(resolve, text)
    assert key_of(error) == "storage.kind"
    assert section.split(":")[0] in str(error)
    assert resolve(text, MOLTNET_STORAGE_KIND="sqlite").kind == "sqlite"
    assert resolve(text, MOLTNET_SQLITE_PATH="a.db").kind == "sqlite"
    error_of(resolve, f"storage:\n  sqlite: {{path: a.db}}\n  {section}\n")


def test_sections_that_are_fine_without_a_kind(resolve: Resolve) -> None:
    assert resolve("storage: {sqlite: {path: /a.db}}").settings.path == Path("/a.db")
    assert resolve("storage:\n  postgres:\n").kind == "sqlite"
    assert resolve("storage:\n").kind == "sqlite"
    assert resolve("network: {id: n}\n").kind == "sqlite"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("storage: {kind: sqlite, sqlite: {pth: a}}", "storage.sqlite.pth"),
        ("storage: {kind: sqlite, sqlite: {path: 3}}", "storage.sqlite.path"),
        ("storage: {kind: sqlite, sqlite: {path: [hunter2]}}", "storage.sqlite.path"),
        ("storage: {kind: sqlite, sqlite: {busy_timeout: '5'}}", "storage.sqlite.busy_timeout"),
        ("storage: {kind: sqlite, sqlite: {1: a}}", "storage.sqlite"),
        ("storage: {kind: sqlite, sqlite: hunter2}", "storage.sqlite"),
        ("storage: {kind: sqlite, sqlite: [hunter2]}", "storage.sqlite"),
        ("storage: {kind: sqlite, sqllite: {path: a}}", "storage.sqllite"),
        ("storage: {sqllite: {path: a}}", "storage.sqllite"),
        ("storage: {kind: sqlite, 3: a}", "storage.(not a name)"),
        ("storage: {kind: sqlite, 'postgres://u:hunter2@h': a}", "storage.(not a name)"),
        ("storage: {kind: 3}", "storage.kind"),
        ("storage: {kind: [sqlite]}", "storage.kind"),
        ("storage: {kind: 'postgres://u:hunter2@h/d'}", "storage.kind"),
        ("storage: {kind: SQLite}", "storage.kind"),
        ("storage: hunter2", "storage"),
        ("storage: [hunter2]", "storage"),
        ("storage: {kind: postgres}", "storage.postgres.dsn"),
        ("storage: {kind: postgres, postgres: {dsn: ''}}", "storage.postgres.dsn"),
        ("storage: {kind: postgres, postgres: 'postgres://u:hunter2@h/d'}", "storage.postgres"),
        ("storage: {kind: memory, memory: {size: 3}}", "storage.memory.size"),
        ("network: {id: 3}", "network.id"),
        ("network: [a]", "network"),
    ],
)
def test_a_wrong_file(resolve: Resolve, tmp_path: Path, text: str, key: str) -> None:
    error = error_of(resolve, text)
    assert key_of(error) == key
    assert "hunter2" not in f"{error}{error.__dict__}"
    assert error.__dict__["source"] == str(tmp_path / "moltnet.yaml")


@pytest.mark.parametrize(
    ("environ", "key"),
    [
        ({"MOLTNET_SQLITE_PTH": "a"}, "MOLTNET_SQLITE_PTH"),
        ({"MOLTNET_SQLITE_": "a"}, "MOLTNET_SQLITE_"),
        ({"MOLTNET_SQLITE_BUSY_TIMEOUT": "hunter2"}, "MOLTNET_SQLITE_BUSY_TIMEOUT"),
        ({"MOLTNET_SQLITE_PATH": "a\udcff"}, "MOLTNET_SQLITE_PATH"),
        ({"MOLTNET_SQLITE_PATH": ":memory:"}, "MOLTNET_SQLITE_PATH"),
        ({"MOLTNET_STORAGE_KIND": "postgres://u:hunter2@h"}, "MOLTNET_STORAGE_KIND"),
        ({"MOLTNET_CONFIG": "gone.yaml"}, "MOLTNET_CONFIG"),
        ({"MOLTNET_NETWORK_ID": "a\udcff"}, "MOLTNET_NETWORK_ID"),
        ({"MOLTNET_STORAGE_KIND": "postgres"}, "storage.postgres.dsn"),
        ({"MOLTNET_STORAGE_KIND": "postgres", "MOLTNET_POSTGRES_DSM": "hunter2"}, "MOLTNET_POSTGRES_DSM"),
    ],
)
def test_a_wrong_environment(resolve: Resolve, environ: dict[str, str], key: str) -> None:
    error = error_of(resolve, **environ)
    assert key_of(error) == key
    assert "hunter2" not in f"{error}{error.__dict__}"


def test_variables_that_are_nobody_s_concern(resolve: Resolve) -> None:
    found = resolve(
        MOLTNET_SQLITE_PTH=" ",
        MOLTNET_LISTEN_ADDR=":8787",
        MOLTNET_POSTGRES_NONSENSE="x",
        MOLTNET_STORAGE_KIND="",
        MOLTNET_CONFIG="",
        SQLITE_PATH="x",
    )
    assert (found.kind, set(found.sources.values())) == ("sqlite", {"default"})


def test_sections_of_other_backends_are_not_read(resolve: Resolve) -> None:
    text = "storage: {kind: sqlite, postgres: {nonsense: [1]}, json: 3, memory: x}"
    assert resolve(text).kind == "sqlite"


def test_the_server_s_sections_are_known_without_their_backends(resolve: Resolve) -> None:
    only = ("sqlite",)
    assert resolve("storage: {kind: sqlite, postgres: {dsn: x}}", installed=only).kind == "sqlite"
    for text in ("storage: {kind: sqlite, memory: {}}", "storage: {postgres: {dsn: x}}"):
        with pytest.raises(ConfigError):
            resolve(text, installed=only)


def test_a_backend_that_is_not_installed(resolve: Resolve) -> None:
    for text, environ in (
        ("storage: {kind: lmdb, lmdb: {path: x}}", {}),
        (None, {"MOLTNET_STORAGE_KIND": "lmdb", "MOLTNET_LMDB_PATH": "x"}),
    ):
        with pytest.raises(BackendNotFoundError):
            resolve(text, **environ)


def test_the_network(resolve: Resolve) -> None:
    assert resolve("network: {id: ' home '}").network_id == "home"
    assert resolve("network: {id: home}", MOLTNET_NETWORK_ID="env").network_id == "env"
    assert resolve("network: {id: home}", MOLTNET_NETWORK_ID=" ").network_id == "home"
    assert resolve("network: {id: ''}").network_id == "local"
    assert resolve("network:\n").network_id == "local"


def test_declared_rooms(resolve: Resolve) -> None:
    text = "rooms: [{id: general, members: [a]}, {id: ' ops '}, {name: x}, 3, {id: [4]}, {id: general}]"
    assert resolve(text).rooms == ("general", "ops")
    assert resolve("rooms: general").rooms == ()


def test_a_server_s_whole_file(resolve: Resolve, tmp_path: Path) -> None:
    text = """
version: moltnet.v1
network: {id: home, name: Home}
server: {listen_addr: ":8787", human_ingress: true}
auth: {mode: bearer, tokens: [{id: a, value: hunter2, scopes: [observe]}]}
storage: {kind: sqlite, sqlite: {path: .moltnet/moltnet.db}}
rooms: [{id: general, members: [a]}]
pairings: []
"""
    found = resolve(text, name="Moltnet")
    assert (found.kind, found.network_id, found.rooms) == ("sqlite", "home", ("general",))
    assert found.settings.path == tmp_path / ".moltnet/moltnet.db"
    assert "hunter2" not in repr(found)


def test_the_server_s_driver_options(resolve: Resolve, caplog: pytest.LogCaptureFixture) -> None:
    assert resolve(MOLTNET_SQLITE_PATH="/a.db?_pragma=busy_timeout(5)").settings.path == Path("/a.db")
    assert "MOLTNET_SQLITE_PATH" in caplog.text
    caplog.clear()
    assert resolve("storage: {kind: sqlite, sqlite: {path: '/a.db?x=1'}}").settings.path == Path("/a.db")
    assert "storage.sqlite.path" in caplog.text


def test_named_config_files(resolve: Resolve, tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text('[storage]\nkind = "memory"\n')
    text = "storage: {kind: json}"
    assert resolve(text).kind == "json"
    assert resolve(text, MOLTNET_CONFIG="other.toml").kind == "memory"
    assert resolve(text, config_file=str(tmp_path / "other.toml"), MOLTNET_CONFIG="gone").kind == "memory"


@pytest.mark.parametrize("kind", ["postgres", "sqlite"])
def test_a_dsn_that_others_may_read(
    resolve: Resolve, tmp_path: Path, caplog: pytest.LogCaptureFixture, dsn: str, secret: str, kind: str
) -> None:
    text = f"storage: {{kind: {kind}, postgres: {{dsn: '{dsn}'}}}}"
    resolve(text)
    assert not caplog.records
    (tmp_path / "moltnet.yaml").chmod(0o640)
    resolve()
    (record,) = caplog.records
    assert (record.levelno, record.name) == (logging.WARNING, "moltnet_core.config")
    assert str(tmp_path / "moltnet.yaml") in caplog.text
    assert secret not in caplog.text


def test_no_warning_without_a_dsn(resolve: Resolve, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    resolve("storage: {kind: sqlite, sqlite: {path: a.db}, postgres: {dsn: ''}}")
    (tmp_path / "moltnet.yaml").chmod(0o644)
    resolve()
    assert not caplog.records


def test_secrets_are_in_no_repr(resolve: Resolve, dsn: str, secret: str) -> None:
    assert secret not in repr(resolve(MOLTNET_POSTGRES_DSN=dsn))


def test_the_process_s_own_environment_and_directory(
    resolve: Resolve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cls = type(resolve().settings)
    monkeypatch.chdir(tmp_path)
    for name in ("CONFIG", "STORAGE_KIND", "SQLITE_PATH", "POSTGRES_DSN", "JSON_PATH", "DATA_PATH"):
        monkeypatch.delenv(f"MOLTNET_{name}", raising=False)
    (tmp_path / "moltnet.toml").write_text('[storage.sqlite]\npath = "a.db"\n')
    found = resolve_config(installed=["sqlite"], settings_class=lambda _: cls)
    assert found.settings.path == tmp_path / "a.db"
