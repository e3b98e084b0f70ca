"""Scanning everything that is stored, in one read transaction."""

from __future__ import annotations

import os
import threading
from itertools import islice
from typing import TYPE_CHECKING, Any

from moltnet_core.errors import CorruptRecordError, InvalidCursorError, StoreClosedError
from moltnet_core.paging import entry_id
from moltnet_core.records import Record, RecordKind
from moltnet_sql.errors import translated
from moltnet_sql.reading import Reader, Tools
from moltnet_sql.session import Session

if TYPE_CHECKING:
    from moltnet_core.checking import Check

__all__ = ["SqlSnapshot"]


class SqlSnapshot:
    """Scans through a session of its own, in a transaction that began before.

    Messages come as one stream (:mod:`moltnet_sql.scanning`), and a scan that goes on where the last one ended
    continues it.
    """

    def __init__(
        self,
        session: Session,
        reader: Reader,
        tools: Tools,
    ) -> None:
        self._session = session
        self._reader = reader
        self._tools = tools
        self._rows = tools.rows
        self._dialect = tools.rows.dialect
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._stream: Any = None
        self._position: str | None = None

    def scan(self, kind: RecordKind, after: str | None, limit: int) -> list[Record | CorruptRecordError]:
        """See :class:`moltnet_core.driver.DriverSnapshot`."""
        if os.getpid() != self._process:
            raise StoreClosedError("a snapshot belongs to the process that made it; make another one here")
        with self._lock, translated(self._dialect):
            if kind is not RecordKind.MESSAGE:
                return self._reader.records_after(kind, after, limit)
            try:
                return self._scan_messages(after, limit)
            except BaseException:
                self.close()  # the stream has moved on: whoever tries again begins a new one
                raise

    def _scan_messages(self, after: str | None, limit: int) -> list[Record | CorruptRecordError]:
        if self._stream is None or after != self._position:
            self.close()
            self._stream = self._open_stream(after)
        rows = list(islice(self._stream, limit))
        found: list[Record | CorruptRecordError] = self._rows.decoded_page("messages", self._rows.message_record, rows)
        if found:
            self._position = entry_id(found[-1])
        return found

    def check_records(self, check: Check) -> None:
        """See :class:`moltnet_core.driver.SupportsRecordCheck`."""
        from moltnet_sql.checking import Looking, check_all

        with translated(self._dialect), self._session.unhurried():
            try:
                check_all(Looking(self._session, self._tools), self, check)
            finally:
                self.close()

    def close(self) -> None:
        """End the stream; its statement would keep the transaction's state alive."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _open_stream(self, after: str | None) -> Any:
        if after is None:
            return self._tools.scan.rows(self._session)
        if not self._reader.records(RecordKind.MESSAGE, [after]):
            raise InvalidCursorError(after)
        return self._tools.scan_after.rows(self._session, {"cursor": after})
