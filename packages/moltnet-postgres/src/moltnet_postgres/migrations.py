"""PostgreSQL's own migrations: the indexes in the order of the contract.

The server's indexes order ids by the database's collation; the contract orders them by code point. An index per kind
of conversation also keeps a room's page cheap when its threads hold a thousand times more. The Go server runs on beside
them.
"""

from __future__ import annotations

from typing import Final

from moltnet_core.migrations import Migration
from moltnet_sql import server_migrations

__all__ = ["MIGRATIONS", "SERIES"]

SERIES: Final = "postgres"


def _order_indexes() -> tuple[str, ...]:
    places = 'created_at, message_id COLLATE "C", part_index'
    messages = [
        f'CREATE INDEX moltnet_ext_messages_{kind} ON messages ({column}, created_at, id COLLATE "C") '
        f"WHERE target_kind = '{kind}'"
        for kind, column in (("room", "room_id"), ("thread", "thread_id"), ("dm", "dm_id"))
    ]
    artifacts = [
        f"CREATE INDEX moltnet_ext_artifacts_{kind} ON artifacts ({column}, {places}) WHERE {where}"
        for kind, column, where in (
            ("room", "room_id", "target_kind IN ('room', 'thread')"),
            ("thread", "thread_id", "target_kind = 'thread'"),
            ("dm", "dm_id", "target_kind = 'dm'"),
        )
    ]
    return (
        *messages,
        *artifacts,
        f"CREATE INDEX moltnet_ext_artifacts_all ON artifacts ({places})",
        'CREATE INDEX moltnet_ext_rooms_live ON rooms (id COLLATE "C") WHERE deleted_at IS NULL',
        'CREATE INDEX moltnet_ext_threads_room ON threads (room_id, id COLLATE "C")',
        'CREATE INDEX moltnet_ext_dms ON dm_conversations (dm_id COLLATE "C")',
        'CREATE INDEX moltnet_ext_room_members_member ON room_members (member_id COLLATE "C", room_id)',
        'CREATE INDEX moltnet_ext_agents ON agents (agent_id COLLATE "C")',
        'CREATE INDEX moltnet_ext_agents_credential ON agents (credential_key, agent_id COLLATE "C")',
    )


MIGRATIONS: Final = (
    *server_migrations("TIMESTAMPTZ"),
    Migration.of_statements(
        SERIES,
        1,
        "order_indexes",
        _order_indexes(),
        passes_over=("messages", "artifacts", "members", "agents", "rooms", "threads", "dms"),
    ),
)
