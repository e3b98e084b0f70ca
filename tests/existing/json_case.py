"""The JSON snapshots among the fixtures."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .case import FED, SERVED, Beneath, Case
from .expected import Json
from .locations import find_fixtures

__all__ = ["SNAPSHOTS", "JSONCase"]

_NO_TIME = "0001-01-01T00:00:00.000000000Z"
_LISTS = ("room_messages", "thread_messages", "direct_messages")


@dataclass(frozen=True)
class JSONCase(Case):
    """A snapshot file."""

    keeps_conversations = False

    def place(self, folder: Path) -> str:
        return f"json:///{self.snapshot(folder)}"

    def snapshot(self, folder: Path) -> Path:
        """Put a copy into a folder; returns its path."""
        folder.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copyfile(self.source, folder / "data.json"))

    def beneath(self, folder: Path) -> Beneath:
        stored = json.loads(self.source.read_text(encoding="utf-8"))
        messages: list[Json] = [each for name in _LISTS for found in stored[name].values() for each in found]
        rooms = {key: {"created_at": room["created_at"]} for key, room in stored["rooms"].items()}
        for key, time in stored.get("removed_rooms", {}).items():
            rooms[key] = {"created_at": _NO_TIME, "removed_at": time}
        counts = {
            "room": len(rooms),
            "agent": len(stored["agents"]),
            "thread": len(stored["threads"]),
            "dm": len(stored["direct_messages"]),
            "message": len(messages),
        }
        return Beneath(counts, messages, rooms, list(stored["agents"].values()))


def _found(fixtures: Path | None) -> Iterator[JSONCase]:
    if fixtures is None:
        return
    for path in sorted(fixtures.glob("json/v*.json")):
        match = re.fullmatch(r"v(\d+)\.json", path.name)
        if match is not None:
            yield JSONCase(f"json-{path.stem}", int(match[1]), path, path.with_suffix(".served.json"), SERVED)
    edge = fixtures / "edge"
    yield JSONCase("json-edge", 8, edge / "edge.json", edge / "fed.jsonl", FED)


SNAPSHOTS = list(_found(find_fixtures()))
