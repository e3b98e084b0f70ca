"""Where an export is read from: a file, which can be read again, or a pipe; compressed or not."""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from moltnet_core.errors import StoreUnavailableError, ValidationError
from moltnet_core.transfer.format import ExportReader

__all__ = ["Source"]

_BUFFER: Final = 1 << 20
_GZIP: Final = b"\x1f\x8b"


class Source:
    """An export to read.

    :param stream: a binary stream at its beginning.
    :param name: what to call it in errors.
    :ivar size: its bytes, where it can be read more than once.
    """

    def __init__(self, stream: Any, name: str) -> None:
        self._stream = stream
        self._start = stream.tell() if stream.seekable() else 0
        self.name = name
        self.size: int | None = None
        if stream.seekable():
            self.size = stream.seek(0, os.SEEK_END) - self._start

    def reader(self) -> ExportReader:
        """Reads it from its beginning, where that is possible, else from where it is.

        :raises InvalidExportError: it is no export.
        """
        if self.size is not None:
            self._stream.seek(self._start)
            magic = self._stream.read(len(_GZIP))
            self._stream.seek(self._start)
        else:
            magic = self._stream.peek(len(_GZIP))[: len(_GZIP)]
        if magic == _GZIP:
            packed = gzip.GzipFile(fileobj=self._stream, mode="rb")
            return ExportReader(cast("BinaryIO", io.BufferedReader(packed, _BUFFER)), self.name)
        return ExportReader(self._stream, self.name)

    def position(self) -> int:
        """How many of its bytes were read, where it has a size."""
        return int(self._stream.tell()) - self._start if self.size is not None else 0

    @classmethod
    @contextmanager
    def opened(cls, place: str | os.PathLike[str] | BinaryIO) -> Iterator[Source]:
        """Of a path, or of a stream, which stays open.

        :raises StoreUnavailableError: there is no such file, or it cannot be read.
        """
        if not isinstance(place, str | os.PathLike):
            stream: Any = place
            name = str(getattr(place, "name", "the export"))
            if stream.seekable() or hasattr(stream, "peek"):
                yield cls(stream, name)
                return
            wrapped = io.BufferedReader(stream, _BUFFER)
            try:
                yield cls(wrapped, name)
            finally:
                wrapped.detach()
            return
        path = Path(place)
        if path.is_dir():
            raise ValidationError("source", f"{path} is a folder; expected an export's file (a backup is restored)")
        try:
            file = path.open("rb", buffering=_BUFFER)
        except OSError as error:
            raise StoreUnavailableError(f"the export {path} cannot be read: {error.strerror}") from error
        with file:
            yield cls(file, str(path))
