"""What has to be true of a wheel and an sdist before anybody gets them."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Mapping
from email.message import Message
from email.parser import BytesParser
from pathlib import Path
from zipfile import ZipFile

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from releasing.distributions import ROOT, Distribution, distributions

__all__ = ["faults", "sdist_files", "wheel_files"]

Files = Mapping[str, bytes]

SDIST = {".gitignore", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml"}  # the builder wants the first itself
METADATA = {"METADATA", "RECORD", "WHEEL", "licenses/LICENSE"}


def wheel_files(path: Path) -> Files:
    """The files of a wheel."""
    with ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def sdist_files(path: Path) -> Files:
    """The files of an sdist; a name outside its one folder, or one that is no file, comes as it is and is a fault."""
    prefix = f"{path.name.removesuffix('.tar.gz')}/"
    found = {}
    with tarfile.open(path) as archive:
        for member in archive.getmembers():
            content = archive.extractfile(member)
            found[member.name.removeprefix(prefix)] = content.read() if content else b""
    return found


def faults(distribution: Distribution, version: str, wheel: Files, sdist: Files) -> list[str]:
    """What is wrong with the artifacts of a distribution, a line each."""
    info = f"{distribution.module}-{version}.dist-info/"
    metadata = wheel.get(f"{info}METADATA", b"")
    return [
        *_unlike(_wheel_expected(distribution, info), wheel, "wheel", made={f"{info}{name}" for name in METADATA}),
        *_unlike(_sdist_expected(distribution), sdist, "sdist", made=SDIST),
        *_licence(wheel.get(f"{info}licenses/LICENSE"), sdist.get("LICENSE")),
        *_metadata_faults(distribution, version, BytesParser().parsebytes(metadata)),
        *([] if sdist.get("PKG-INFO") == metadata else ["the sdist's PKG-INFO is not the wheel's METADATA"]),
    ]


def _sources(distribution: Distribution) -> dict[str, bytes]:
    """What the checkout has below ``src``, but for what tools leave there."""
    source = distribution.folder / "src"
    paths = {path.relative_to(source): path for path in source.rglob("*") if path.is_file()}
    return {
        name.as_posix(): path.read_bytes()
        for name, path in paths.items()
        if not any(part == "__pycache__" or part.startswith(".") for part in name.parts)
    }


def _wheel_expected(distribution: Distribution, info: str) -> dict[str, bytes]:
    expected = _sources(distribution)
    expected.setdefault(f"{distribution.module}/py.typed", b"")
    if distribution.is_found:
        expected[f"{info}entry_points.txt"] = b""  # written by the builder
    return expected


def _sdist_expected(distribution: Distribution) -> dict[str, bytes]:
    expected = {f"src/{name}": content for name, content in _sources(distribution).items()}
    for name in ("README.md", "pyproject.toml"):
        expected[name] = (distribution.folder / name).read_bytes()
    return expected


def _unlike(expected: Files, found: Files, kind: str, made: set[str]) -> Iterator[str]:
    """How the files differ from the checkout's; those that are ``made`` have to be there, with any content."""
    for name in sorted(found.keys() - expected.keys() - made):
        yield f"the {kind} has the stray file {name}"
    for name in sorted((expected.keys() | made) - found.keys()):
        yield f"the {kind} lacks {name}"
    for name in sorted(found.keys() & expected.keys()):
        if found[name] != expected[name] and not name.endswith("/entry_points.txt"):
            yield f"the {kind} has another {name} than the checkout"


def _licence(*copies: bytes | None) -> Iterator[str]:
    if set(copies) != {(ROOT / "LICENSE").read_bytes()}:
        yield "LICENSE is not the checkout's in both"


def _metadata_faults(distribution: Distribution, version: str, metadata: Message) -> Iterator[str]:
    expected = {"Name": distribution.name, "Version": version, "License-Expression": "MIT", "Requires-Python": ">=3.11"}
    for field, value in expected.items():
        if metadata[field] != value:
            yield f"{field} is {metadata[field]!r} and not {value!r}"
    if sorted(metadata.get_all("Provides-Extra", [])) != sorted(distribution.extras):
        yield "its extras are not those of pyproject.toml"
    if not str(metadata.get_payload()).strip():
        yield "it has no description"
    for text in metadata.get_all("Requires-Dist", []):
        yield from _bound_faults(Requirement(text), version)


def _bound_faults(requirement: Requirement, version: str) -> Iterator[str]:
    """A sibling is required from a version on and below the next that may break, and never exactly."""
    if canonicalize_name(requirement.name) not in distributions():
        return
    operators = sorted(bound.operator for bound in requirement.specifier)
    if operators != ["<", ">="]:
        yield f"{requirement} needs a lower and an upper bound, and no other"
    elif not requirement.specifier.contains(version, prereleases=True):
        yield f"{requirement} does not admit this release, {version}"
