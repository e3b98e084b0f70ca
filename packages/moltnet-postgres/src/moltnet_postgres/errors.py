"""PostgreSQL's errors as the contract's, with what to do about them. The server's own texts are never shown."""

from __future__ import annotations

import re
from typing import Final

import psycopg2

from moltnet_core.errors import (
    ConfigError,
    CorruptStoreError,
    DriverError,
    MoltnetError,
    ReadOnlyStoreError,
    StorageFullError,
    StorageIOError,
    StoreBusyError,
    StoreUnavailableError,
    ValidationError,
)
from moltnet_postgres.connections import AbortedError, DeadlineError

__all__ = ["READ_ONLY_TRANSACTION", "UNIQUE_VIOLATION", "connect_error", "is_statement_error", "translate_error"]

UNIQUE_VIOLATION: Final = "23505"
READ_ONLY_TRANSACTION: Final = "25006"
ABORTED: Final = "25P02"

_LOST: Final = ("08", "57P", "25P03", "25P04")
"""Codes of errors with which the server ends the connection: what it was doing may have been committed before."""


_STATEMENT: Final = ("0A", "21", "22", "23", "42")
_NOT_STATEMENT: Final = ("22P05", "22021", "42501")
"""Of those classes: an encoding that lacks a character, and a privilege that lacks."""


def is_statement_error(error: psycopg2.Error) -> bool:
    """Whether a statement was refused for what it says: by the server, or by psycopg2 before it was sent."""
    code = error.pgcode
    if code is None:
        return isinstance(error, psycopg2.ProgrammingError | psycopg2.DataError | psycopg2.NotSupportedError)
    return code.startswith(_STATEMENT) and code not in _NOT_STATEMENT


def translate_error(error: psycopg2.Error, place: str, *, committing: bool, read_only: bool = False) -> MoltnetError:
    """The contract's error for one of psycopg2's.

    :param place: the database, for people.
    :param committing: it was raised by a commit, or by a statement that commits itself.
    :param read_only: the store is opened to read only.
    """
    code = ABORTED if isinstance(error, AbortedError) else error.pgcode
    if code == "42501" and read_only:
        translation: MoltnetError = StoreUnavailableError(
            f"this role may not read {place}; grant it USAGE on the schema and SELECT on the tables"
        )
    else:
        translation = _translation(error, code, place, committing=committing)
    constraint = getattr(getattr(error, "diag", None), "constraint_name", None)
    translation.__cause__ = DriverError(type(error).__name__, code, constraint)
    return translation


def _translation(error: psycopg2.Error, code: str | None, place: str, *, committing: bool) -> MoltnetError:
    if code is None or code.startswith(_LOST):
        # An InterfaceError is psycopg2's own: the connection was lost before, and nothing was sent.
        unknown = committing and not isinstance(error, psycopg2.InterfaceError)
        return _lost(error, code, place, committed=None if unknown else False)
    match code:
        case "55P03" | "40P01" | "40001":
            return StoreBusyError(
                f"another transaction held a lock in {place} for too long, or two waited for each other; try again, "
                "or open with a longer ?busy_timeout=SECONDS (one migration waits for another's end as long as "
                "?migration_timeout=SECONDS says)"
            )
        case "57014":
            return StoreUnavailableError(
                f"{place} did not finish a statement in time; it was rolled back; try again, or open with a longer "
                "?call_timeout=SECONDS (a migration: ?migration_timeout=SECONDS)"
            )
        case "54000":
            return ValidationError("a value", f"is too large for an index or a row of {place}")
        case "53100" | "53200":
            return StorageFullError(f"the server of {place} is out of space or memory; earlier data is intact")
        case "42501":
            return ReadOnlyStoreError(
                f"this role lacks a privilege in {place}; grant it (to read: USAGE on the schema and SELECT on the "
                "tables; to write: INSERT, UPDATE and DELETE too; to migrate: CREATE on the schema, or on the database "
                "where the schema is missing, and that it owns the tables), or open with mode=ro to read"
            )
        case "25P02":
            return StorageIOError(
                f"a statement of this transaction had failed before, so {place} has rolled all of it back; "
                "put a statement that may fail into database.atomic()"
            )
        case "25006":
            return ReadOnlyStoreError(
                f"{place} takes no writes now: it is a standby, or set to read-only; open with mode=ro to read it, "
                "or name the primary (target_session_attrs=read-write)"
            )
        case "42P01" | "42703" | "3F000" | "42804" | "42883":
            return CorruptStoreError(
                f"a table or column of the store is missing in {place}, or has another type; "
                "is this the database of another program?"
            )
        case "22P05" | "22021":
            return ValidationError("a text", f"cannot be held by {place}, whose encoding is not UTF-8")
        case "58030" | "58P01" | "58P02" | "XX001" | "XX002":
            return StorageIOError(f"the disk of the server of {place} failed, or its data is damaged")
    return _of_class(code, place)


def _of_class(code: str, place: str) -> MoltnetError:
    if code.startswith("23"):
        return CorruptStoreError(f"a constraint in {place} refused what was written; nothing was changed")
    if code.startswith("53"):
        return StoreUnavailableError(f"the server of {place} is out of resources; try again later")
    return StorageIOError(f"{place} refused the operation (SQLSTATE {code}); nothing was changed")


def _lost(error: psycopg2.Error, code: str | None, place: str, *, committed: bool | None) -> MoltnetError:
    outcome = (
        "; whether the last write was committed is not known: read it back, or append it again with retry=True"
        if committed is None
        else ""
    )
    if isinstance(error, DeadlineError):
        return StoreUnavailableError(f"{place} did not answer within call_timeout{outcome}", committed=committed)
    why = "the server ended the connection" if code else "the connection was lost"
    return StoreUnavailableError(f"{why} to {place}; the next call opens another{outcome}", committed=committed)


# -- connecting --------------------------------------------------------------------------------------

# libpq gives no code for a connection that it could not make. Its text is looked at for advice, and never shown.
_REFUSALS: Final = {
    r"authentication method|channel binding": (
        "the server does not log in by the way that require_auth or channel_binding asks for"
    ),
    r"password|authentication failed|no pg_hba.conf entry|role .* does not exist|not permitted to log in": (
        "the server refused the login: check user and password, and that its pg_hba.conf lets this machine in"
    ),
    r"database .* does not exist": "the server has no such database: create it, or check its name",
    r"permission denied for database": "this role may not connect to that database: GRANT CONNECT, or check the name",
    r"not currently accepting connections": "the database lets nobody in (ALLOW_CONNECTIONS is false)",
    r"too many clients|remaining connection slots|too many connections": (
        "the server has too many connections: lower pool_size, raise its max_connections, or put a pooler in between"
    ),
    r"starting up|shutting down|recovery mode|not yet accepting|not accepting connections": (
        "the server is starting, stopping or recovering: try again in a moment"
    ),
    r"session is (?:not )?read-only|hot standby|target_session_attrs": (
        "none of the servers is of the kind that target_session_attrs asks for (a standby that is not promoted yet?)"
    ),
    r"could not translate host name|name or service not known|no address associated": (
        "the host's name is not known: check it"
    ),
    r"timeout expired": "it did not answer within connect_timeout",
    r"server does not support ssl": ("the server does not speak TLS: set it up there, or choose another sslmode"),
    r"server closed the connection": (
        "it closed the connection: is it a PostgreSQL server, and does it want what sslmode and sslnegotiation say?"
    ),
    r"certificate|ssl error|tlsv1": "TLS could not be agreed on: check the certificates and sslmode",
    r"refused|no such file or directory|unreachable|no route|is the server running": (
        "nothing answers there: check host and port, and that the server runs"
    ),
}

_MISTAKES: Final = {
    r"invalid sslmode value": ("sslmode", "expected disable, allow, prefer, require, verify-ca or verify-full"),
    r"root certificate file": (
        "sslrootcert", "the file cannot be read; it holds the authorities that verify-ca and verify-full go by",
    ),
    r"weak sslmode.*sslnegotiation": ("sslnegotiation", "direct goes only with sslmode=require or a stricter one"),
    r"weak sslmode": ("sslrootcert", "the system's authorities go only with sslmode=verify-full"),
    r"private key file|but not private key": ("sslkey", "the file cannot be read, or others may read it"),
    r"could not (?:read|load|open|stat).*certificate|certificate file": ("sslcert", "the file cannot be read"),
    r"unrecognized configuration parameter": (None, "it names a setting that the server does not have"),
    r"invalid value for parameter": (None, "it gives a setting a value that the server does not take"),
    r"permission denied to set|must be superuser to|cannot set parameter": (
        None, "it names a setting that this role may not change",
    ),
    r"command-line argument": ("options", "expected settings for the server: -c name=value"),
    r"invalid .* value|invalid connection option|invalid integer|invalid port|could not match|definition of service": (
        None, "one of its keys has a value that libpq does not take",
    ),
}  # fmt: skip


def connect_error(error: psycopg2.Error, place: str) -> MoltnetError:
    """The contract's error for a connection that could not be made."""
    text = str(error).lower()
    made: MoltnetError
    for pattern, (key, problem) in _MISTAKES.items():
        if re.search(pattern, text):
            made = ConfigError("postgres", f"dsn ({key})" if key else "dsn", problem)
            break
    else:
        found = (advice for pattern, advice in _REFUSALS.items() if re.search(pattern, text))
        made = StoreUnavailableError(f"{place} cannot be reached: {next(found, 'the connection could not be made')}")
    made.__cause__ = DriverError(type(error).__name__, error.pgcode)
    return made
