"""The SQLite databases among the fixtures."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from . import raw
from .case import FED, SERVED, Beneath, Case
from .locations import find_fixtures

__all__ = ["DATABASES", "SQLiteCase", "fresh", "url_of"]

_TABLES = {"room": "rooms", "agent": "agents", "thread": "threads", "dm": "dm_conversations", "message": "messages"}
_AGENT = ("agent_id", "network_id", "actor_uid", "actor_uri", "display_name", "credential_key")


def url_of(path: Path, query: str = "") -> str:
    return f"sqlite:///{path}{query}"


def fresh(folder: Path) -> Path:
    """Where a database goes that this project makes anew."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "fresh.db"


@dataclass(frozen=True)
class SQLiteCase(Case):
    """A database; ``-wal`` may lie beside it."""

    def place(self, folder: Path) -> str:
        return url_of(self.database(folder))

    def database(self, folder: Path) -> Path:
        """Put a copy into a folder; returns its path."""
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

    def beneath(self, folder: Path) -> Beneath:
        path = self.database(folder)
        tables, removal = dict(_TABLES), "deleted_at"
        if self.version < 5:
            del tables["agent"]
        if self.version < 7:
            removal = "NULL"
        rooms = raw.rows(path, f"SELECT id, created_at, {removal} FROM rooms")
        agents = raw.rows(path, f"SELECT {', '.join(_AGENT)} FROM agents") if "agent" in tables else []
        return Beneath(
            {kind: raw.rows(path, f"SELECT count(*) FROM {table}")[0][0] for kind, table in tables.items()},
            raw.messages(path),
            {
                key: {"created_at": created} | ({"removed_at": removed} if removed else {})
                for key, created, removed in rooms
            },
            [dict(zip(_AGENT, row, strict=True)) for row in agents],
        )


def _found(fixtures: Path | None) -> Iterator[SQLiteCase]:
    if fixtures is None:
        return
    for path in sorted(fixtures.glob("sqlite/v*.db")):
        match = re.fullmatch(r"v(\d+)\.db", path.name)
        if match is not None:
            yield SQLiteCase(
                f"sqlite-{path.stem}", int(match[1]), path, path.with_name(f"{path.stem}.served.json"), SERVED
            )
    killed, edge = fixtures / "sqlite" / "v8-killed", fixtures / "edge"
    yield SQLiteCase("sqlite-v8-killed", 8, killed / "moltnet.db", killed / "served.json", SERVED)
    yield SQLiteCase("sqlite-edge", 8, edge / "edge.db", edge / "fed.jsonl", FED)


DATABASES = list(_found(find_fixtures()))
