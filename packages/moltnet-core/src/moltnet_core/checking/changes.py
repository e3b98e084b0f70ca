"""What a repair does: changes, and the file that keeps what is taken out of a store."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

from moltnet_core.errors import StorageIOError
from moltnet_core.files import storage_error, sync
from moltnet_core.serialization import dumps

__all__ = ["Change", "Moved"]


@frozen
class Change:
    """One thing that a repair changes.

    :param code: the fault that it puts right.
    :param kind: of what: ``thread``, ``dm``, ``artifact``, ``participant``, ``message``, ``index``, ….
    :param id: its id or name.
    :param before: what was stored, in words; ``""`` for what was not there. Never content or credentials.
    :param after: what is stored now; ``""`` for what is gone.
    """

    code: str
    kind: str
    id: str
    before: str = ""
    after: str = ""

    def to_json(self) -> dict[str, str]:
        """The change as one JSON object."""
        return {"code": self.code, "kind": self.kind, "id": self.id, "before": self.before, "after": self.after}


def _plain(value: Any) -> Any:
    """A column's value as JSON has it; bytes, which it has not, as an object that says so."""
    if isinstance(value, bytes | bytearray | memoryview):
        return {"base64": base64.b64encode(bytes(value)).decode()}
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return {"float": repr(value)}
    return value if isinstance(value, str | int | float | bool | dict | list | None) else str(value)


@frozen
class Moved:
    """A file of JSON lines that takes what is moved out of a store. It is made when the first comes, mode 0600.

    Each line has the table, and under ``columns`` every column of the row. They hold content and credentials.

    :param path: the file, which does not exist yet.
    """

    path: Path
    _lines: list[int] = field(factory=list, init=False)

    @property
    def count(self) -> int:
        """How many rows it took."""
        return sum(self._lines)

    def take(self, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write rows and sync them. They may be deleted once this returns.

        :raises StorageFullError: there is no room for them; so for other errors of the file system.
        """
        lines = [
            dumps({"table": table, "columns": {name: _plain(value) for name, value in row.items()}}) for row in rows
        ]
        if not lines:
            return
        flags = os.O_WRONLY | os.O_APPEND | (os.O_CREAT | os.O_EXCL if not self._lines else 0)
        try:
            descriptor = os.open(self.path, flags, 0o600)
            try:
                content = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogatepass")
                written = os.write(descriptor, content)
                if written != len(content):
                    raise StorageIOError(f"{self.path} could not be written whole")
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            if not self._lines:
                sync(self.path.parent)
        except OSError as error:
            if isinstance(error, StorageIOError):
                raise
            raise storage_error(f"{self.path} cannot be written", error) from None
        self._lines.append(len(lines))
