"""What the tests know of a store that the Go server wrote, whatever backend reads it.

Each backend's fixtures are a subclass, in a module of its own, which says where they are, how to place a copy, and what
lies in it beneath the packages.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from moltnet_core.paging import OnCorrupt

from .expected import Expected, Json, from_fed, from_served, settled

__all__ = ["FED", "SERVED", "Beneath", "Case", "Known"]


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


SERVED = Known("harbor", "general", "T.3", "m_3", "D.9", ("alpha", "gamma.v2", "epsilon-9"), "alpha", "design")
"""Of the stores that a server served."""
FED = Known("harbor", "clock", "th-mix", "c_0", "dm-remote", ("alpha", "beta"), "alpha", "ties")
"""Of the edge fixture."""


@dataclass(frozen=True)
class Beneath:
    """What is stored, looked at by nothing of the packages under test.

    :ivar counts: how many of each kind of record, by its name.
    :ivar messages: all of them, as JSON, with every stored digit of their times.
    :ivar rooms: the times of each room, by id, as its record has to give them.
    :ivar agents: the registrations, with their credential keys.
    """

    counts: Mapping[str, int]
    messages: list[Json]
    rooms: Mapping[str, Json]
    agents: list[Json]


@dataclass(frozen=True)
class Case(ABC):
    """A store that the Go server wrote.

    :ivar version: the schema version that it stands at, or that the server had which wrote it.
    :ivar source: what a copy is made of.
    :ivar truth: the ``served.json``, or for the edge fixture ``fed.jsonl``.
    """

    name: str
    version: int
    source: Path
    truth: Path
    known: Known

    keeps_conversations = True
    """Whether a DM's last time is stored, as the server left it, and not worked out from the messages."""

    time_digits = 9
    """How many digits of a second are stored."""

    @abstractmethod
    def place(self, folder: Path) -> str:
        """Put a copy into a folder (or wherever this backend keeps a test's stores); returns the URL that opens it."""

    @abstractmethod
    def beneath(self, folder: Path) -> Beneath:
        """What it holds. A copy of it is looked at in this folder, of its own."""

    @property
    def is_edge(self) -> bool:
        """Whether it was fed with what a server does not order well."""
        return self.truth.suffix == ".jsonl"

    @property
    def removed(self) -> tuple[str, int] | None:
        """The room that was removed, and how many messages its history has."""
        if self.version < 7:
            return None
        return ("gone", 4) if self.is_edge else ("Retired_1", 3)

    def expected(self, folder: Path) -> Expected:
        """What it must read as. A copy of it is looked at in a folder of its own."""
        if self.is_edge:
            fed = from_fed(self.fed())
            return fed if self.keeps_conversations else settled(fed)
        served = json.loads(self.truth.read_text(encoding="utf-8"))
        shown = {message["id"] for message in _served_messages(served)}
        stored = self.beneath(folder / "beneath").messages
        return from_served(served, [message for message in stored if message["id"] not in shown])

    @property
    def on_corrupt(self) -> OnCorrupt:
        """How to list all there is: PostgreSQL holds a time of the edge fixture that ``datetime`` cannot."""
        return "skip" if self.is_edge and self.time_digits < 9 else "raise"

    def fed(self) -> list[Json]:
        return [json.loads(line) for line in self.truth.read_text(encoding="utf-8").splitlines()]


def _served_messages(served: Json) -> list[Json]:
    listings = [*served["room_messages"].values(), *served["thread_messages"].values(), *served["dm_messages"].values()]
    return [message for found in listings if isinstance(found, list) for message in found]
