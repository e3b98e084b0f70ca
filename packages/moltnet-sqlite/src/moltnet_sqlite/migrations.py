"""SQLite's own migrations: the indexes in the order of the contract, which rows of the Go server need.

The server's indexes order times as text, and it trims trailing zeros. An index per kind of conversation also keeps a
room's page cheap when its threads hold a thousand times more. The Go server runs on beside them.
"""

from __future__ import annotations

from typing import Final

from moltnet_core.migrations import Migration
from moltnet_sql import server_migrations
from moltnet_sqlite.dialect import SQLiteDialect

__all__ = ["MIGRATIONS", "SERIES"]

SERIES: Final = "sqlite"


def _order_indexes() -> tuple[str, ...]:
    key = SQLiteDialect().time_key("created_at")
    order = f"{key}, message_id, part_index"
    messages = [
        f"CREATE INDEX moltnet_ext_messages_{kind} ON messages ({column}, {key}, id) WHERE target_kind = '{kind}'"
        for kind, column in (("room", "room_id"), ("thread", "thread_id"), ("dm", "dm_id"))
    ]
    artifacts = [
        f"CREATE INDEX moltnet_ext_artifacts_{kind} ON artifacts ({column}, {order}) WHERE {where}"
        for kind, column, where in (
            ("room", "room_id", "target_kind IN ('room', 'thread')"),
            ("thread", "thread_id", "target_kind = 'thread'"),
            ("dm", "dm_id", "target_kind = 'dm'"),
        )
    ]
    return (
        *messages,
        *artifacts,
        f"CREATE INDEX moltnet_ext_artifacts_all ON artifacts ({order})",
        "CREATE INDEX moltnet_ext_room_members_member ON room_members (member_id, room_id)",
        "CREATE INDEX moltnet_ext_agents_credential ON agents (credential_key, agent_id)",
    )


MIGRATIONS: Final = (
    *server_migrations("TEXT"),
    Migration.of_statements(
        SERIES,
        1,
        "order_indexes",
        _order_indexes(),
        passes_over=("messages", "artifacts", "members", "agents"),
    ),
)
