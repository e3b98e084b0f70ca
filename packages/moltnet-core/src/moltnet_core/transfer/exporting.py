"""``export_store``: everything that a store holds, as of one moment, as lines of JSON."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from attrs import frozen

from moltnet_core.errors import CorruptRecordError, ValidationError
from moltnet_core.events import logged
from moltnet_core.files import give_name, storage_errors, sync
from moltnet_core.paging import OnCorrupt, check_on_corrupt
from moltnet_core.records import LOAD_ORDER
from moltnet_core.store import Store
from moltnet_core.transfer.comparing import readable
from moltnet_core.transfer.digest import StoreDigest
from moltnet_core.transfer.format import ExportHeader, ExportWriter
from moltnet_core.transfer.progress import Cancelled, OnProgress, Work, records_in
from moltnet_core.transfer.workplace import workplace

__all__ = ["ExportResult", "check_destination", "export_store", "new_export", "write_export"]

_BUFFER = 1 << 20
_COMPRESSION = 6


@frozen
class ExportResult:
    """What an export did.

    :param digest: of what was written, with the count of each kind. Without credentials it differs from the store's.
    :param credentials_left_out: agents whose credential key was left out.
    :param skipped: stored records that cannot be decoded, and were left out.
    """

    digest: StoreDigest
    credentials_left_out: int = 0
    skipped: int = 0


@logged("export")
def export_store(
    store: Store,
    destination: str | os.PathLike[str] | BinaryIO,
    *,
    with_credentials: bool = False,
    overwrite: bool = False,
    on_corrupt: OnCorrupt = "raise",
    on_progress: OnProgress | None = None,
    cancelled: Cancelled | None = None,
) -> ExportResult:
    """Write everything that a store holds, as of one moment, as lines of JSON (``docs/export-format.md``).

    A file appears under its name when it is whole and on the disk, with mode 0600; before that there is nothing.

    :param destination: a path, compressed if it ends in ``.gz``; or a binary stream, which stays open.
    :param with_credentials: include the agents' credential keys, which are secrets. Without them an import makes agents
        that nobody can act as until each is given a credential by :meth:`Store.reconcile_agent`.
    :param overwrite: replace a file that exists.
    :param on_corrupt: with ``"skip"`` stored records that cannot be decoded are left out and counted.
    :raises ValidationError: the file exists and is not to be overwritten, or its folder does not.
    :raises CorruptRecordError: a stored record cannot be decoded, and ``on_corrupt`` is ``"raise"``.
    :raises StorageFullError: no space is left for the file.
    :raises CancelledError: it was called off; there is no file.
    :raises OSError: the stream cannot be written.
    """
    work = Work(on_progress, cancelled)
    if not isinstance(destination, str | os.PathLike):
        return write_export(store, destination, work, with_credentials=with_credentials, on_corrupt=on_corrupt)
    with new_export(Path(destination), overwrite=overwrite) as stream:
        return write_export(store, stream, work, with_credentials=with_credentials, on_corrupt=on_corrupt)


def write_export(
    store: Store, stream: BinaryIO, work: Work, *, with_credentials: bool, on_corrupt: OnCorrupt
) -> ExportResult:
    """:func:`export_store` to a stream."""
    check_on_corrupt(on_corrupt)
    skipped: list[str] = []

    def skip(error: CorruptRecordError) -> None:
        if on_corrupt == "raise":
            raise error
        skipped.append(error.record_id)

    work.begin("export", records_in(store.counts()))
    with store.snapshot() as view:
        writer = ExportWriter(stream, ExportHeader(store.backend.name, store.backend.time_digits, with_credentials))
        for kind in LOAD_ORDER:
            for record in readable(view, kind, work, skip):
                writer.write(record)
    digest = writer.finish(len(skipped))
    stream.flush()
    return ExportResult(digest, writer.credentials_left_out, len(skipped))


def check_destination(destination: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """See that an export may be written to a path.

    :returns: where its file will be.
    :raises ValidationError: the file exists and is not to be overwritten, or its folder does not exist.
    """
    path = Path(destination)
    path = (path.resolve() if overwrite else path).absolute()  # a link that is overwritten stays one
    there = os.path.lexists(path)
    if there and not overwrite:
        raise ValidationError("destination", f"{path} exists already; choose another name, or overwrite it")
    if there and not path.is_file():
        raise ValidationError("destination", f"{path} is not a regular file; choose another name")
    if not path.parent.is_dir():
        raise ValidationError("destination", f"the folder {path.parent} does not exist; create it")
    return path


@contextmanager
def new_export(path: Path, *, overwrite: bool = False) -> Iterator[BinaryIO]:
    """A stream into a file that gets its name when the block has ended well."""
    path = check_destination(path, overwrite=overwrite)
    there = os.path.lexists(path)
    with storage_errors("the export", path.parent):
        try:
            with workplace(path) as folder:
                temporary = folder / path.name
                flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_CLOEXEC", 0)
                descriptor = os.open(temporary, flags, 0o600)
                with os.fdopen(descriptor, "wb", buffering=_BUFFER) as raw:
                    if path.suffix == ".gz":
                        with gzip.GzipFile("", "wb", _COMPRESSION, raw, mtime=0) as packed:
                            yield cast("BinaryIO", packed)
                    else:
                        yield raw
                sync(temporary)
                if there:
                    temporary.replace(path)
                else:
                    give_name(temporary, path)
                sync(path.parent)
        except KeyboardInterrupt as error:
            error.add_note(f"nothing was written to {path}")
            raise
        except FileExistsError:
            raise ValidationError("destination", f"{path} was created by somebody else meanwhile") from None
