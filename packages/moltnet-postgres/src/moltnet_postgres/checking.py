"""What the server can tell of its own indexes and pages."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final

from moltnet_core.checking import Check
from moltnet_core.errors import DriverError, MoltnetError
from moltnet_sql import Session

__all__ = ["check_engine"]

_INDEXES: Final = """
    SELECT pg_class.oid, pg_class.relname FROM pg_index
    JOIN pg_class ON pg_class.oid = indexrelid JOIN pg_namespace ON pg_namespace.oid = pg_class.relnamespace
    JOIN pg_am ON pg_am.oid = pg_class.relam
    WHERE nspname = %s AND amname = 'btree' AND indisvalid ORDER BY relname"""
_NOT_ALLOWED: Final = "42501"
_CORRUPTED: Final = ("XX001", "XX002")
_AMCHECK: Final = """
    SELECT quote_ident(nspname) FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace
    WHERE extname = 'amcheck'"""


def check_engine(
    reading: Callable[[], AbstractContextManager[Any]],
    session_class: Callable[[Any], Session],
    schema: str,
    check: Check,
) -> None:
    """With ``deep``, let the server check every index of the store against its table.

    :param reading: a connection in a transaction.
    """
    if not check.deep:
        return
    with reading() as connection:
        session = session_class(connection)
        found = session.fetch(_AMCHECK)
        indexes = session.fetch(_INDEXES, (schema,))
    if not found:
        problem = "the extension is not installed in this database (CREATE EXTENSION amcheck)"
        check.found.add("check-incomplete", "engine", "amcheck", problem)
        return
    statement = f"SELECT {found[0][0]}.bt_index_check(%s::oid::regclass, true)"
    for oid, name in indexes:
        check.work.step(0)
        try:
            # A transaction each, as one that finds something ends in an error.
            with reading() as connection, (session := session_class(connection)).unhurried():
                session.fetch(statement, (oid,))
        except MoltnetError as error:
            code = error.__cause__.code if isinstance(error.__cause__, DriverError) else None
            if code == _NOT_ALLOWED:
                check.found.add("check-incomplete", "engine", "amcheck", "this role may not use it")
                return
            if code not in _CORRUPTED:
                raise
            check.found.add("damage", "index", name, "it does not agree with its table; REINDEX it")
