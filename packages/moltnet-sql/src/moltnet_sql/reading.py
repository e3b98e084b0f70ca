"""Reads listings and single things through a session."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import peewee
from attrs import field, frozen

from moltnet_core.derivation import member_summary
from moltnet_core.driver import Lookup
from moltnet_core.errors import CorruptRecordError, InvalidCursorError
from moltnet_core.listings import (
    Agents,
    Artifacts,
    DirectConversations,
    DMMessages,
    Listing,
    Members,
    RoomMessages,
    Rooms,
    ThreadMessages,
    Threads,
)
from moltnet_core.records import Counts, RecordKind
from moltnet_core.types import Room, Start
from moltnet_sql.models import Models
from moltnet_sql.rows import Rows
from moltnet_sql.scanning import Scan, make_scan
from moltnet_sql.schema import TABLES
from moltnet_sql.session import Session
from moltnet_sql.statements import PageQueries, Statements

__all__ = ["BY_TIME", "Reader", "Tools"]

_KEYS_AT_ONCE: Final = 500

BY_TIME: Final = (RoomMessages, ThreadMessages, DMMessages, Artifacts)
"""Listings ordered by time, whose cursors are items of theirs; the others are ordered by id."""


@frozen
class Tools:
    """What readers and writers of one store share.

    :param scan: all messages; ``scan_after`` those after one of them.
    :param by_ids: SQL that was made once, by what it is for.
    """

    models: Models
    rows: Rows
    statements: Statements
    scan: Scan = field(init=False)
    scan_after: Scan = field(init=False)
    by_ids: dict[tuple[RecordKind, int, bool], str] = field(factory=dict, eq=False)

    @scan.default
    def _scan(self) -> Scan:
        return make_scan(self.rows.dialect, after=False)

    @scan_after.default
    def _scan_after(self) -> Scan:
        return make_scan(self.rows.dialect, after=True)

    def columns(self, model: Any) -> list[Any]:
        """A model's columns in the order of :data:`moltnet_sql.schema.TABLES`, times as the dialect fetches them."""
        select_time = self.rows.dialect.select_time
        return [
            peewee.SQL(select_time(column)) if column.endswith("_at") else getattr(model, column)
            for column in TABLES[model._meta.table_name]
        ]

    def columns_and_many(self, model: Any) -> list[Any]:
        """The same, and behind them the members of a room or participants of a DM, where one query can fetch them."""
        columns = self.columns(model)
        if self.rows.dialect.gather is not None and model in (self.models.Room, self.models.DirectConversation):
            many, owner, value = self.many_of(model)
            query = many.select(value).where(owner == model._meta.primary_key)
            columns.append(getattr(peewee.fn, self.rows.dialect.gather)(query))
        return columns

    def many_of(self, model: Any) -> tuple[Any, Any, Any]:
        """What a room or a DM has many of: a model, and its fields for the owner and for the value."""
        if model is self.models.Room:
            member = self.models.RoomMember
            return member, member.room_id, member.member_id
        participant = self.models.DMParticipant
        return participant, participant.dm_id, participant.participant_id

    def by_code_point(self, column: str) -> peewee.SQL:
        """A text column that orders and compares by code point."""
        return peewee.SQL(self.rows.dialect.by_code_point(column))


def _chunks(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    """As many keys at once as every engine takes for parameters."""
    for start in range(0, len(keys), _KEYS_AT_ONCE):
        yield keys[start : start + _KEYS_AT_ONCE]


def _page(query: Any, key: peewee.SQL, before: str | None, after: str | Start | None, limit: int) -> tuple[Any, bool]:
    """A page of a query ordered by a text key, and whether its rows come backwards."""
    if after is not None:
        if not isinstance(after, Start):
            query = query.where(key > after)
        return query.order_by(key.asc()).limit(limit), False
    if before is not None:
        query = query.where(key < before)
    return query.order_by(key.desc()).limit(limit), True


class Reader:
    """Reads through one session, and so from one state if the session is in a transaction."""

    def __init__(self, session: Session, tools: Tools) -> None:
        self._session = session
        self._tools = tools
        self._models = tools.models
        self._rows = tools.rows

    # -- listings ------------------------------------------------------------------------------------

    def read(self, listing: Listing, before: str | None, after: str | Start | None, limit: int) -> list[Any]:
        """See :meth:`moltnet_core.driver.Driver.read`. A bad cursor gives no rows: see :meth:`require_cursor`."""
        models = self._models
        match listing:
            case RoomMessages() | ThreadMessages() | DMMessages() | Artifacts():
                return self._read_by_time(listing, before, after, limit)
            case Rooms():
                query = models.Room.select(*self._tools.columns_and_many(models.Room)).where(
                    self._is_live("deleted_at")
                )
                return self._rooms(self._by_id(query, "id", before, after, limit))
            case Threads(room_id):
                query = models.Thread.select(*self._tools.columns(models.Thread)).where(
                    models.Thread.room_id == room_id
                )
                rows = self._by_id(query, "id", before, after, limit)
                return [self._rows.decoded("threads", self._rows.thread, row) for row in rows]
            case DirectConversations():
                query = models.DirectConversation.select(*self._tools.columns_and_many(models.DirectConversation))
                return self._dms(self._by_id(query, "dm_id", before, after, limit))
            case Agents():
                query = models.Agent.select(*self._tools.columns(models.Agent))
                rows = self._by_id(query, "agent_id", before, after, limit)
                return [self._rows.decoded("agents", self._rows.agent, row) for row in rows]
            case Members():
                member, room = models.RoomMember, models.Room
                live = room.select(peewee.SQL("1")).where(room.id == member.room_id, self._is_live("deleted_at"))
                # Some engines want what DISTINCT rows are ordered by among what is selected, to the letter.
                query = member.select(self._tools.by_code_point("member_id")).distinct().where(peewee.fn.EXISTS(live))
                return self._members([row[0] for row in self._by_id(query, "member_id", before, after, limit)])

    def require_cursor(self, listing: Listing, before: str | None, after: str | Start | None) -> None:
        """:raises InvalidCursorError: the listing's cursors are items of it, and this one is none."""
        cursor = before if before is not None else after
        if not isinstance(cursor, str) or not isinstance(listing, BY_TIME):
            return
        queries, scope, _, _ = self._of_listing(listing)
        if not self._session.fetch(queries.find, scope | {"cursor": cursor}):
            raise InvalidCursorError(cursor)

    def _of_listing(self, listing: Listing) -> tuple[PageQueries, dict[str, Any], str, Callable[..., Any]]:
        messages, artifacts = self._tools.statements.messages, self._tools.statements.artifacts
        match listing:
            case RoomMessages(key):
                return messages["room"], {"scope": key}, "messages", self._rows.message
            case ThreadMessages(key):
                return messages["thread"], {"scope": key}, "messages", self._rows.message
            case DMMessages(key):
                return messages["dm"], {"scope": key}, "messages", self._rows.message
            case Artifacts(chosen):
                for kind, named in (("room", chosen.room_id), ("thread", chosen.thread_id), ("dm", chosen.dm_id)):
                    if named is not None:
                        return artifacts[kind], {"scope": named}, "artifacts", self._rows.artifact
                return artifacts["all"], {}, "artifacts", self._rows.artifact
        raise TypeError(f"{type(listing).__name__} is not ordered by time")

    def _read_by_time(self, listing: Listing, before: str | None, after: str | Start | None, limit: int) -> list[Any]:
        queries, parameters, table, read = self._of_listing(listing)
        if before is not None:
            statements, parameters["cursor"] = queries.before, before
        elif after is None:
            statements = queries.newest
        elif isinstance(after, Start):
            statements = queries.oldest
        else:
            statements, parameters["cursor"] = queries.after, after
        rows: list[Sequence[Any]] = []
        for statement in statements:
            parameters["limit"] = limit - len(rows)
            rows += self._session.fetch(statement, parameters)
            if len(rows) == limit:
                break
        if after is None:
            rows.reverse()
        return self._rows.decoded_page(table, read, rows)

    def _by_id(
        self, query: Any, key: str, before: str | None, after: str | Start | None, limit: int
    ) -> list[Sequence[Any]]:
        page, backwards = _page(query, self._tools.by_code_point(key), before, after, limit)
        rows = self._session.fetch_query(page)
        if backwards:
            rows.reverse()
        return rows

    def _is_live(self, column: str) -> peewee.SQL:
        """Of rooms that were not removed. Most were not: an index on the column would only cost the order."""
        return peewee.SQL(f"{self._rows.dialect.unindexed(column)} IS NULL")

    def _rooms(self, rows: Sequence[Sequence[Any]]) -> list[Any]:
        return [
            self._rows.decoded("rooms", self._rows.room, row, members)
            for row, members in self._with_many(self._models.Room, rows)
        ]

    def _dms(self, rows: Sequence[Sequence[Any]]) -> list[Any]:
        return [
            self._rows.decoded("dm_conversations", self._rows.dm, row, participants)
            for row, participants in self._with_many(self._models.DirectConversation, rows)
        ]

    def _with_many(self, model: Any, rows: Sequence[Sequence[Any]]) -> list[tuple[Sequence[Any], list[Any]]]:
        """Rows of rooms or DMs, selected by :meth:`Tools.columns_and_many`, with their members or participants."""
        if self._rows.dialect.gather is not None:
            return [(row, row[-1]) for row in rows]
        groups: defaultdict[Any, list[Any]] = defaultdict(list)
        many, owner, value = self._tools.many_of(model)
        for some in _chunks([row[0] for row in rows if isinstance(row[0], str)]):
            for key, item in self._session.fetch_query(many.select(owner, value).where(owner.in_(some))):
                groups[key].append(item)
        return [(row, groups[row[0]]) for row in rows]

    def _members(self, member_ids: Sequence[Any]) -> list[Any]:
        texts = [member_id for member_id in member_ids if isinstance(member_id, str)]
        member, room = self._models.RoomMember, self._models.Room
        query = (
            member.select(member.member_id, room.id, room.network_id)
            .join(room, on=(member.room_id == room.id))
            .where(self._tools.by_code_point("member_id").in_(texts), room.deleted_at.is_null())
        )
        rooms: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
        for member_id, room_id, network_id in self._session.fetch_query(query):
            rooms[member_id].append((room_id, network_id))
        found: list[Any] = []
        for member_id in member_ids:
            if not isinstance(member_id, str):
                found.append(CorruptRecordError("room_members", repr(member_id), "member_id is not a text"))
            elif rooms[member_id]:
                found.append(
                    self._rows.decoded("room_members", lambda row: member_summary(*row), (member_id, rooms[member_id]))
                )
        return found

    # -- single things -------------------------------------------------------------------------------

    def get(self, lookup: Lookup, key: str) -> Any:
        """See :meth:`moltnet_core.driver.Driver.get`."""
        found = self._find(lookup, key)
        if not found:
            return None
        if isinstance(found[0], CorruptRecordError):
            raise found[0]
        return found[0]

    def _find(self, lookup: Lookup, key: str) -> list[Any]:
        models, decoded = self._models, self._rows.decoded
        match lookup:
            case Lookup.ROOM:
                return self._rooms(self._by_key(models.Room, models.Room.id == key, models.Room.deleted_at.is_null()))
            case Lookup.MESSAGE:
                rows = self._by_key(models.Message, models.Message.id == key)
                return [decoded("messages", self._rows.message, row) for row in rows]
            case Lookup.THREAD:
                rows = self._by_key(models.Thread, models.Thread.id == key)
                return [decoded("threads", self._rows.thread, row) for row in rows]
            case Lookup.DM:
                return self._dms(self._by_key(models.DirectConversation, models.DirectConversation.dm_id == key))
            case Lookup.AGENT:
                rows = self._by_key(models.Agent, models.Agent.agent_id == key)
                return [decoded("agents", self._rows.agent, row) for row in rows]
            case Lookup.CREDENTIAL:
                if not key:
                    return []
                agent = models.Agent
                query = agent.select(*self._tools.columns(agent)).where(agent.credential_key == key)
                rows = self._session.fetch_query(query.order_by(self._tools.by_code_point("agent_id")).limit(1))
                return [decoded("agents", self._rows.agent, row) for row in rows]
            case Lookup.MEMBER:
                return self._members([key])

    def _by_key(self, model: Any, *conditions: Any) -> list[Sequence[Any]]:
        return self._session.fetch_query(model.select(*self._tools.columns_and_many(model)).where(*conditions))

    def room(self, room_id: str) -> Room:
        """A room that is known to be there."""
        found: Room = self.get(Lookup.ROOM, room_id)
        return found

    def messages(self, ids: Iterable[str]) -> dict[str, Any]:
        """The messages of some ids, by id; a ``CorruptRecordError`` where one cannot be decoded."""
        found = {}
        for some in _chunks(list(ids)):
            for row in self._session.fetch(self._of_ids(RecordKind.MESSAGE, len(some)), some):
                found[row[0]] = self._rows.decoded("messages", self._rows.message, row)
        return found

    # -- records -------------------------------------------------------------------------------------

    def records(self, kind: RecordKind, ids: Iterable[str]) -> dict[str, Any]:
        """The stored records of some ids, by id; a ``CorruptRecordError`` where one cannot be decoded."""
        found = {}
        for some in _chunks(list(ids)):
            for row, record in self._decode_records(kind, self._session.fetch(self._of_ids(kind, len(some)), some)):
                found[row[0]] = record
        return found

    def stored(self, kind: RecordKind, ids: Iterable[str]) -> set[str]:
        """Those of the ids under which a record is stored."""
        found: set[str] = set()
        for some in _chunks(list(ids)):
            found.update(row[0] for row in self._session.fetch(self._of_ids(kind, len(some), whole=False), some))
        return found

    def _of_ids(self, kind: RecordKind, count: int, *, whole: bool = True) -> str:
        """SQL for the rows of so many ids, or only for the ids that are there."""
        known = self._tools.by_ids
        sql = known.get((kind, count, whole))
        if sql is None:
            model, key = self._record_table(kind)
            query = model.select(*(self._tools.columns_and_many(model) if whole else (key,)))
            sql = query.where(key.in_([""] * count)).sql()[0]
            if count == _KEYS_AT_ONCE:
                known[kind, count, whole] = sql
        return sql

    def records_after(self, kind: RecordKind, after: str | None, limit: int) -> list[Any]:
        """The next records of a kind that is ordered by id."""
        model, key = self._record_table(kind)
        query = model.select(*self._tools.columns_and_many(model))
        rows = self._by_id(query, key.column_name, None, Start.START if after is None else after, limit)
        return [record for _, record in self._decode_records(kind, rows)]

    def _record_table(self, kind: RecordKind) -> tuple[Any, Any]:
        models = self._models
        return {
            RecordKind.ROOM: (models.Room, models.Room.id),
            RecordKind.AGENT: (models.Agent, models.Agent.agent_id),
            RecordKind.THREAD: (models.Thread, models.Thread.id),
            RecordKind.DM: (models.DirectConversation, models.DirectConversation.dm_id),
            RecordKind.MESSAGE: (models.Message, models.Message.id),
        }[kind]

    def _decode_records(self, kind: RecordKind, rows: Sequence[Sequence[Any]]) -> list[tuple[Sequence[Any], Any]]:
        read, table = {
            RecordKind.ROOM: (self._rows.room_record, "rooms"),
            RecordKind.AGENT: (self._rows.agent_record, "agents"),
            RecordKind.THREAD: (self._rows.thread_record, "threads"),
            RecordKind.DM: (self._rows.dm_record, "dm_conversations"),
            RecordKind.MESSAGE: (self._rows.message_record, "messages"),
        }[kind]
        if kind in (RecordKind.ROOM, RecordKind.DM):
            pairs = self._with_many(self._record_table(kind)[0], rows)
            return [(row, self._rows.decoded(table, read, row, many)) for row, many in pairs]
        return [(row, self._rows.decoded(table, read, row)) for row in rows]

    # -- counts --------------------------------------------------------------------------------------

    def counts(self) -> Counts:
        """How much is stored."""
        return Counts(*self._session.fetch(self._tools.statements.counts)[0])
