"""Making rows that cannot be decoded, and what must be said of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from moltnet_core import CorruptRecordError

from .server import Server

__all__ = ["HIDDEN", "IDS", "SECRET", "Value", "blob", "check_raises", "overwrite"]

SECRET = "hunter2"
"""Stands in what is corrupt, and must not be shown."""

HIDDEN = f'"{SECRET}"'
IDS = [f"m{number}" for number in range(9)]
"""The messages of the room ``r``, a second apart."""

Value = str | int | dict[str, str]
"""Of a column; ``{"hex": …}`` is a BLOB, ``{"utf8": …}`` a text of these bytes, whatever they are."""


def blob(text: str) -> Value:
    return {"hex": text.encode().hex()}


def overwrite(server: Server, table: str, key: str, own_id: str, column: str, value: Value) -> None:
    if isinstance(value, dict) and "utf8" in value:
        place, parameter = "CAST(? AS TEXT)", {"hex": value["utf8"]}
    else:
        place, parameter = "?", value  # type: ignore[assignment]
    server.run(f"UPDATE {table} SET {column} = {place} WHERE {key} = ?", parameter, own_id)


def check_raises(call: Callable[[], Any], table: str, own_id: str) -> None:
    with pytest.raises(CorruptRecordError) as caught:
        call()
    error = caught.value
    assert (error.table, error.record_id) == (table, own_id)
    assert table in str(error)
    assert own_id in str(error)
    assert SECRET not in str(error)
    assert error.__cause__ is None or SECRET not in str(error.__cause__)
