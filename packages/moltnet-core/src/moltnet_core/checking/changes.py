"""What a repair does: changes, and the file that keeps what is taken out of a store."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from attrs import field, frozen

from moltnet_core.files import storage_error, sync
from moltnet_core.serialization import dumps

__all__ = ["UNTOUCHED", "Change", "Moved", "telling_untouched"]

UNTOUCHED: Final = "nothing was changed: the store is as it was"
"""What an interrupt is told by (``add_note``) that came before anything was committed."""


@contextmanager
def telling_untouched() -> Iterator[None]:
    """Around work that is undone, or was not begun, when it is interrupted."""
    try:
        yield
    except KeyboardInterrupt as error:
        error.add_note(UNTOUCHED)
        raise


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

    def take(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write rows and sync them. They may be deleted once this returns.

        :raises StorageFullError: there is no room for them; so for other errors of the file system.
        """
        if not rows:
            return
        flags = os.O_WRONLY | os.O_APPEND | (os.O_CREAT | os.O_EXCL if not self._lines else 0)
        try:
            with os.fdopen(os.open(self.path, flags, 0o600), "ab") as file:
                for row in rows:
                    line = dumps({"table": table, "columns": {name: _plain(value) for name, value in row.items()}})
                    file.write(f"{line}\n".encode("utf-8", "surrogatepass"))
                file.flush()
                os.fsync(file.fileno())
            if not self._lines:
                sync(self.path.parent)
        except OSError as error:
            raise storage_error(f"{self.path} cannot be written", error) from None
        self._lines.append(len(rows))
