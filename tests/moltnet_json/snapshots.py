"""Short ways to make snapshot files and to look at them beneath the package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

from moltnet_conformance.building import message, room
from moltnet_core import Store, open_store

__all__ = ["TIME", "opened", "read", "stored_message", "stored_room", "url_of", "with_messages", "write"]

TIME = "2026-01-01T00:00:05.5Z"


def url_of(path: Path, **query: object) -> str:
    """The URL of a snapshot, whatever characters its name has."""
    options = "&".join(f"{key}={value}" for key, value in query.items())
    return f"json:///{quote(str(path))}" + (f"?{options}" if options else "")


def opened(path: Path, **query: object) -> Store:
    return open_store(url_of(path, **query), environ={})


def write(path: Path, content: Any) -> bytes:
    """Put a file there; anything but bytes as JSON, with white space, as a person would."""
    found = content if isinstance(content, bytes) else json.dumps(content, indent=1).encode()
    path.write_bytes(found)
    return found


def read(path: Path) -> Any:
    return json.loads(path.read_bytes())


def with_messages(path: Path, count: int = 2) -> None:
    """A snapshot with a room of so many messages, closed."""
    with opened(path) as store:
        store.create_room(room("general", members=["ann"]))
        store.append_messages([message(f"m{number}", second=number) for number in range(count)])


# -- what a server might have written ------------------------------------------------------------------


def stored_room(room_id: str = "general", **fields: Any) -> dict[str, Any]:
    found = {"id": room_id, "network_id": "net", "fqid": f"molt://net/rooms/{room_id}", "name": room_id}
    return found | {"members": ["ann"], "created_at": TIME} | fields


def stored_message(own_id: str, target: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"id": own_id, "network_id": "net", "origin": {"network_id": "net", "message_id": own_id}}
    found["target"] = target or {"kind": "room", "room_id": "general"}
    found |= {"from": {"type": "agent", "id": "ann"}, "parts": [{"kind": "text", "text": f"text of {own_id}"}]}
    return found | {"created_at": TIME} | fields
