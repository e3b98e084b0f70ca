"""``Manifest``: what a backup says of itself, in the file ``manifest.json`` beside its data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final, Literal, get_args

import attrs
from attrs import frozen

from moltnet_core.errors import InvalidBackupError, ValidationError
from moltnet_core.store import Store
from moltnet_core.timestamps import format_time, now
from moltnet_core.transfer.digest import StoreDigest
from moltnet_core.transfer.progress import Work

__all__ = ["MANIFEST", "Form", "Manifest", "hash_file", "software_of"]

MANIFEST: Final = "manifest.json"
_FORMAT: Final = "moltnet-backup"
_VERSION: Final = 1
_PIECE: Final = 1 << 20

Form = Literal["file", "export"]
"""``file``: a file of the backend's own, put back by one rename. ``export``: lines of JSON, loaded."""


@frozen
class Manifest:
    """What a backup is and holds.

    :param backend: the backend of the store.
    :param form: what its data is.
    :param file: the name of the data's file, beside the manifest.
    :param size: its bytes.
    :param sha256: of its bytes, in hexadecimal.
    :param digest: of the records in it, with the count of each kind; ``None`` of a file that was not verified when it
        was made.
    :param corrupt: stored records that cannot be decoded. A ``file`` holds them as they were; from an ``export`` they
        are missing.
    :param schema: the version of each series of migrations.
    :param software: versions of what made it, by distribution.
    :param created_at: when it was begun, RFC 3339: it holds everything that was acknowledged before.
    """

    backend: str
    form: Form
    file: str
    size: int
    sha256: str
    digest: StoreDigest | None
    corrupt: int
    schema: Mapping[str, int]
    software: Mapping[str, str]
    created_at: str = attrs.field(factory=lambda: format_time(now()))

    def to_json(self) -> dict[str, Any]:
        """As one JSON object."""
        data = attrs.asdict(self, recurse=False)
        data["digest"] = self.digest.to_json() if self.digest is not None else None
        return {"format": _FORMAT, "version": _VERSION, **data}

    def write(self, folder: Path) -> None:
        """Into a backup's folder, not synced."""
        (folder / MANIFEST).write_text(json.dumps(self.to_json(), indent=2) + "\n", "utf-8")

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Of a backup.

        :raises InvalidBackupError: there is none, or it cannot be used.
        """
        try:
            data = json.loads((folder / MANIFEST).read_text("utf-8"))
        except OSError as error:
            raise InvalidBackupError(
                str(folder), f"it has no {MANIFEST} that can be read ({error.strerror}); a backup is a folder with one"
            ) from None
        except (ValueError, RecursionError):
            raise InvalidBackupError(str(folder), f"its {MANIFEST} is not JSON") from None
        try:
            return cls._of(data)
        except (LookupError, TypeError, ValueError, ValidationError) as error:
            raise InvalidBackupError(str(folder), f"its {MANIFEST} cannot be used: {error}") from None

    @classmethod
    def _of(cls, data: Any) -> Manifest:
        if type(data) is not dict or data.get("format") != _FORMAT or type(data.get("version")) is not int:
            raise ValueError(f'expected an object with "format": "{_FORMAT}" and a version')
        if data["version"] > _VERSION:
            raise ValueError(f"it is of version {data['version']}, and this software knows up to {_VERSION}")
        digest = data["digest"]
        found = cls(
            **{name: data[name] for name in attrs.fields_dict(cls) if name != "digest"},
            digest=StoreDigest.from_json(digest) if digest is not None else None,
        )
        texts = (found.backend, found.file, found.sha256, found.created_at)
        if not all(type(text) is str for text in texts) or type(found.size) is not int:
            raise ValueError("a value has the wrong type")
        if found.form not in get_args(Form) or Path(found.file).name != found.file or found.file in ("", ".", ".."):
            raise ValueError("form or file is not what it can be")
        return found


def hash_file(path: Path, work: Work) -> str:
    """The SHA-256 of a file, in hexadecimal.

    :raises CancelledError: the work was called off.
    """
    work.begin("hash", path.stat().st_size, "bytes")
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            found.update(piece)
            work.step(len(piece))
    return found.hexdigest()


def software_of(store: Store) -> dict[str, str]:
    """Versions of what a store runs on, by distribution, and its engine in its own words."""
    found = {}
    for name in ("moltnet-core", f"moltnet-{store.backend.name}"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    engine = store.describe().get("engine")
    return found | ({"engine": engine} if engine else {})
