"""Appends of several callers in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

from moltnet_core.driver import Appended, NewMessage
from moltnet_core.grouping import BY_ITSELF
from moltnet_sql.writing import Writer

__all__ = ["append_grouped"]


def append_grouped(
    connection: Any, begin: str, writer: Writer, batches: Sequence[Sequence[NewMessage]]
) -> Sequence[Sequence[Appended] | object]:
    """Append batches in a transaction that has just begun: all as if they were one, for that is what costs least.

    If that fails, the transaction begins anew, and each batch has a savepoint.

    :param connection: which the writer uses.
    :param begin: begins a transaction.
    :returns: an answer for each batch: :data:`~moltnet_core.grouping.BY_ITSELF` where something was wrong, of which
        nothing is left.
    """
    try:
        appended = iter(writer.append([new for batch in batches for new in batch]))
    except Exception:  # noqa: BLE001 - whoever does it by itself finds out what is wrong
        if len(batches) == 1:
            connection.execute("ROLLBACK")
            connection.execute(begin)
            return [BY_ITSELF]
    else:
        return [list(islice(appended, len(batch))) for batch in batches]
    if connection.in_transaction:  # SQLite itself rolls some back
        connection.execute("ROLLBACK")
    connection.execute(begin)
    return [_append_apart(connection, writer, batch) for batch in batches]


def _append_apart(connection: Any, writer: Writer, batch: Sequence[NewMessage]) -> Sequence[Appended] | object:
    connection.execute("SAVEPOINT apart")
    answer: Sequence[Appended] | object
    try:
        answer = writer.append(batch)
    except Exception:
        if not connection.in_transaction:
            raise  # it took the others with it
        connection.execute("ROLLBACK TO apart")
        answer = BY_ITSELF
    connection.execute("RELEASE apart")
    return answer
