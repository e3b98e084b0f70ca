"""DSNs as libpq and the Go server's driver read them: parameters, settings of the connection, and refusals."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import psycopg2
import pytest
from psycopg2.extensions import make_dsn
from psycopg2.extensions import parse_dsn as libpq

from moltnet_core.config import redact_url
from moltnet_postgres.dsn import Target, check_dsn, parse_dsn
from moltnet_postgres.settings import PostgresSettings

SECRET = "s3cr3t"

# What libpq reads alike, so that nothing but libpq says what is expected.
ALIKE = [
    "postgres://",
    "postgresql://h",
    "postgres:///d",
    "postgres://u@/d",
    "postgres://u:p@h:5433/d",
    "postgres://u:p%40%2F%3A%3F%23@h/d",
    "postgres://u:a:b@h/d",
    "postgres://%75:%70@h/%64",
    "postgres://u@h1,h2:5433/d",
    "postgres://u@h1:1,h2:2,h3:3/d?target_session_attrs=any",
    "postgres://[::1]:5433/d",
    "postgres://[::1],[fe80::1]/d",
    "postgres://%2Ftmp%2Fsocket/d",
    "postgres:///d?host=/tmp/socket&port=5433",
    "postgres://u@h/d?sslmode=verify-full&sslrootcert=%2Fa%20b.pem",
    "postgres://u@h/d?connect_timeout=3&application_name=a%26b",
    "postgres://u@h/d?options=-c%20work_mem%3D5MB",
    "postgres://u@h/a%20b%2Fc",
    "postgres://h/?user=u&password=p&dbname=d",
    "host=h",
    "host=h port=5433 user=u password=p dbname=d",
    "  host = h   user=u ",
    "host='h' user='a b' password='it\\'s' dbname='back\\\\slash'",
    "password=a\\ b host=h",
    "password='' host=h user=u",
    "user=u\thost=h\ndbname=d",
    "hostaddr=127.0.0.1 host=h",
    "host=/tmp/socket dbname=d",
    "host=h1,h2 port=1,2",
    "host=h options='-c search_path=a,b'",
    "dbname='=' host=h",
]


@pytest.mark.parametrize("dsn", ALIKE)
def test_it_is_read_as_libpq_reads_it(dsn: str) -> None:
    target = parse_dsn(dsn)
    empty_is_none = {key: value for key, value in libpq(dsn).items() if value.strip(",")}
    assert dict(target.parameters) == empty_is_none
    assert dict(target.server_settings) == {}
    assert libpq(make_dsn(**target.parameters)) == empty_is_none


# Where libpq refuses or reads otherwise what the Go server takes: text, parameters, server settings.
GO: list[tuple[str, dict[str, str], dict[str, str]]] = [
    ("postgres://u:p@ss@h/d", {"user": "u", "password": "p@ss", "host": "h", "dbname": "d"}, {}),
    ("postgres://h/d?search_path=a+b", {"host": "h", "dbname": "d"}, {"search_path": "a b"}),
    ("postgres://h/d?application_name=a+b", {"host": "h", "dbname": "d", "application_name": "a b"}, {}),
    ("postgres://h/d?search_path=chat,public", {"host": "h", "dbname": "d"}, {"search_path": "chat,public"}),
    ("postgres://h/d?statement_timeout=5000", {"host": "h", "dbname": "d"}, {"statement_timeout": "5000"}),
    ("postgres://h/d?TimeZone=UTC", {"host": "h", "dbname": "d"}, {"TimeZone": "UTC"}),
    ("postgres://h/d?database=e", {"host": "h", "dbname": "e"}, {}),
    ("postgres://h/d?sslmode=", {"host": "h", "dbname": "d"}, {}),
    ("postgres://h/d?myapp.tenant=7", {"host": "h", "dbname": "d"}, {"myapp.tenant": "7"}),
    ("host=h database=d search_path=chat", {"host": "h", "dbname": "d"}, {"search_path": "chat"}),
    ("host=h timezone='Asia/Tokyo'", {"host": "h"}, {"timezone": "Asia/Tokyo"}),
    *(
        (f"postgres://h/d?{key}={value}", {"host": "h", "dbname": "d"}, {})
        for key, value in (
            ("default_query_exec_mode", "cache_describe"),
            ("statement_cache_capacity", "0"),
            ("description_cache_capacity", "10"),
            ("krbspn", "x"),
        )
    ),
    ("host=h default_query_exec_mode=exec", {"host": "h"}, {}),
]


@pytest.mark.parametrize(("dsn", "parameters", "settings"), GO)
def test_it_is_read_as_the_go_server_reads_it(dsn: str, parameters: dict[str, str], settings: dict[str, str]) -> None:
    try:
        found: Any = libpq(dsn)
    except psycopg2.ProgrammingError:
        found = None
    assert found != parameters  # otherwise it belongs into the other table
    target = parse_dsn(dsn)
    assert dict(target.parameters) == parameters
    assert dict(target.server_settings) == settings


REFUSED = [
    ("", "key=value"),
    (SECRET, "key=value"),
    (f"{SECRET}/host", "key=value"),
    (f"host=h {SECRET}", "key=value"),
    (f"host=h password='{SECRET}", "quote"),
    (f"host=h password={SECRET} more", "single quotes"),
    (f"={SECRET}", "key=value"),
    (f"host=h a-b={SECRET}", "name"),
    (f"host=h port={SECRET}", "port"),
    ("host=h port=0", "port"),
    ("host=h port=65536", "port"),
    ("host=h port=5432x", "port"),
    ("host=h port=١", "port"),
    ("host=h1,h2,h3 port=1,2", "2 ports for 3 hosts"),
    (f"postgres://u:{SECRET}", "port"),
    (f"postgres://u:{SECRET}#x@h/d", "port"),
    (f"postgres://u:{SECRET}?x@h/d", "key=value"),
    (f"postgres://u:{SECRET}/x@h/d", "port"),
    (f"postgres://u:{SECRET}%@h/d", "%25"),
    (f"postgres://u:{SECRET}%zz@h/d", "%25"),
    (f"postgres://u:{SECRET}%ff@h/d", "UTF-8"),
    (f"postgres://u:{SECRET}@[::1/d", "brackets"),
    (f"postgres://u:{SECRET}@[::1]5432/d", "brackets"),
    (f"postgres://u:{SECRET}@h/d?{SECRET}", "key=value"),
    (f"postgres://u:{SECRET}@h/d?={SECRET}", "key=value"),
    (f"postgres://u:{SECRET}@h/d?a%20b={SECRET}", "name"),
    (f"postgres://u:{SECRET}\0@h/d", "NUL"),
]


@pytest.mark.parametrize(("dsn", "advice"), REFUSED)
def test_what_is_refused_is_not_quoted(dsn: str, advice: str) -> None:
    with pytest.raises(ValueError, match=advice) as caught:
        parse_dsn(dsn)
    assert SECRET not in str(caught.value)
    assert check_dsn(dsn) == str(caught.value)


def test_what_is_right_has_no_problem() -> None:
    assert check_dsn("postgres://u:p@h/d") is None


# -- what is shown -----------------------------------------------------------------------------------

PLACES = [
    ("postgres://u:p@h:5433/d", "h:5433, database 'd'"),
    ("postgres://h1,h2:5433/d", "h1,h2:5433, database 'd'"),
    ("postgres:///d?host=/tmp/socket", "/tmp/socket, database 'd'"),
    ("postgres://", "the local server"),
    ("hostaddr=10.0.0.1", "10.0.0.1"),
    ("host=h1,h2 port=7 dbname=d", "h1:7,h2:7, database 'd'"),
    ("host=h password=p", "h"),
]


@pytest.mark.parametrize(("dsn", "place"), PLACES)
def test_its_place_is_shown(dsn: str, place: str) -> None:
    assert parse_dsn(dsn).place == place


# Where a password that was not escaped makes a host, a port, a database or a setting of its own rest.
UNESCAPED = ["5432?x=1@h/d", "5432/s3cr3t@h/d", "p@s3cr3t/word@h/d", "5432?sslmode=s3cr3t@h/d", "1/2?a=s3cr3t@h"]


@pytest.mark.parametrize("rest", UNESCAPED)
def test_no_part_of_a_password_that_was_not_escaped_is_shown(rest: str) -> None:
    target = parse_dsn(f"postgres://user:{rest}")
    assert target.place == "the server that the DSN names"
    for shown in (target.place, repr(target), redact_url(f"postgres://user:{rest}")):
        assert not any(part in shown for part in ("5432", "s3cr3t", "word", "p@", "1/2"))


def test_neither_dsn_nor_settings_show_a_password() -> None:
    for dsn in (f"postgres://u:{SECRET}@h/d", f"host=h user=u password={SECRET}"):
        assert SECRET not in repr(parse_dsn(dsn))
        assert SECRET not in repr(PostgresSettings(dsn=dsn))


# -- settings of the connection ----------------------------------------------------------------------


def test_settings_go_into_libpqs_options_escaped() -> None:
    target = Target({"options": "-c a=b"}, {"search_path": "my schema, x", "myapp.path": "a\\b"})
    assert target.options == "-c a=b -c search_path=my\\ schema,\\ x -c myapp.path=a\\\\b"
    assert Target({}, {}).options == ""


@pytest.mark.parametrize("value", ["a b", "a\\b", "tab\there", "it's", 'q"q', "-c x=y", "ünï", "a  b "])
def test_a_setting_of_any_value_reaches_the_server(postgres_server: Any, value: str) -> None:
    target = parse_dsn(postgres_server.url(**{"myapp.tenant": value}))
    with_options = make_dsn(**target.parameters, options=target.options)
    connection = psycopg2.connect(with_options)
    try:
        cursor = connection.cursor()
        cursor.execute("SHOW myapp.tenant")
        assert cursor.fetchone() == (value,)
    finally:
        connection.close()


def test_a_url_says_settings_of_ours_and_the_rest_is_the_drivers() -> None:
    from moltnet_core.config import parse_url, settings_from_url
    from moltnet_postgres.plugin import BACKEND

    password = quote("p@ss/word?", safe="")
    url = parse_url(f"postgres://u:{password}@h/d?pool_size=3&sslmode=require&schema=chat&mode=ro")
    settings: Any = settings_from_url(BACKEND.settings, url, BACKEND.from_url)
    assert (settings.pool_size, settings.schema) == (3, "chat")
    assert settings.dsn == f"postgres://u:{password}@h/d?sslmode=require"
    target = parse_dsn(settings.dsn)
    assert target.parameters["password"] == "p@ss/word?"
    assert target.place == "h, database 'd'"
