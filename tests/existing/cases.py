"""The table of existing stores: how to place a copy of each, which URL opens it, and what it must read as.

Another backend's fixtures become cases by one more class with ``place`` and ``expected``, and go through the same
tests.
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from . import raw
from .expected import Expected, Json, from_fed, from_served
from .locations import find_fixtures

__all__ = ["CASES", "EDGE", "Case", "Known", "fresh", "url_of"]


@dataclass(frozen=True)
class Known:
    """Some ids that a store holds, to write beside."""

    network: str
    room: str
    thread: str
    parent: str | None
    dm: str
    participants: tuple[str, ...]
    agent: str
    removable: str


_SERVED = Known("harbor", "general", "T.3", "m_3", "D.9", ("alpha", "gamma.v2", "epsilon-9"), "alpha", "design")
_FED = Known("harbor", "clock", "th-mix", "c_0", "dm-remote", ("alpha", "beta"), "alpha", "ties")


def url_of(path: Path, query: str = "") -> str:
    return f"sqlite:///{path}{query}"


@dataclass(frozen=True)
class Case:
    """A SQLite database that the Go server wrote.

    :ivar version: the schema version that it stands at.
    :ivar source: the database; ``-wal`` may lie beside it.
    :ivar truth: the ``served.json``, or for the edge fixture ``fed.jsonl``.
    """

    name: str
    version: int
    source: Path
    truth: Path
    known: Known

    def place(self, folder: Path) -> str:
        """Put a copy into a folder; returns the URL that opens it."""
        return url_of(self.database(folder))

    def database(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "moltnet.db"
        for suffix in ("", "-wal"):
            source = self.source.with_name(self.source.name + suffix)
            if source.exists():
                shutil.copyfile(source, path.with_name(path.name + suffix))
        return path

    @property
    def has_wal(self) -> bool:
        return self.source.with_name(self.source.name + "-wal").exists()

    def expected(self, folder: Path) -> Expected:
        """What it must read as. A copy of it is looked at in a folder of its own."""
        if self.truth.suffix == ".jsonl":
            return from_fed(self.fed())
        served = json.loads(self.truth.read_text(encoding="utf-8"))
        shown = {message["id"] for message in _served_messages(served)}
        stored = raw.messages(self.database(folder / "beneath"))
        return from_served(served, [message for message in stored if message["id"] not in shown])

    def fed(self) -> list[Json]:
        return [json.loads(line) for line in self.truth.read_text(encoding="utf-8").splitlines()]


def _served_messages(served: Json) -> list[Json]:
    listings = [*served["room_messages"].values(), *served["thread_messages"].values(), *served["dm_messages"].values()]
    return [message for found in listings if isinstance(found, list) for message in found]


def _cases(fixtures: Path | None) -> list[Case]:
    if fixtures is None:
        return []
    found = []
    for path in sorted(fixtures.glob("sqlite/v*.db")):
        match = re.fullmatch(r"v(\d+)\.db", path.name)
        if match is not None:
            found.append(Case(path.stem, int(match[1]), path, path.with_suffix(".served.json"), _SERVED))
    killed, edge = fixtures / "sqlite" / "v8-killed", fixtures / "edge"
    return [
        *found,
        Case("v8-killed", 8, killed / "moltnet.db", killed / "served.json", _SERVED),
        Case("edge", 8, edge / "edge.db", edge / "fed.jsonl", _FED),
    ]


def fresh(folder: Path) -> Path:
    """Where a database goes that this project makes anew."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "fresh.db"


CASES = _cases(find_fixtures())
EDGE = [case for case in CASES if case.name == "edge"]
