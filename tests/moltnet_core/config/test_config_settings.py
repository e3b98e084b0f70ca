"""``setting``, ``describe``, ``redact`` and ``build_settings``."""

from __future__ import annotations

import logging
import math
import pickle
from pathlib import Path
from typing import Any

import attrs
import pytest

from moltnet_core.config import (
    HIDDEN,
    Origin,
    RawValue,
    StorageConfig,
    build_settings,
    describe,
    redact,
    setting,
    settings_from_config,
)
from moltnet_core.errors import ConfigError


def build(cls: type[Any], origin: Origin = Origin.FILE, **values: object) -> Any:
    layer = {name: RawValue(value, "here", f"at.{name}", origin) for name, value in values.items()}
    return build_settings(cls, layer, kind="mydb", base=Path("/base"))


def test_defaults_with_absolute_paths(file_settings: type[Any]) -> None:
    settings = build(file_settings)
    assert settings.path == Path("/base/.moltnet/moltnet.db")
    assert (settings.busy_timeout, settings.pages, settings.sync) == (5.0, 100, True)


@pytest.mark.parametrize("origin", [Origin.ENVIRONMENT, Origin.URL])
@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("sync", "true", True),
        ("sync", "YES", True),
        ("sync", "1", True),
        ("sync", "False", False),
        ("sync", "no", False),
        ("sync", "0", False),
        ("pages", "7", 7),
        ("pages", "+7", 7),
        ("busy_timeout", "0", 0.0),
        ("busy_timeout", "2.5", 2.5),
        ("busy_timeout", "1e2", 100.0),
        ("level", "normal", "normal"),
        ("label", "8", "8"),
        ("tags", "a, b,,c", ("a", "b", "c")),
        ("path", "/x/y.db", Path("/x/y.db")),
        ("path", "y.db", Path("/base/y.db")),
    ],
)
def test_texts_are_parsed(file_settings: type[Any], origin: Origin, name: str, text: str, value: object) -> None:
    found = getattr(build(file_settings, origin, **{name: text}), name)
    assert found == value
    assert type(found) is type(value) or isinstance(found, Path)


@pytest.mark.parametrize("origin", [Origin.ENVIRONMENT, Origin.URL])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sync", "on"),
        ("sync", "2"),
        ("pages", "7.0"),
        ("pages", "1_000"),
        ("pages", "٣"),
        ("pages", "0"),
        ("pages", "9" * 5000),
        ("busy_timeout", "nan"),
        ("busy_timeout", "inf"),
        ("busy_timeout", "1e999"),
        ("busy_timeout", "5s"),
        ("busy_timeout", "-1"),
        ("busy_timeout", "3601"),
        ("level", "none"),
        ("label", "a\0b"),
        ("label", "a\udc80b"),
        ("path", "a\0b"),
        ("path", "a\udcffb"),
        ("path", ":memory:"),
    ],
)
def test_bad_texts_are_refused(file_settings: type[Any], origin: Origin, name: str, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build(file_settings, origin, **{name: text})
    assert caught.value.key == f"at.{name}"
    assert caught.value.source == "here"


@pytest.mark.parametrize("origin", [Origin.FILE, Origin.CODE])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pages", "7"),
        ("pages", True),
        ("pages", 7.0),
        ("pages", [7]),
        ("busy_timeout", "5"),
        ("busy_timeout", True),
        ("busy_timeout", math.nan),
        ("busy_timeout", math.inf),
        ("busy_timeout", 10**400),
        ("sync", "true"),
        ("sync", 1),
        ("level", 3),
        ("label", 3),
        ("label", {"a": 1}),
        ("path", 3),
        ("path", True),
        ("path", b"x.db"),
        ("path", []),
        ("tags", "a"),
        ("tags", ["a", 1]),
        ("tags", ["a\0"]),
    ],
)
def test_typed_values_are_strict(file_settings: type[Any], origin: Origin, name: str, value: object) -> None:
    with pytest.raises(ConfigError) as caught:
        build(file_settings, origin, **{name: value})
    assert caught.value.key == f"at.{name}"


@pytest.mark.parametrize("origin", [Origin.FILE, Origin.CODE])
def test_typed_values(file_settings: type[Any], origin: Origin) -> None:
    settings = build(file_settings, origin, busy_timeout=3, tags=["a"], path="x.db", sync=False)
    assert (settings.busy_timeout, settings.tags, settings.sync) == (3.0, ("a",), False)
    assert type(settings.busy_timeout) is float
    assert settings.path == Path("/base/x.db")


def test_an_integer_without_bounds_may_be_big() -> None:
    @attrs.frozen
    class Big:
        number: int = setting(0, help="Any")

    hints = {"number": int}
    Big.__annotations__.update(hints)
    assert build(Big, number=10**400).number == 10**400


def test_a_path_object_from_code(file_settings: type[Any]) -> None:
    assert build(file_settings, Origin.CODE, path=Path("a/b")).path == Path("/base/a/b")


@pytest.mark.parametrize("blank", ["", "  ", "\t\n", None])
@pytest.mark.parametrize("origin", [Origin.ENVIRONMENT, Origin.FILE])
def test_blank_is_unset(file_settings: type[Any], origin: Origin, blank: str | None) -> None:
    assert build(file_settings, origin, pages=blank, path=blank) == build(file_settings)


@pytest.mark.parametrize("origin", [Origin.URL, Origin.CODE])
def test_an_empty_path_is_refused_where_blank_is_not_unset(file_settings: type[Any], origin: Origin) -> None:
    with pytest.raises(ConfigError) as caught:
        build(file_settings, origin, path="")
    assert caught.value.key == "at.path"


def test_white_space_belongs_to_a_value_in_a_url_only(file_settings: type[Any]) -> None:
    assert build(file_settings, Origin.ENVIRONMENT, path=" a b ").path.name == "a b"
    assert build(file_settings, Origin.URL, path=" a b ").path.name == " a b "


def test_later_layers_win_key_by_key(file_settings: type[Any]) -> None:
    low = {
        "pages": RawValue(1, "file", "pages", Origin.FILE),
        "label": RawValue("low", "file", "label", Origin.FILE),
    }
    high = {
        "pages": RawValue("2", "environment", "PAGES", Origin.ENVIRONMENT),
        "label": RawValue(" ", "environment", "LABEL", Origin.ENVIRONMENT),
    }
    settings = build_settings(file_settings, low, high, kind="mydb")
    assert (settings.pages, settings.label) == (2, "low")


def test_a_hidden_value_is_checked_too(file_settings: type[Any]) -> None:
    low = {"pages": RawValue("one", "file", "storage.mydb.pages", Origin.FILE)}
    high = {"pages": RawValue("2", "environment", "PAGES", Origin.ENVIRONMENT)}
    with pytest.raises(ConfigError, match=r"storage\.mydb\.pages"):
        build_settings(file_settings, low, high, kind="mydb")


def test_an_unknown_name_says_what_exists(file_settings: type[Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        build(file_settings, busy_timeot=1)
    assert caught.value.key == "at.busy_timeot"
    assert "'busy_timeout'" in str(caught.value)
    assert "pages" in str(caught.value)


def test_a_class_without_settings(no_settings: type[Any]) -> None:
    assert build(no_settings) == no_settings()
    with pytest.raises(ConfigError):
        build(no_settings, path="x")


def test_a_required_setting(dsn_settings: type[Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        build(dsn_settings, dsn="  ")
    assert caught.value.key == "dsn"
    with pytest.raises(ConfigError) as caught:
        build_settings(dsn_settings, kind="mydb", section="storage.mydb")
    assert caught.value.key == "storage.mydb.dsn"
    assert "MOLTNET_MYDB_DSN" in str(caught.value)


@pytest.mark.parametrize("value", [["hunter2"], {"hunter2": 1}, "hunter2\0", "hunter2\udc80"])
def test_no_error_quotes_a_secret(dsn_settings: type[Any], value: object) -> None:
    for name in ("dsn", "schema", "pool_size", "token"):
        with pytest.raises(ConfigError) as caught:
            build(dsn_settings, Origin.FILE, **{"dsn": "x", name: value})
        assert "hunter2" not in f"{caught.value}{caught.value!r}{caught.value.__dict__}"
        assert caught.value.__context__ is None


def test_checks() -> None:
    def explode(value: str) -> str | None:
        raise ValueError(value)

    @attrs.frozen
    class Checked:
        even: int = setting(0, help="Even", check=lambda number: "expected an even number" if number % 2 else None)
        text: str = setting("", help="Text", check=explode)

    Checked.__annotations__.update(even=int, text=str)
    assert build(Checked, even=2).even == 2
    with pytest.raises(ConfigError, match="expected an even number"):
        build(Checked, even=3)
    with pytest.raises(ConfigError) as caught:
        build(Checked, text="hunter2")
    assert "hunter2" not in str(caught.value)


def test_what_only_the_server_understands(file_settings: type[Any], caplog: pytest.LogCaptureFixture) -> None:
    text = "/data/a.db?_pragma=key(hunter2)"
    for origin in (Origin.ENVIRONMENT, Origin.FILE):
        caplog.clear()
        assert build(file_settings, origin, path=text).path == Path("/data/a.db")
        assert [record.levelno for record in caplog.records] == [logging.WARNING]
        assert "at.path" in caplog.text
        assert "hunter2" not in caplog.text
    caplog.clear()
    for origin in (Origin.URL, Origin.CODE):
        assert build(file_settings, origin, path=text).path == Path(text)
    assert not caplog.records
    with pytest.raises(ConfigError):
        build(file_settings, Origin.ENVIRONMENT, path="?mode=memory")


def test_only_the_value_that_counts_is_warned_of(file_settings: type[Any], caplog: pytest.LogCaptureFixture) -> None:
    low = {"path": RawValue("a.db?x", "file", "path", Origin.FILE)}
    high = {"path": RawValue("b.db", "environment", "PATH", Origin.ENVIRONMENT)}
    assert build_settings(file_settings, low, high, kind="mydb").path.name == "b.db"
    assert not caplog.records


def test_secrets_are_not_shown(dsn_settings: type[Any], dsn: str, secret: str) -> None:
    settings = build(dsn_settings, dsn=dsn, token=secret)
    assert settings.dsn == dsn
    assert secret not in repr(settings)
    assert redact(settings) == {
        "dsn": f"postgres://ann:{HIDDEN}@db.example:5432/moltnet",
        "schema": "public",
        "pool_size": 5,
        "token": HIDDEN,
    }
    assert redact(build(dsn_settings, dsn="host=x password=hunter2"))["dsn"] == HIDDEN
    assert redact(build(dsn_settings, dsn="x"))["token"] is None
    assert pickle.loads(pickle.dumps(settings)) == settings


def test_redaction_never_fails() -> None:
    def explode(value: str) -> str:
        raise ValueError(value)

    @attrs.frozen
    class Odd:
        text: str = setting("", help="Text", secret=True, redact=explode)

    assert redact(Odd()) == {"text": HIDDEN}


def test_redact_gives_json_types(file_settings: type[Any]) -> None:
    shown = redact(build(file_settings, tags=["a"], path="/x/a.db"))
    assert shown["path"] == "/x/a.db"
    assert shown["tags"] == ["a"]


def test_describe(dsn_settings: type[Any], file_settings: type[Any]) -> None:
    by_name = {item.name: item for item in describe(file_settings, "sqlite")}
    timeout = by_name["busy_timeout"]
    assert (timeout.default, timeout.unit, timeout.minimum, timeout.maximum) == (5.0, "s", 0, 3600)
    assert timeout.variable == "MOLTNET_SQLITE_BUSY_TIMEOUT"
    assert timeout.help == "Wait for a lock"
    assert not timeout.required
    assert by_name["level"].choices == ("full", "normal")
    assert by_name["path"].default == str(Path(".moltnet/moltnet.db"))
    dsn = describe(dsn_settings)[0]
    assert dsn.required
    assert dsn.secret
    assert dsn.default is None
    assert dsn.variable is None
    assert len({item.type for item in by_name.values()}) == 6


def test_describe_a_default_that_is_made() -> None:
    @attrs.frozen
    class Made:
        tags: tuple[str, ...] = setting(attrs.Factory(lambda: ("a",)), help="Tags")

    assert describe(Made)[0].default == ["a"]


def test_a_type_that_no_setting_can_have() -> None:
    @attrs.frozen
    class Odd:
        value: Any = setting(None, help="Odd")

    Odd.__annotations__["value"] = dict
    with pytest.raises(TypeError, match=r"Odd\.value"):
        describe(Odd)


def test_settings_from_config(file_settings: type[Any], dsn_settings: type[Any], secret: str) -> None:
    config = StorageConfig(kind="sqlite", settings={"path": "chat.db", "label": None, "sync": False})
    settings = settings_from_config(file_settings, config, Path("/base"))
    assert (settings.path, settings.label, settings.sync) == (Path("/base/chat.db"), None, False)
    with pytest.raises(ConfigError) as caught:
        settings_from_config(file_settings, StorageConfig("sqlite", {"pth": "x"}))
    assert caught.value.key == "settings.pth"
    with pytest.raises(ConfigError):
        settings_from_config(dsn_settings, StorageConfig("postgres"))
    assert secret not in repr(StorageConfig("postgres", {"dsn": secret}))


def test_relative_paths_are_relative_to_the_working_directory(
    file_settings: type[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert settings_from_config(file_settings, StorageConfig("sqlite", {"path": "a.db"})).path == tmp_path / "a.db"


def test_without_a_working_directory_a_relative_path_is_refused(
    file_settings: type[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone() -> Path:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "cwd", gone)
    with pytest.raises(ConfigError):
        settings_from_config(file_settings, StorageConfig("sqlite", {"path": "a.db"}))
    assert settings_from_config(file_settings, StorageConfig("sqlite", {"path": "/a.db"})).path == Path("/a.db")


def test_a_storage_config_is_its_own(file_settings: type[Any]) -> None:
    given = {"path": "a.db"}
    config = StorageConfig("sqlite", given)
    given["path"] = "b.db"
    assert config.settings == {"path": "a.db"}
    assert pickle.loads(pickle.dumps(config)) == config


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        ({"kind": 3}, "kind"),
        ({"kind": "postgres://u:hunter2@h"}, "kind"),
        ({"kind": "SQLite"}, "kind"),
        ({"kind": ""}, "kind"),
        ({"kind": "a", "settings": ["hunter2"]}, "settings"),
        ({"kind": "a", "settings": "hunter2"}, "settings"),
        ({"kind": "a", "read_only": "yes"}, "read_only"),
    ],
)
def test_a_wrong_storage_config(arguments: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        StorageConfig(**arguments)
    assert caught.value.key == key
    assert "hunter2" not in str(caught.value)


def test_setting_names_have_to_be_texts(file_settings: type[Any]) -> None:
    with pytest.raises(ConfigError):
        settings_from_config(file_settings, StorageConfig("sqlite", {1: "x"}))
