"""The format of exports: a header, one record a line, a trailer. ``docs/export-format.md`` describes it.

A writer and a reader over binary streams; they know nothing of files and stores.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

import attrs
from attrs import frozen

from moltnet_core.backend import CONTRACT_VERSION
from moltnet_core.errors import CorruptRecordError, InvalidExportError, ValidationError
from moltnet_core.records import LOAD_ORDER, Record
from moltnet_core.timestamps import format_time, normalise, now, truncate
from moltnet_core.transfer.digest import Digester, StoreDigest
from moltnet_core.transfer.lines import LineError, decode_line, encode_line, lines_of
from moltnet_core.types import AgentRegistration

__all__ = ["FORMAT", "VERSION", "ExportHeader", "ExportReader", "ExportWriter"]

FORMAT: Final = "moltnet-export"
VERSION: Final = 1
"""The version of the format that is written, and the newest that is read."""

_HEADER_FIELDS: Final[dict[str, type]] = {
    "contract": str,
    "backend": str,
    "time_digits": int,
    "credentials": bool,
    "created_at": str,
}


@frozen
class ExportHeader:
    """What an export says of itself before its records.

    :param backend: the backend that the records were read from.
    :param time_digits: the fractional digits of a second that it stores, 9 or 6; no record has more.
    :param credentials: whether agents have their credential keys.
    :param contract: the version of the contract whose types the records have.
    :param created_at: when it was written, RFC 3339.
    """

    backend: str
    time_digits: int
    credentials: bool
    contract: str = CONTRACT_VERSION
    created_at: str = attrs.field(factory=lambda: format_time(now()))

    def to_json(self) -> dict[str, Any]:
        """As the first line has it."""
        return {"format": FORMAT, "version": VERSION, **{name: getattr(self, name) for name in _HEADER_FIELDS}}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> ExportHeader:
        """Of the first line.

        :raises ValueError: it is none, or of a newer version.
        """
        version = data.get("version")
        if data.get("format") != FORMAT or type(version) is not int or version < 1:
            raise ValueError(f'is not the header of an export (an object with "format": "{FORMAT}" and a version)')
        if version > VERSION:
            raise ValueError(
                f"is of format version {version}, and this software knows up to {VERSION}: install a newer"
            )
        for name, kind in _HEADER_FIELDS.items():
            if type(data.get(name)) is not kind:
                raise ValueError(f"the header has no {name}, or one of the wrong type")
        if data["time_digits"] not in (6, 9):
            raise ValueError("the header's time_digits is neither 6 nor 9")
        return cls(**{name: data[name] for name in _HEADER_FIELDS})


class ExportWriter:
    """Writes an export to a stream.

    :raises OSError: (every method) the stream cannot be written.
    """

    def __init__(self, stream: BinaryIO, header: ExportHeader) -> None:
        self._stream = stream
        self._header = header
        self._digester = Digester(header.time_digits)
        self.credentials_left_out = 0
        stream.write(encode_line(header.to_json()))

    def write(self, record: Record) -> None:
        """Write one record; they come in load order.

        :raises CorruptRecordError: no line can hold it.
        """
        if not self._header.credentials and isinstance(record.value, AgentRegistration) and record.value.credential_key:
            record = attrs.evolve(record, value=attrs.evolve(record.value, credential_key=""))
            self.credentials_left_out += 1
        try:
            line = encode_line(record.to_json(with_credentials=self._header.credentials))
        except (ValueError, RecursionError) as error:
            raise CorruptRecordError(f"the {record.kind}s", record.id, str(error)) from None
        self._digester.add(record)
        self._stream.write(line)

    def finish(self, skipped: int = 0) -> StoreDigest:
        """Write the trailer, without which an export is not whole.

        :param skipped: stored records that could not be decoded and are not in it.
        :returns: the digest of what was written.
        """
        digest = self._digester.digest()
        self._stream.write(encode_line({"end": FORMAT, **digest.to_json(), "skipped": skipped}))
        return digest


class ExportReader:
    """Reads an export from a stream, and sees that it is whole when it has read all.

    :param source: what to call it in errors.
    :ivar header: what it says of itself.
    :ivar line: the number of the line that was read last.
    :ivar size: its bytes.
    :ivar digest: of its records, once all are read.
    :ivar skipped: how many records its source held that are not in it, once all are read.
    :raises InvalidExportError: (every method) something is wrong with it.
    :raises OSError: (every method) the stream cannot be read.
    """

    header: ExportHeader
    digest: StoreDigest
    skipped: int

    def __init__(self, stream: BinaryIO, source: str) -> None:
        self.source = source
        self.line = self.size = 0
        self._lines = self._decoded(stream)
        first = next(self._lines, None)
        if first is None:
            raise InvalidExportError(source, None, "is empty: the export was cut short, or is none")
        try:
            self.header = ExportHeader.from_json(first)
        except ValueError as error:
            raise self._error(str(error)) from None

    def __iter__(self) -> Iterator[Record]:
        """The records. The last line is judged before the iterator ends: until then they are not to be trusted."""
        digester, place = Digester(self.header.time_digits), 0
        for data in self._lines:
            if "kind" not in data:
                if "format" in data:
                    raise self._error("another export begins before this one's trailer")
                self._check_trailer(data, digester.digest())
                return
            try:
                record = Record.from_json(data)
                self._check(record, data)
                digester.add(record)
            except (ValidationError, ValueError, RecursionError) as error:
                raise self._error(str(error)) from None
            if LOAD_ORDER.index(record.kind) < place:
                raise self._error(f"a {record.kind} stands behind a {LOAD_ORDER[place]}: the lines were reordered")
            place = LOAD_ORDER.index(record.kind)
            yield record
        raise InvalidExportError(self.source, None, f"ends after line {self.line} without a trailer: it was cut short")

    def _check(self, record: Record, data: dict[str, Any]) -> None:
        if "credential_key" in data and not self.header.credentials:
            raise ValueError("has a credential key, and the header says that there are none")
        if self.header.time_digits < 9:
            for name, text in record.times.items():
                whole = normalise(text)
                if truncate(whole, self.header.time_digits) != whole:
                    raise ValueError(f"{name} has more digits than the header says")

    def _check_trailer(self, data: dict[str, Any], found: StoreDigest) -> None:
        if data.get("end") != FORMAT or type(data.get("skipped")) is not int:
            raise self._error("is neither a record nor the trailer of an export")
        written = {name: value for name, value in data.items() if name not in ("end", "skipped")}
        try:
            said = StoreDigest.from_json(written)
        except ValidationError as error:
            raise self._error(str(error)) from None
        for kind in LOAD_ORDER:
            if said.kinds[kind].count != found.kinds[kind].count:
                raise self._error(
                    f"the trailer counts {said.kinds[kind].count} records of kind {kind}, and "
                    f"{found.kinds[kind].count} are there: lines were lost or added"
                )
        if said != found:
            kinds = ", ".join(kind for kind in LOAD_ORDER if said.kinds[kind] != found.kinds[kind])
            raise self._error(
                f"the digest of the records of kind {kinds or 'any'} is not the trailer's: it was altered"
            )
        if next(self._lines, None) is not None:
            raise self._error("something follows the trailer: several exports in one file? import them one by one")
        self.digest, self.skipped = found, data["skipped"]

    def _decoded(self, stream: BinaryIO) -> Iterator[dict[str, Any]]:
        try:
            for self.line, line in lines_of(stream):
                self.size = len(line)
                try:
                    data = decode_line(line)
                except ValueError as error:
                    cut = "" if line.endswith(b"\n") else "; it has no end: the file was cut short"
                    raise self._error(f"{error}{cut}") from None
                yield data
        except LineError as error:
            raise InvalidExportError(self.source, error.number, error.problem) from None
        except (EOFError, zlib.error) as error:
            raise self._damaged(str(error)) from None
        except OSError as error:
            if error.errno is not None:
                raise
            raise self._damaged(str(error)) from None  # how gzip says that a checksum is wrong

    def _damaged(self, problem: str) -> InvalidExportError:
        return InvalidExportError(self.source, None, f"cannot be unpacked after line {self.line}: {problem}")

    def _error(self, problem: str) -> InvalidExportError:
        return InvalidExportError(self.source, self.line, problem)
