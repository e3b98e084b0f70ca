"""What has to agree in a database: messages with their artifacts, participants and counters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.moltnet_postgres.support import Place
from tests.moltnet_sqlite.support import a_message, dm_message, integrity, query, thread_message

from moltnet_core import Message, Part

ARTIFACTS = {"room": 2, "thread": 1, "dm": 2}
"""How many artifacts each message that :func:`a_message_of` makes has."""


def a_message_of(kind: str, message_id: str) -> Message:
    """A message with artifacts; of ten threads and ten DMs, by its id's last digit."""
    if kind == "room":
        return a_message(
            message_id, "hello " * 20, parts=(Part("file", filename="a"), Part("url", url="https://a.b/c"))
        )
    if kind == "thread":
        return thread_message(message_id, f"topic-{message_id[-1]}")
    return dm_message(message_id, f"pair-{message_id[-1]}")


CHECKS = {
    "messages without all their artifacts": """
        SELECT m.id FROM messages m LEFT JOIN artifacts a ON a.message_id = m.id
        GROUP BY m.id HAVING count(a.id) != CASE m.target_kind WHEN 'thread' THEN 1 ELSE 2 END""",
    "artifacts without a message": "SELECT id FROM artifacts WHERE message_id NOT IN (SELECT id FROM messages)",
    "threads that count wrong": """
        SELECT t.id FROM threads t LEFT JOIN messages m ON m.thread_id = t.id
        GROUP BY t.id HAVING t.message_count != count(m.id) OR t.last_message_at != max(m.created_at)""",
    "DMs that count wrong": """
        SELECT d.dm_id FROM dm_conversations d LEFT JOIN messages m ON m.dm_id = d.dm_id
        GROUP BY d.dm_id HAVING d.message_count != count(m.id) OR d.last_message_at != max(m.created_at)""",
    "DMs without their participants": """
        SELECT d.dm_id FROM dm_conversations d LEFT JOIN dm_participants p ON p.dm_id = d.dm_id
        GROUP BY d.dm_id HAVING count(p.participant_id) != 2""",
    "half batches": """
        SELECT substr(id, 1, length(id) - 2) AS batch FROM messages WHERE substr(id, length(id) - 1, 1) = ':'
        GROUP BY 1 HAVING count(*) != 5""",
}


def partial(path: Path) -> dict[str, list[Any]]:
    """What is only half there. Empty when all is well."""
    found = {name: [row[0] for row in query(path, sql)] for name, sql in CHECKS.items()}
    found["what SQLite's own checks find"] = integrity(path)
    return {name: items for name, items in found.items() if items}


def partial_in(place: Place) -> dict[str, list[Any]]:
    """The same in PostgreSQL."""
    found = {name: [row[0] for row in place.query(sql)] for name, sql in CHECKS.items()}
    return {name: items for name, items in found.items() if items}


def stored(path: Path) -> set[str]:
    """Ids of all messages."""
    return {row[0] for row in query(path, "SELECT id FROM messages")}


def a_batch(name: str) -> Sequence[Message]:
    """Five messages that are appended together."""
    kinds = ("room", "thread", "dm", "thread", "room")
    return [a_message_of(kind, f"{name}:{number}") for number, kind in enumerate(kinds)]
