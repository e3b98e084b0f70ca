"""The tables as peewee models, made anew for each database so that nothing is shared between stores."""

from __future__ import annotations

from typing import Any

import peewee
from attrs import frozen

from moltnet_sql.dialect import Dialect

__all__ = ["Models", "make_models"]


@frozen
class Models:
    """The model classes of one database."""

    Room: Any
    RoomMember: Any
    Thread: Any
    DirectConversation: Any
    DMParticipant: Any
    Message: Any
    Artifact: Any
    Agent: Any


class TimeField(peewee.Field):
    """A time, as RFC 3339 text on our side; the dialect says how the engine keeps it."""

    field_type = "TEXT"

    def __init__(self, dialect: Dialect, **options: Any) -> None:
        super().__init__(**options)
        self.dialect = dialect

    def db_value(self, value: Any) -> Any:
        return None if value is None else self.dialect.bind_time(value)


def make_models(database: peewee.Database, dialect: Dialect) -> Models:
    """Model classes bound to a database."""
    text, count = peewee.TextField, peewee.IntegerField

    class Base(peewee.Model):
        class Meta:
            legacy_table_names = False
            schema = dialect.schema

    Base._meta.set_database(database)

    def time(**options: Any) -> TimeField:
        return TimeField(dialect, **options)

    class Room(Base):
        id = text(primary_key=True)
        network_id = text()
        fqid = text()
        name = text()
        created_at = time()
        deleted_at = time(null=True)
        visibility = text(default="private")
        write_policy = text(default="members")

        class Meta:
            table_name = "rooms"

    class RoomMember(Base):
        room_id = text()
        member_id = text()

        class Meta:
            table_name = "room_members"
            primary_key = peewee.CompositeKey("room_id", "member_id")

    class Thread(Base):
        id = text(primary_key=True)
        network_id = text()
        fqid = text()
        room_id = text()
        parent_message_id = text()
        message_count = count()
        last_message_at = time()

        class Meta:
            table_name = "threads"

    class DirectConversation(Base):
        dm_id = text(primary_key=True)
        network_id = text()
        fqid = text()
        message_count = count()
        last_message_at = time()

        class Meta:
            table_name = "dm_conversations"

    class DMParticipant(Base):
        dm_id = text()
        participant_id = text()

        class Meta:
            table_name = "dm_participants"
            primary_key = peewee.CompositeKey("dm_id", "participant_id")

    class Message(Base):
        id = text(primary_key=True)
        network_id = text()
        target_kind = text()
        room_id = text(null=True)
        thread_id = text(null=True)
        parent_message_id = text(null=True)
        dm_id = text(null=True)
        target_json = text()
        from_json = text()
        parts_json = text()
        mentions_json = text()
        created_at = time()
        origin_json = text(default="{}")

        class Meta:
            table_name = "messages"

    class Artifact(Base):
        id = text(primary_key=True)
        network_id = text()
        fqid = text()
        message_id = text()
        target_kind = text()
        room_id = text(null=True)
        thread_id = text(null=True)
        dm_id = text(null=True)
        target_json = text()
        part_index = count()
        kind = text()
        media_type = text(null=True)
        filename = text(null=True)
        url = text(null=True)
        created_at = time()

        class Meta:
            table_name = "artifacts"

    class Agent(Base):
        agent_id = text(primary_key=True)
        network_id = text()
        actor_uid = text()
        actor_uri = text()
        display_name = text(null=True)
        credential_key = text()
        created_at = time()
        updated_at = time()

        class Meta:
            table_name = "agents"

    return Models(Room, RoomMember, Thread, DirectConversation, DMParticipant, Message, Artifact, Agent)
