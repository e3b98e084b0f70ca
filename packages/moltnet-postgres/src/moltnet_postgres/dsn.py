"""Reads a DSN, as a URL or as ``key=value`` words, in the ways of libpq and of the Go server's driver.

The two differ: the server's driver splits user and host at the last ``@``, takes ``+`` for a space, and passes what it
does not know on to PostgreSQL as settings of the connection. No error quotes the text, which may hold a password.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from attrs import frozen

from moltnet_core.config import redact_url

__all__ = ["Target", "check_dsn", "parse_dsn"]

_URL = re.compile(r"postgres(?:ql)?://", re.IGNORECASE)
_ESCAPES = re.compile(r"(?:%[0-9A-Fa-f]{2})+", re.ASCII)

# What libpq calls these.
_OTHER_NAMES = {"database": "dbname"}

# Settings of the Go server's driver alone: how it prepares statements, and its name for Kerberos.
_NOT_OURS = frozenset({"default_query_exec_mode", "statement_cache_capacity", "description_cache_capacity", "krbspn"})

_LIBPQ = frozenset({
    *("host", "hostaddr", "port", "dbname", "user", "password", "passfile", "service", "options", "client_encoding"),
    *("application_name", "fallback_application_name", "target_session_attrs", "load_balance_hosts"),
    *("connect_timeout", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count"),
    *("tcp_user_timeout", "require_auth", "channel_binding", "requirepeer", "krbsrvname", "gsslib"),
    *("gssencmode", "gssdelegation", "sslmode", "sslnegotiation", "sslcompression", "sslcert", "sslkey"),
    *("sslpassword", "sslcertmode", "sslrootcert", "sslcrl", "sslcrldir", "sslsni"),
    *("ssl_min_protocol_version", "ssl_max_protocol_version"),
})  # fmt: skip


# Our settings that go into a store's URL as query keys. Whoever copies one into a DSN would get an error of the server.
_BESIDE = frozenset(
    {"schema", "call_timeout", "busy_timeout", "migration_timeout"}
    | {"pool_size", "pool_timeout", "pool_lifetime", "pool_check_after"}
)


@frozen
class Target:
    """A parsed DSN. It may hold a password and is in no ``repr``.

    :param parameters: what libpq takes.
    :param server_settings: what PostgreSQL is to set for the connection (``search_path``, ``timezone``, …).
    :param is_certain: whether it is certain which part of it is a password.
    """

    parameters: Mapping[str, str]
    server_settings: Mapping[str, str]
    is_certain: bool = True

    def __repr__(self) -> str:
        return f"<Target {self.place}>"

    @property
    def place(self) -> str:
        """Where it leads, for people: hosts and database, without user and password."""
        if not self.is_certain:
            return "the server that the DSN names"
        hosts = self.parameters.get("host") or self.parameters.get("hostaddr") or "the local server"
        ports = self.parameters.get("port", "")
        named = ports.split(",") if "," in ports else [ports] * (hosts.count(",") + 1)
        shown = [f"{host}:{port}" if port else host for host, port in zip(hosts.split(","), named, strict=False)]
        database = self.parameters.get("dbname")
        return f"{','.join(shown)}{f', database {database!r}' if database else ''}"

    @property
    def host_count(self) -> int:
        """How many servers it names."""
        return self.parameters.get("host", self.parameters.get("hostaddr", "")).count(",") + 1

    @property
    def options(self) -> str:
        """Libpq's ``options``: the DSN's own and the server settings."""
        words = [self.parameters.get("options", "")]
        for name, value in self.server_settings.items():
            escaped = re.sub(r"([\\\s])", r"\\\1", value)
            words.append(f"-c {name}={escaped}")
        return " ".join(word for word in words if word)


def check_dsn(text: str) -> str | None:
    """What is wrong with a DSN, without quoting it, or ``None``."""
    try:
        parse_dsn(text)
    except ValueError as error:
        return str(error)
    return None


def parse_dsn(text: str) -> Target:
    """Where a DSN leads.

    :raises ValueError: it cannot be read; says why without quoting it.
    """
    _check_text(text)
    text = text.strip()
    is_url = _URL.match(text) is not None
    found = _of_url(text) if is_url else _of_words(text)
    parameters: dict[str, str] = {}
    settings: dict[str, str] = {}
    for key, value in found.items():
        name = _OTHER_NAMES.get(key, key)
        _check_text(key + value)
        if name in _LIBPQ:
            if value:  # an empty one is none for both drivers, but for libpq's sslmode
                parameters[name] = value
        elif name not in _NOT_OURS:
            if name == "mode":
                raise ValueError("mode goes into a store's URL (open_store, --store), and not into a DSN")
            if name in _BESIDE:
                raise ValueError(f"{name} is a setting of its own, beside the DSN: MOLTNET_POSTGRES_{name.upper()}")
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.]*", name):
                raise ValueError("holds a name that is no setting's")
            settings[name] = value
    _check_hosts(parameters)
    # An @, # or ? within a password, unescaped, makes a host or a database of its rest; words in a URL make a host.
    is_certain = "=" not in parameters.get("host", "") and not (is_url and redact_url(text).endswith("://***"))
    return Target(parameters, settings, is_certain)


def _check_text(text: str) -> None:
    if "\0" in text:
        raise ValueError("holds a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError:
        failed = True
    else:
        failed = False
    if failed:  # outside, as the error holds the text
        raise ValueError("holds what is no Unicode text")


def _check_hosts(parameters: Mapping[str, str]) -> None:
    ports = parameters.get("port", "").split(",") if parameters.get("port") else []
    if not all(port == "" or (port.isascii() and port.isdigit() and 0 < int(port) < 65536) for port in ports):
        raise ValueError("a port is a number from 1 to 65535")
    hosts = parameters.get("host", parameters.get("hostaddr", "")).count(",") + 1
    if len(ports) > 1 and len(ports) != hosts:
        raise ValueError(f"names {len(ports)} ports for {hosts} hosts")


# -- URLs --------------------------------------------------------------------------------------------


def _of_url(text: str) -> dict[str, str]:
    rest = text.partition("://")[2].partition("#")[0]
    rest, _, query = rest.partition("?")
    authority, _, path = rest.partition("/")
    login, at, hosts = authority.rpartition("@")
    found: dict[str, str] = {}
    if at:
        user, colon, password = login.partition(":")
        found |= {"user": _decoded(user)} if user else {}
        found |= {"password": _decoded(password)} if colon else {}
    if hosts:
        pairs = [_host_and_port(each) for each in hosts.split(",")]
        found["host"] = ",".join(host for host, _ in pairs)
        if any(port for _, port in pairs):
            found["port"] = ",".join(port for _, port in pairs)
    if path:
        found["dbname"] = _decoded(path)
    for word in query.split("&"):
        if not word:
            continue
        key, equals, value = word.partition("=")
        if not key or not equals:
            raise ValueError("what follows '?' has to be key=value, joined by '&'")
        found[_decoded(key)] = _decoded(value.replace("+", " "))
    return found


def _host_and_port(text: str) -> tuple[str, str]:
    if text.startswith("["):
        host, bracket, port = text[1:].partition("]")
        if not bracket or (port and not port.startswith(":")):
            raise ValueError("an IPv6 address stands in brackets: [::1]:5432")
        return host, port[1:]
    host, _, port = text.partition(":")
    return _decoded(host), port


def _decoded(text: str) -> str:
    if "%" in _ESCAPES.sub("", text):
        raise ValueError("a '%' begins an escaped byte: write %25 for '%' itself")
    try:
        return _ESCAPES.sub(lambda match: bytes.fromhex(match[0].replace("%", "")).decode(), text)
    except UnicodeDecodeError:
        raise ValueError("its escaped bytes are not UTF-8 text") from None


# -- key=value words ---------------------------------------------------------------------------------


def _of_words(text: str) -> dict[str, str]:
    if "=" not in text:
        raise ValueError("expected postgres://user@host:5432/database or key=value words such as host=… dbname=…")
    return dict(_words(text))


def _words(text: str) -> Iterator[tuple[str, str]]:
    place, end = 0, len(text)
    while True:
        while place < end and text[place].isspace():
            place += 1
        if place == end:
            return
        equals = text.find("=", place)
        key = text[place:equals].strip() if equals >= 0 else ""
        if not key or any(letter.isspace() for letter in key):
            raise ValueError("expected key=value words; a value with spaces stands in single quotes")
        place = equals + 1
        while place < end and text[place].isspace():
            place += 1
        value, place = _value(text, place)
        yield key, value


def _value(text: str, place: int) -> tuple[str, int]:
    """A value and where it ends: up to white space, or in single quotes; a backslash takes the next as it is."""
    quoted = text[place : place + 1] == "'"
    place += quoted
    letters = []
    while place < len(text):
        letter = text[place]
        if letter == "\\" and place + 1 < len(text):
            letters.append(text[place + 1])
            place += 2
            continue
        if quoted and letter == "'":
            return "".join(letters), place + 1
        if not quoted and letter.isspace():
            break
        letters.append(letter)
        place += 1
    if quoted:
        raise ValueError("a single quote is not closed")
    return "".join(letters), place
