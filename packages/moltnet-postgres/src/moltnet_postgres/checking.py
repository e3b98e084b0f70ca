"""What the server can tell of its own indexes and pages."""

from __future__ import annotations

from typing import Any, Final

import psycopg2

from moltnet_core.checking import Check

__all__ = ["check_engine"]

_INDEXES: Final = """
    SELECT pg_class.oid, pg_class.relname FROM pg_index
    JOIN pg_class ON pg_class.oid = indexrelid JOIN pg_namespace ON pg_namespace.oid = pg_class.relnamespace
    JOIN pg_am ON pg_am.oid = pg_class.relam
    WHERE nspname = %s AND amname = 'btree' AND indisvalid ORDER BY relname"""
_AMCHECK: Final = """
    SELECT quote_ident(nspname) FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace
    WHERE extname = 'amcheck'"""


def check_engine(connection: Any, schema: str, check: Check) -> None:
    """With ``deep``, let the server check every index of the store against its table.

    :param connection: not in a transaction.
    """
    if not check.deep:
        return
    cursor = connection.cursor()
    cursor.execute(_AMCHECK)
    found = cursor.fetchone()
    if found is None:
        check.found.add(
            "check-incomplete",
            "engine",
            "amcheck",
            "the extension is not installed in this database, so the server "
            "cannot check its indexes (CREATE EXTENSION amcheck)",
        )
        return
    cursor.execute(_INDEXES, (schema,))
    for oid, name in cursor.fetchall():
        try:
            cursor.execute(f"SELECT {found[0]}.bt_index_check(%s::oid::regclass, true)", (oid,))
        except psycopg2.errors.InsufficientPrivilege:
            check.found.add("check-incomplete", "engine", "amcheck", "this role may not use it")
            return
        except psycopg2.errors.IndexCorrupted as error:
            check.found.add("damage", "index", name, (error.diag.message_primary or "").strip())
