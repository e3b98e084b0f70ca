"""The indexes that recorded migrations made, against those that are there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from attrs import frozen

from moltnet_core.checking import Check
from moltnet_core.migrations import Migration
from moltnet_sql.checking.looking import Looking
from moltnet_sql.schema import TABLES

__all__ = ["IndexFault", "check_indexes", "index_faults"]

_CREATE: Final = re.compile(
    r"CREATE\s+(?:UNIQUE\s+)?INDEX\s+(?:IF\s+NOT\s+EXISTS\s+)?(\S+)\s+ON\s+(\S+?)\s*(?:USING\s+\w+\s*)?(\(.*)",
    re.IGNORECASE | re.DOTALL,
)
_NO_MATTER: Final = re.compile(r'[\s"`]+')


@frozen
class IndexFault:
    """An index that is missing, or not what it should be.

    :param create: the statement that makes it.
    """

    code: str
    name: str
    create: str
    detail: str = ""


def check_indexes(look: Looking, check: Check) -> None:
    """Note what is wrong with indexes, and what lies on the server's tables that does not belong there."""
    expected = _expected(check.migrations)
    for fault in index_faults(look, check.migrations):
        check.found.add(fault.code, "index", fault.name, fault.detail)
    for name, table, is_trigger in look.session.fetch(*look.dialect.foreign_objects()):
        if table in TABLES and name not in expected:
            check.found.add("trigger" if is_trigger else "unique-index", "schema", name, f"on {table}")


def index_faults(look: Looking, migrations: Iterable[Migration]) -> Iterator[IndexFault]:
    """The indexes of these migrations that are missing, of other columns, or not usable."""
    expected = _expected(migrations)
    stored = {name: (text, usable) for name, text, usable in look.session.fetch(*look.dialect.stored_indexes())}
    for name, create in expected.items():
        if name not in stored:
            yield IndexFault("index-missing", name, create)
            continue
        text, usable = stored[name]
        if not usable:
            yield IndexFault("index-different", name, create, "it is not usable")
        elif _shape(look, text) != _shape(look, create):
            yield IndexFault("index-different", name, create, "it is of other columns")


def _expected(migrations: Iterable[Migration]) -> dict[str, str]:
    """The statements that make indexes, by the index's name; the last one counts."""
    found = {}
    for migration in migrations:
        for statement in migration.statements:
            match = _CREATE.match(statement.strip())
            if match is not None:
                found[match[1]] = statement.strip()
    return found


def _shape(look: Looking, create: str) -> Sequence[str] | None:
    """What an index is on: its table, columns and condition, however that is spelled."""
    match = _CREATE.match(create.strip())
    if match is None:
        return None
    table = match[2].replace('"', "").rpartition(".")[2].lower()
    columns, condition = _split(match[3])
    folded = _NO_MATTER.sub("", columns).lower()
    return table, folded, look.dialect.index_condition(_NO_MATTER.sub("", condition))


def _split(text: str) -> tuple[str, str]:
    """What stands in the first brackets of a text, and what stands behind them."""
    depth = 0
    for place, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return text[1:place], text[place + 1 :]
    return text, ""
