"""Every fault that can be made in a sound store, what must be found of it, and whether it is repaired."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import frozen

__all__ = ["IN_JSON", "IN_SQL", "JSONFault", "SQLFault"]

Expected = dict[tuple[str, str], list[str]]
Json = dict[str, Any]

_EARLY, _LATE = "2020-01-01T00:00:00.000000000Z", "2090-01-01T00:00:00.000000000Z"


@frozen
class SQLFault:
    """A fault in a database.

    :param statements: make it.
    :param expected: the ids by code and kind; nothing else may be found.
    :param only: the one engine on which it can be made.
    """

    name: str
    statements: tuple[str, ...]
    expected: Expected
    only: str | None = None


def _sql(name: str, expected: Expected, *statements: str, only: str | None = None) -> SQLFault:
    return SQLFault(name, statements, expected, only)


IN_SQL = [
    _sql(
        "thread-count",
        {("counter-drift", "thread"): ["t1"]},
        "UPDATE threads SET message_count = 7",
    ),
    _sql(
        "dm-count",
        {("counter-drift", "dm"): ["d1"]},
        "UPDATE dm_conversations SET message_count = 0",
    ),
    _sql(
        "thread-count-no-number",
        {("counter-drift", "thread"): ["t1"], ("undecodable-conversation", "thread"): ["t1"]},
        "UPDATE threads SET message_count = 'many'",
        only="sqlite",
    ),
    _sql(
        "last-too-early",
        {("last-message-drift", "thread"): ["t1"], ("last-message-drift", "dm"): ["d1"]},
        f"UPDATE threads SET last_message_at = '{_EARLY}'",
        f"UPDATE dm_conversations SET last_message_at = '{_EARLY}'",
    ),
    _sql(
        "last-too-late",
        {("last-message-drift", "thread"): ["t1"]},
        f"UPDATE threads SET last_message_at = '{_LATE}'",
    ),
    _sql(
        "last-no-time",
        {("last-message-drift", "thread"): ["t1"], ("undecodable-conversation", "thread"): ["t1"]},
        "UPDATE threads SET last_message_at = 'yesterday'",
        only="sqlite",
    ),
    _sql(
        "artifact-missing",
        {("artifact-missing", "artifact"): ["art_m2_0", "art_d_2_0"]},
        "DELETE FROM artifacts WHERE id IN ('art_m2_0', 'art_d_2_0')",
    ),
    _sql(
        "artifact-different",
        {("artifact-different", "artifact"): ["art_m2_0"]},
        "UPDATE artifacts SET url = 'https://example.org/b' WHERE id = 'art_m2_0'",
    ),
    _sql(
        "artifact-undecodable",
        {("artifact-different", "artifact"): ["art_m2_0"]},
        "UPDATE artifacts SET target_json = '[' WHERE id = 'art_m2_0'",
    ),
    _sql(
        "artifact-elsewhere",
        {("artifact-different", "artifact"): ["art_m2_0"]},
        "UPDATE artifacts SET room_id = 'other' WHERE id = 'art_m2_0'",
    ),
    _sql(
        "artifact-stray",
        {("artifact-stray", "artifact"): ["art_m2_1"]},
        """INSERT INTO artifacts SELECT 'art_m2_1', network_id, fqid, message_id, target_kind, room_id, thread_id,
           dm_id, target_json, 1, kind, media_type, filename, url, created_at FROM artifacts WHERE id = 'art_m2_0'""",
    ),
    _sql(
        "participant-missing",
        {("participant-missing", "dm"): ["d1"]},
        "DELETE FROM dm_participants WHERE participant_id = 'bob'",
    ),
    _sql(
        "participant-stray",
        {("participant-stray", "dm"): ["d1"]},
        "INSERT INTO dm_participants VALUES ('d1', 'mallory')",
    ),
    _sql(
        "message-undecodable",
        {("undecodable", "message"): ["m4"]},
        "UPDATE messages SET parts_json = '[' WHERE id = 'm4'",
    ),
    _sql(
        "message-with-artifacts-undecodable",
        {("undecodable", "message"): ["m2"]},
        "UPDATE messages SET from_json = '[]' WHERE id = 'm2'",
    ),
    _sql(
        "dm-message-undecodable",
        {("undecodable", "message"): ["d_1"]},
        "UPDATE messages SET mentions_json = '{}' WHERE id = 'd_1'",
    ),
    _sql(
        "message-time-undecodable",
        {("undecodable", "message"): ["m1"]},
        "UPDATE messages SET created_at = 'yesterday' WHERE id = 'm1'",
        only="sqlite",
    ),
    _sql(
        "message-not-utf8",
        {("undecodable", "message"): ["m1"]},
        "UPDATE messages SET parts_json = CAST(x'5b22ff225d' AS TEXT) WHERE id = 'm1'",
        only="sqlite",
    ),
    _sql(
        "message-time-too-late",
        {("undecodable", "message"): ["m1"]},
        "UPDATE messages SET created_at = 'infinity' WHERE id = 'm1'",
        only="postgres",
    ),
    _sql(
        "agent-undecodable",
        {("undecodable", "agent"): ["alice"]},
        "UPDATE agents SET updated_at = 'x' WHERE agent_id = 'alice'",
        only="sqlite",
    ),
    _sql(
        "agent-time-too-late",
        {("undecodable", "agent"): ["alice"]},
        "UPDATE agents SET updated_at = 'infinity' WHERE agent_id = 'alice'",
        only="postgres",
    ),
    _sql(
        "room-undecodable",
        {("undecodable-conversation", "room"): ["other"]},
        "UPDATE rooms SET created_at = 'x' WHERE id = 'other'",
        only="sqlite",
    ),
    _sql(
        "room-time-too-late",
        {("undecodable-conversation", "room"): ["other"]},
        "UPDATE rooms SET created_at = '-infinity' WHERE id = 'other'",
        only="postgres",
    ),
    _sql(
        "columns-differ",
        {("columns-differ", "message"): ["m1", "o1"]},
        "UPDATE messages SET room_id = 'other' WHERE id = 'm1'",
        "UPDATE messages SET target_kind = 'odd' WHERE id = 'o1'",
    ),
    _sql(
        "room-gone",
        {("orphan", "message"): ["o1"], ("orphan", "member"): ["alice", "bob"]},
        "DELETE FROM rooms WHERE id = 'other'",
    ),
    _sql(
        "thread-gone",
        {("orphan", "message"): ["m3", "m4"]},
        "DELETE FROM threads",
    ),
    _sql(
        "dm-gone",
        {("orphan", "message"): ["d_1", "d_2"], ("orphan", "participant"): ["alice", "bob"]},
        "DELETE FROM dm_conversations",
    ),
    _sql(
        "thread-rooms",
        {("thread-rooms", "thread"): ["t1"]},
        """UPDATE messages SET room_id = 'other', target_json = replace(target_json, '"general"', '"other"')
           WHERE id = 'm4'""",
    ),
    _sql(
        "appended-after-removal",
        {("appended-after-removal", "message"): ["g1"]},
        f"UPDATE messages SET created_at = '{_LATE}' WHERE id = 'g1'",
    ),
    _sql(
        "unsortable-time",
        {("unsortable-time", "message"): ["m1"], ("unsortable-time", "room"): ["other"]},
        "UPDATE messages SET created_at = '2026-01-01T00:00:00+02:00' WHERE id = 'm1'",
        "UPDATE rooms SET created_at = '2026-01-01T00:00:00-01:30' WHERE id = 'other'",
        only="sqlite",
    ),
    _sql(
        "short-time",
        {("short-time", "message"): ["m1"], ("short-time", "agent"): ["alice"]},
        "UPDATE messages SET created_at = '2026-01-01T00:00:00.5Z' WHERE id = 'm1'",
        "UPDATE agents SET updated_at = '2026-01-01T00:00:00Z'",
        only="sqlite",
    ),
    _sql(
        "odd-ids",
        {("odd-id", "room"): ["a room"], ("odd-id", "member"): ["a member"]},
        f"INSERT INTO rooms (id, network_id, fqid, name, created_at) VALUES ('a room', 'net', '', '', '{_EARLY}')",
        "INSERT INTO room_members VALUES ('general', 'a member')",
    ),
    _sql(
        "index-missing",
        {("index-missing", "index"): ["idx_messages_room", "moltnet_ext_messages_room"]},
        "DROP INDEX idx_messages_room",
        "DROP INDEX moltnet_ext_messages_room",
    ),
    _sql(
        "index-different",
        {("index-different", "index"): ["idx_messages_room"]},
        "DROP INDEX idx_messages_room",
        "CREATE INDEX idx_messages_room ON messages (created_at, room_id)",
    ),
    _sql(
        "index-whole",
        {("index-different", "index"): ["moltnet_ext_messages_dm"]},
        "DROP INDEX moltnet_ext_messages_dm",
        "CREATE INDEX moltnet_ext_messages_dm ON messages (dm_id, rtrim(created_at, 'Z0.'), id)",
        only="sqlite",
    ),
    _sql(
        "column-type",
        {("column-type", "schema"): ["messages.parts_json", "threads.message_count"]},
        "ALTER TABLE messages ALTER COLUMN parts_json TYPE varchar(5000)",
        "ALTER TABLE threads ALTER COLUMN message_count TYPE bigint",
        only="postgres",
    ),
    _sql(
        "column-type-of-rooms",
        {
            ("column-type", "schema"): ["room_members.member_id"],
            ("index-missing", "index"): ["moltnet_ext_room_members_member"],  # it went with the old table
        },
        "ALTER TABLE room_members RENAME TO old",
        """CREATE TABLE room_members (room_id TEXT NOT NULL, member_id BLOB NOT NULL, PRIMARY KEY (room_id, member_id),
            FOREIGN KEY (room_id) REFERENCES rooms(id) ON DELETE CASCADE)""",
        "INSERT INTO room_members SELECT * FROM old",
        "DROP TABLE old",
        only="sqlite",
    ),
    _sql(
        "foreign-key-missing",
        {("foreign-key-missing", "schema"): ["threads.room_id"]},
        "ALTER TABLE threads DROP CONSTRAINT threads_room_id_fkey",
        only="postgres",
    ),
    _sql(
        "foreign-key-not-checked",
        {("foreign-key-missing", "schema"): ["threads.room_id"]},
        "ALTER TABLE threads DROP CONSTRAINT threads_room_id_fkey",
        "ALTER TABLE threads ADD FOREIGN KEY (room_id) REFERENCES rooms (id) NOT VALID",
        only="postgres",
    ),
    _sql(
        "foreign-key-missing-of-participants",
        {("foreign-key-missing", "schema"): ["dm_participants.dm_id"]},
        "ALTER TABLE dm_participants RENAME TO old",
        "CREATE TABLE dm_participants (dm_id TEXT NOT NULL, participant_id TEXT, PRIMARY KEY (dm_id, participant_id))",
        "INSERT INTO dm_participants SELECT * FROM old",
        "DROP TABLE old",
        only="sqlite",
    ),
    _sql(
        "unique-index",
        {("unique-index", "schema"): ["one_room"]},
        "CREATE UNIQUE INDEX one_room ON rooms (name, id)",
    ),
    _sql(
        "trigger",
        {("trigger", "schema"): ["watcher"]},
        "CREATE TRIGGER watcher AFTER INSERT ON messages BEGIN SELECT 1; END",
        only="sqlite",
    ),
    _sql(
        "newer-schema",
        {("newer-schema", "schema"): ["moltnet"]},
        f"INSERT INTO schema_migrations VALUES (9, 'later', '{_EARLY}')",
    ),
]


@frozen
class JSONFault:
    """A fault in a snapshot; as :class:`SQLFault`."""

    name: str
    change: Callable[[Json], object]
    expected: Expected


def _late(content: Json) -> None:
    content["removed_rooms"]["gone"] = _EARLY


def _elsewhere(content: Json) -> None:
    content["thread_messages"]["t1"][1]["target"]["room_id"] = "other"


def _odd(content: Json) -> None:
    content["rooms"]["a room"] = {"id": "a room", "network_id": "net", "name": "", "created_at": _EARLY}
    content["rooms"]["general"]["members"].append("a member")


def _one_too_many(content: Json) -> None:
    """A message of a room cannot be read, and a thread counts one more than it has."""
    content["room_messages"]["general"][0]["parts"] = 5
    content["threads"]["t1"]["message_count"] = 3


def _noted(content: Json) -> None:
    """A DM of which the extension holds what does not follow from its messages, and a message that cannot be read."""
    content["moltnet_ext"]["dms"] = {"d1": {"network_id": "far", "fqid": "molt://far/dms/d1", "message_count": 2}}
    content["direct_messages"]["d1"][0]["parts"] = 5


IN_JSON = [
    JSONFault(
        "thread-count",
        lambda content: content["threads"]["t1"].update(message_count=7),
        {("counter-drift", "thread"): ["t1"]},
    ),
    JSONFault(
        "last-too-early",
        lambda content: content["threads"]["t1"].update(last_message_at=_EARLY, message_count=1),
        {("counter-drift", "thread"): ["t1"], ("last-message-drift", "thread"): ["t1"]},
    ),
    JSONFault(
        "last-too-late",
        lambda content: content["threads"]["t1"].update(last_message_at=_LATE),
        {("last-message-drift", "thread"): ["t1"]},
    ),
    JSONFault(
        "participant-missing",
        lambda content: content["direct_members"]["d1"].pop("bob"),
        {("participant-missing", "dm"): ["d1"]},
    ),
    JSONFault(
        "participants-missing",
        lambda content: content["direct_members"].pop("d1"),
        {("participant-missing", "dm"): ["d1"]},
    ),
    JSONFault(
        "participant-stray",
        lambda content: content["direct_members"]["d1"].update(mallory={}),
        {("participant-stray", "dm"): ["d1"]},
    ),
    JSONFault(
        "message-undecodable",
        lambda content: content["thread_messages"]["t1"][1].update(parts=5),
        {("undecodable", "message"): ["m4"]},
    ),
    JSONFault(
        "message-twice",
        lambda content: content["room_messages"]["other"].append(content["room_messages"]["other"][0]),
        {("undecodable", "message"): ["room_messages[other][1]"]},
    ),
    JSONFault(
        "message-of-no-shape",
        lambda content: content["room_messages"]["general"].insert(0, "text"),
        {("undecodable", "message"): ["room_messages[general][0]"]},
    ),
    JSONFault(
        "message-undecodable-elsewhere",
        _one_too_many,
        {("undecodable", "message"): ["m1"], ("counter-drift", "thread"): ["t1"]},
    ),
    JSONFault("dm-message-undecodable", _noted, {("undecodable", "message"): ["d_1"]}),
    JSONFault(
        "agent-undecodable",
        lambda content: content["agents"]["alice"].update(created_at="x"),
        {("undecodable", "agent"): ["alice"]},
    ),
    JSONFault(
        "room-undecodable",
        lambda content: content["rooms"]["other"].update(created_at="x"),
        {("undecodable-conversation", "room"): ["other"]},
    ),
    JSONFault(
        "room-gone",
        lambda content: content["rooms"].pop("other"),
        {("orphan", "room"): ["other"]},
    ),
    JSONFault(
        "thread-gone",
        lambda content: content["threads"].pop("t1"),
        {("orphan", "thread"): ["t1"]},
    ),
    JSONFault(
        "dm-gone",
        lambda content: content["direct_messages"].pop("d1"),
        {("orphan", "dm"): ["d1"]},
    ),
    JSONFault("thread-rooms", _elsewhere, {("thread-rooms", "thread"): ["t1"]}),
    JSONFault("appended-after-removal", _late, {("appended-after-removal", "message"): ["g1"]}),
    JSONFault("odd-ids", _odd, {("odd-id", "room"): ["a room"], ("odd-id", "member"): ["a member"]}),
]
