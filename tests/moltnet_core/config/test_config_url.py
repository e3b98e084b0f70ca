"""Store URLs: parsing, from_url functions, redaction."""

from __future__ import annotations

import pickle
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from moltnet_core.config import (
    bare_url,
    dsn_url,
    file_url,
    parse_url,
    redact_url,
    settings_from_url,
)
from moltnet_core.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("sqlite:///relative.db", "relative.db"),
        ("sqlite:////absolute.db", "/absolute.db"),
        ("sqlite:///a/b%20c.db", "a/b c.db"),
        ("sqlite:///a b.db", "a b.db"),
        ("sqlite:///what%3F.db", "what?.db"),
        ("sqlite:///50%25.db", "50%.db"),
        ("sqlite:///a%23b.db", "a#b.db"),
        ("sqlite:///a+b.db", "a+b.db"),
        ("sqlite:///%C3%A9.db", "é.db"),
        ("sqlite:///é.db", "é.db"),
        ("SQLite:///a.db", "a.db"),
        ("sqlite:///C:/data/a.db", "C:/data/a.db"),
        ("sqlite:///a@b.db", "a@b.db"),
    ],
)
def test_file_urls(text: str, path: str) -> None:
    url = parse_url(text)
    assert url.scheme == "sqlite"
    assert file_url(url) == {"path": path}
    assert not url.read_only


def test_query_keys_are_settings_and_mode_is_the_core_s() -> None:
    url = parse_url("sqlite:///a.db?mode=ro&busy_timeout=5&label=a%26b+c&")
    assert url.read_only
    assert file_url(url) == {"path": "a.db", "busy_timeout": "5", "label": "a&b+c"}
    assert not parse_url("sqlite:///a.db?mode=rw").read_only


@pytest.mark.parametrize("text", ["sqlite://", "sqlite:///", "sqlite:///?mode=ro", "sqlite://foo.db", "sqlite://h/x"])
def test_a_file_url_has_a_path_and_no_host(text: str) -> None:
    with pytest.raises(ConfigError):
        file_url(parse_url(text))


def test_a_host_in_a_file_url_says_how_many_slashes() -> None:
    with pytest.raises(ConfigError, match=r"sqlite:///.*sqlite:////"):
        file_url(parse_url("sqlite://foo.db"))


def test_the_path_cannot_be_said_twice() -> None:
    with pytest.raises(ConfigError):
        file_url(parse_url("sqlite:///a.db?path=b.db"))
    with pytest.raises(ConfigError):
        dsn_url(parse_url("postgres://h/d?dsn=x"))


@pytest.mark.parametrize("text", ["sqlite:///:memory:", "sqlite:///%3Amemory%3A"])
def test_memory_is_another_backend(file_settings: type[Any], text: str) -> None:
    with pytest.raises(ConfigError, match="memory://"):
        settings_from_url(file_settings, parse_url(text), file_url)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "chat.db",
        "/data/chat.db",
        "sqlite:chat.db",
        "sqlite:/chat.db",
        "://x",
        "1db:///x",
        " sqlite:///x",
        "sqlite:///a.db#part",
        "sqlite:///a%zz.db",
        "sqlite:///a%.db",
        "sqlite:///a%4.db",
        "sqlite:///a%00.db",
        "sqlite:///a%FF.db",
        "sqlite:///a\0.db",
        "sqlite:///a\n.db",
        "sqlite:///a\udc80.db",
        "sqlite:///a.db?mode=rx",
        "sqlite:///a.db?mode=",
        "sqlite:///a.db?mode=RO",
        "sqlite:///a.db?mode",
        "sqlite:///a.db?mode=ro&mode=ro",
        "sqlite:///a.db?mode=ro&mod%65=rw",
        "sqlite:///a.db?pages=1&pages=2",
        "sqlite:///a.db?=1",
        "sqlite:///a.db?pages=%FF",
        "sqlite:///a.db?pages=%00",
    ],
)
def test_bad_urls(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_url(text)


@pytest.mark.parametrize("value", [None, 3, b"sqlite:///x", Path("x")])
def test_a_url_is_a_text(value: Any) -> None:
    with pytest.raises(ConfigError):
        parse_url(value)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_dsn_urls(dsn_settings: type[Any], scheme: str) -> None:
    text = f"{scheme}://ann:p%40w@host:5432/moltnet"
    assert dsn_url(parse_url(text)) == {"dsn": text}
    url = parse_url(text + "?schema=chat&mode=ro&sslmode=require&options=-c%20a%3Db&pool_size=3")
    assert url.read_only
    assert dsn_url(url) == {
        "dsn": text + "?schema=chat&sslmode=require&options=-c%20a%3Db&pool_size=3",
    }
    assert dsn_url(url, settings=dsn_settings) == {
        "dsn": text + "?sslmode=require&options=-c%20a%3Db",
        "schema": "chat",
        "pool_size": "3",
    }
    assert dsn_url(parse_url(text + "?mode=rw")) == {"dsn": text}


def test_a_dsn_url_with_several_hosts_or_a_socket() -> None:
    for text in ("postgres://a:1,b:2/d?target_session_attrs=any", "postgres:///d?host=/run/pg", "postgres://%2Frun/d"):
        assert dsn_url(parse_url(text)) == {"dsn": text}


def test_settings_from_url(dsn_settings: type[Any], file_settings: type[Any], dsn: str, secret: str) -> None:
    from_url = partial(dsn_url, settings=dsn_settings)
    settings = settings_from_url(dsn_settings, parse_url(dsn + "?pool_size=9"), from_url)
    assert (settings.dsn, settings.pool_size) == (dsn, 9)
    with pytest.raises(ConfigError) as caught:
        settings_from_url(dsn_settings, parse_url(dsn + "?pool_size=many"), from_url)
    assert caught.value.key == "pool_size"
    assert secret not in f"{caught.value}{caught.value.__dict__}"
    with pytest.raises(ConfigError) as caught:
        settings_from_url(file_settings, parse_url("sqlite:///a.db?busytimeout=1"), file_url)
    assert caught.value.key == "busytimeout"
    assert "'busy_timeout'" in str(caught.value)
    found = settings_from_url(file_settings, parse_url("sqlite:///a.db?busy_timeout=1"), file_url, Path("/b"))
    assert (found.path, found.busy_timeout) == (Path("/b/a.db"), 1.0)


def test_bare_urls(no_settings: type[Any]) -> None:
    assert bare_url(parse_url("memory://")) == {}
    assert bare_url(parse_url("memory:///")) == {}
    for text in ("memory://x", "memory:///x"):
        with pytest.raises(ConfigError):
            bare_url(parse_url(text))
    with pytest.raises(ConfigError) as caught:
        settings_from_url(no_settings, parse_url("memory://?size=3"), bare_url)
    assert caught.value.key == "size"


def test_a_url_shows_and_pickles(dsn: str, secret: str) -> None:
    url = parse_url(dsn + f"?sslpassword={secret}")
    assert secret not in f"{url} {url!r} {url.redacted}"
    assert pickle.loads(pickle.dumps(url)) == url
    assert isinstance(hash(url), int)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("sqlite:////data/a.db", "sqlite:////data/a.db"),
        ("sqlite:///C:/a.db?mode=ro", "sqlite:///C:/a.db?mode=ro"),
        ("memory://", "memory://"),
        ("postgres://ann@h:5/d", "postgres://ann@h:5/d"),
        ("postgres://ann:pw@h,i:5/d?schema=a", "postgres://ann:***@h,i:5/d?schema=***"),
        ("postgres://ann:p:w@[::1]:5/d", "postgres://ann:***@[::1]:5/d"),
    ],
)
def test_what_is_certain_is_shown(text: str, shown: str) -> None:
    assert redact_url(text) == shown


MALFORMED = [
    "postgres://ann:hunter2",
    "postgres://ann:hunter2/db",
    "postgres:ann:hunter2@h/db",
    "postgres:/ann:hunter2@h/db",
    "postgres:///ann:hunter2@h/db",
    "postgres:///ann%3Ahunter2%40h/db",
    "postgres://ann:x/hunter2@h/db",
    "postgres://ann:12/hunter2@h/db",
    "postgres://ann:12?hunter2@h/db",
    "postgres://ann:12#hunter2@h/db",
    "postgres://ann:x@hunter2@h/db",
    "postgres://ann hunter2@h/db",
    "postgres://ann:hunter2@h:port/db#x",
    "postgres://ann:hunter2@h/db?mode=zz",
    "postgres://ann:hunter2@h/db?password=hunter2&password=hunter2",
    "postgres://h/db?hunter2",
    "postgres://h/db?password=hunter2&x=%zz",
    "postgres://h/db password=hunter2",
    "postgres://host=h password=hunter2",
    "host=h password=hunter2",
    "host=h password='hunter2",
    "postgres://ann:hunter2%@h/db",
    "postgres://ann:hunter2\n@h/db",
    "postgres://ann:hunter2\udc80@h/%FF",
    "hunter2@h/db",
]


@pytest.mark.parametrize("text", MALFORMED)
def test_no_byte_of_a_password(dsn_settings: type[Any], text: str) -> None:
    assert "hunter2" not in redact_url(text)
    try:
        url = parse_url(text)
        shown = f"{url!r}{url}"
        settings_from_url(dsn_settings, url, bare_url)
    except ConfigError as error:
        shown = f"{error}{error!r}{error.__dict__}{error.__cause__}{error.__context__}"
    assert "hunter2" not in shown


@pytest.mark.parametrize("text", ["", "?", "a://?", "a://@", "a://:@", "a://h?&&", "\udc80://", "a://\udc80"])
def test_redaction_never_fails(text: str) -> None:
    assert isinstance(redact_url(text), str)
    redact_url(text).encode()
