"""The Go server's schema versions 1 to 8, and the log in which versions are recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import peewee

from moltnet_core.errors import (
    CorruptStoreError,
    MigrationFailedError,
    MoltnetError,
    ReadOnlyStoreError,
    StorageFullError,
    StoreBusyError,
    StoreClosedError,
    StoreUnavailableError,
)
from moltnet_core.migrations import SERVER_SERIES, AppliedMigration, Migration
from moltnet_core.timestamps import format_time, now
from moltnet_sql.dialect import Dialect
from moltnet_sql.schema import EXTENSION_TABLE, VERSION_TABLE

__all__ = ["MigrationHandle", "SqlMigrationLog", "server_migrations"]


def server_migrations(time: str) -> tuple[Migration, ...]:
    """Versions 1 to 8.

    :param time: the engine's column type for times.
    """

    def step(version: int, name: str, *statements: str, passes_over: Sequence[str] = ()) -> Migration:
        return Migration.of_statements(SERVER_SERIES, version, name, statements, passes_over=passes_over)

    return (
        step(
            1,
            "initial_schema",
            f"""CREATE TABLE IF NOT EXISTS rooms (
                id TEXT PRIMARY KEY,
                network_id TEXT NOT NULL,
                fqid TEXT NOT NULL,
                name TEXT NOT NULL,
                created_at {time} NOT NULL
            )""",
            """CREATE TABLE IF NOT EXISTS room_members (
                room_id TEXT NOT NULL,
                member_id TEXT NOT NULL,
                PRIMARY KEY (room_id, member_id),
                FOREIGN KEY (room_id) REFERENCES rooms(id) ON DELETE CASCADE
            )""",
            f"""CREATE TABLE IF NOT EXISTS threads (
                id TEXT PRIMARY KEY,
                network_id TEXT NOT NULL,
                fqid TEXT NOT NULL,
                room_id TEXT NOT NULL,
                parent_message_id TEXT NOT NULL,
                message_count INTEGER NOT NULL,
                last_message_at {time} NOT NULL,
                FOREIGN KEY (room_id) REFERENCES rooms(id) ON DELETE CASCADE
            )""",
            f"""CREATE TABLE IF NOT EXISTS dm_conversations (
                dm_id TEXT PRIMARY KEY,
                network_id TEXT NOT NULL,
                fqid TEXT NOT NULL,
                message_count INTEGER NOT NULL,
                last_message_at {time} NOT NULL
            )""",
            f"""CREATE TABLE IF NOT EXISTS messages (
                id TEXT PRIMARY KEY,
                network_id TEXT NOT NULL,
                target_kind TEXT NOT NULL,
                room_id TEXT,
                thread_id TEXT,
                parent_message_id TEXT,
                dm_id TEXT,
                target_json TEXT NOT NULL,
                from_json TEXT NOT NULL,
                parts_json TEXT NOT NULL,
                mentions_json TEXT NOT NULL,
                created_at {time} NOT NULL,
                FOREIGN KEY (room_id) REFERENCES rooms(id) ON DELETE CASCADE,
                FOREIGN KEY (thread_id) REFERENCES threads(id) ON DELETE CASCADE,
                FOREIGN KEY (dm_id) REFERENCES dm_conversations(dm_id) ON DELETE CASCADE
            )""",
            """CREATE TABLE IF NOT EXISTS dm_participants (
                dm_id TEXT NOT NULL,
                participant_id TEXT NOT NULL,
                PRIMARY KEY (dm_id, participant_id),
                FOREIGN KEY (dm_id) REFERENCES dm_conversations(dm_id) ON DELETE CASCADE
            )""",
            f"""CREATE TABLE IF NOT EXISTS artifacts (
                id TEXT PRIMARY KEY,
                network_id TEXT NOT NULL,
                fqid TEXT NOT NULL,
                message_id TEXT NOT NULL,
                target_kind TEXT NOT NULL,
                room_id TEXT,
                thread_id TEXT,
                dm_id TEXT,
                target_json TEXT NOT NULL,
                part_index INTEGER NOT NULL,
                kind TEXT NOT NULL,
                media_type TEXT,
                filename TEXT,
                url TEXT,
                created_at {time} NOT NULL,
                FOREIGN KEY (message_id) REFERENCES messages(id) ON DELETE CASCADE,
                FOREIGN KEY (room_id) REFERENCES rooms(id) ON DELETE CASCADE,
                FOREIGN KEY (thread_id) REFERENCES threads(id) ON DELETE CASCADE,
                FOREIGN KEY (dm_id) REFERENCES dm_conversations(dm_id) ON DELETE CASCADE
            )""",
            "CREATE INDEX IF NOT EXISTS idx_messages_room ON messages (room_id, created_at, id)",
            "CREATE INDEX IF NOT EXISTS idx_messages_thread ON messages (thread_id, created_at, id)",
            "CREATE INDEX IF NOT EXISTS idx_messages_dm ON messages (dm_id, created_at, id)",
            "CREATE INDEX IF NOT EXISTS idx_threads_room ON threads (room_id, id)",
            "CREATE INDEX IF NOT EXISTS idx_artifacts_room ON artifacts (room_id, created_at, id)",
            "CREATE INDEX IF NOT EXISTS idx_artifacts_thread ON artifacts (thread_id, created_at, id)",
            "CREATE INDEX IF NOT EXISTS idx_artifacts_dm ON artifacts (dm_id, created_at, id)",
        ),
        step(2, "message_origin", "ALTER TABLE messages ADD COLUMN origin_json TEXT NOT NULL DEFAULT '{}'"),
        step(
            3,
            "global_paging_indexes",
            "CREATE INDEX IF NOT EXISTS idx_messages_created ON messages (created_at, id)",
            "CREATE INDEX IF NOT EXISTS idx_artifacts_created ON artifacts (created_at, id)",
            passes_over=("messages", "artifacts"),
        ),
        step(
            4,
            "thread_room_index_backfill",
            "CREATE INDEX IF NOT EXISTS idx_threads_room ON threads (room_id, id)",
            passes_over=("threads",),
        ),
        step(
            5,
            "agent_registry",
            f"""CREATE TABLE IF NOT EXISTS agents (
                agent_id TEXT PRIMARY KEY,
                network_id TEXT NOT NULL,
                actor_uid TEXT NOT NULL,
                actor_uri TEXT NOT NULL,
                display_name TEXT,
                credential_key TEXT NOT NULL,
                created_at {time} NOT NULL,
                updated_at {time} NOT NULL
            )""",
        ),
        step(
            6,
            "agent_credential_index",
            "CREATE INDEX IF NOT EXISTS idx_agents_credential_key ON agents (credential_key)",
            passes_over=("agents",),
        ),
        step(
            7,
            "soft_removed_rooms",
            f"ALTER TABLE rooms ADD COLUMN deleted_at {time}",
            "CREATE INDEX IF NOT EXISTS idx_rooms_deleted_at ON rooms (deleted_at)",
            passes_over=("rooms",),
        ),
        step(
            8,
            "room_access_policy",
            "ALTER TABLE rooms ADD COLUMN visibility TEXT NOT NULL DEFAULT 'private'",
            "ALTER TABLE rooms ADD COLUMN write_policy TEXT NOT NULL DEFAULT 'members'",
        ),
    )


_ENDS_TRANSACTIONS = frozenset({"BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT"})


class MigrationHandle:
    """What a migration's ``up`` is given: executes SQL inside the migration's transaction."""

    def __init__(self, database: peewee.Database) -> None:
        self._database = database

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        """Execute one statement.

        :param parameters: for the placeholders of the engine's driver (``?`` for SQLite, ``%s`` for PostgreSQL).
        :returns: the cursor, for a query's rows.
        :raises ValueError: it begins or ends a transaction.
        """
        words = sql.split(None, 1)
        if words and words[0].upper().rstrip(";") in _ENDS_TRANSACTIONS:
            raise ValueError(f"a migration is one transaction and may not use {words[0].upper()}")
        return self._database.execute_sql(sql, tuple(parameters))


class SqlMigrationLog:
    """Reads and records migrations: see :class:`moltnet_core.migrations.MigrationLog`.

    :param transaction: opens a transaction; with ``write=True`` one that nobody else writes beside.
    """

    def __init__(
        self,
        database: peewee.Database,
        dialect: Dialect,
        transaction: Callable[..., AbstractContextManager[peewee.Database]],
    ) -> None:
        self._database = database
        self._dialect = dialect
        self._transaction = transaction

    def read(self) -> Sequence[AppliedMigration]:
        """All recorded migrations of all series."""
        with self._transaction(write=False):
            return self._recorded()

    def apply(self, migration: Migration) -> bool:
        """Apply one migration in one transaction, unless it is recorded by then."""
        try:
            with self._transaction(write=True):
                self._dialect.lock_schema(self._database.execute_sql)
                self._create_tables()
                if any(
                    (step.series, step.version) == (migration.series, migration.version) for step in self._recorded()
                ):
                    return False
                migration.up(MigrationHandle(self._database))
                self._record(migration)
            return True
        except (
            ReadOnlyStoreError,
            StorageFullError,
            StoreBusyError,
            StoreClosedError,
            StoreUnavailableError,
        ):
            raise  # not the migration's fault
        except MoltnetError as error:
            if error.committed is None:
                raise  # it may have been applied: the next look at the log will tell
            raise _failed(migration, str(error)) from error
        except Exception as error:
            raise _failed(migration, f"it raised {type(error).__name__}") from error

    @contextmanager
    def exclusively(self, tables: Sequence[str]) -> Iterator[peewee.Database]:
        """A transaction during which nobody migrates, and nobody else writes to these tables."""
        with self._transaction(write=True) as database:
            self._dialect.lock_schema(self._database.execute_sql)
            locking = self._dialect.lock_tables(tables)
            if locking is not None:
                self._database.execute_sql(locking)
            yield database

    def _exists(self, table: str) -> bool:
        query, parameters = self._dialect.column_exists(table, "version")
        return self._database.execute_sql(query, parameters).fetchone() is not None

    def _recorded(self) -> list[AppliedMigration]:
        found = []
        if self._exists(VERSION_TABLE):
            rows = self._database.execute_sql(f"SELECT version, name FROM {VERSION_TABLE} ORDER BY version").fetchall()
            found += [AppliedMigration(SERVER_SERIES, version, name) for version, name in rows]
        if self._exists(EXTENSION_TABLE):
            rows = self._database.execute_sql(
                f"SELECT series, version, name, checksum FROM {EXTENSION_TABLE} ORDER BY series, version"
            ).fetchall()
            found += [AppliedMigration(*row) for row in rows]
        if not all(type(step.version) is int and type(step.name) is str for step in found):
            raise CorruptStoreError(
                f"the table {VERSION_TABLE} or {EXTENSION_TABLE} does not hold what it should; "
                "is this the database of another program?"
            )
        return found

    def _create_tables(self) -> None:
        time = self._dialect.time_type
        self._database.execute_sql(
            f"""CREATE TABLE IF NOT EXISTS {VERSION_TABLE} (
                version INTEGER PRIMARY KEY,
                name TEXT NOT NULL,
                applied_at {time} NOT NULL
            )"""
        )
        self._database.execute_sql(
            f"""CREATE TABLE IF NOT EXISTS {EXTENSION_TABLE} (
                series TEXT NOT NULL,
                version INTEGER NOT NULL,
                name TEXT NOT NULL,
                checksum TEXT NOT NULL,
                applied_at {time} NOT NULL,
                PRIMARY KEY (series, version)
            )"""
        )

    def _record(self, migration: Migration) -> None:
        values: dict[str, Any] = {
            "version": migration.version,
            "name": migration.name,
            "applied_at": self._dialect.bind_time(format_time(now())),
        }
        table = VERSION_TABLE
        if migration.series != SERVER_SERIES:
            table = EXTENSION_TABLE
            values |= {"series": migration.series, "checksum": migration.checksum}
        places = ", ".join(self._dialect.named.format(name) for name in values)
        self._database.execute_sql(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({places})", values)


def _failed(migration: Migration, problem: str) -> MigrationFailedError:
    return MigrationFailedError(migration.series, migration.version, migration.name, problem)
