"""What keeps the order of commits in the database: a table, filled by a trigger, that the first watch makes.

A row of the feed is a message's place: the epoch, the transaction that stored it, and its turn within that. Rows of a
transaction that is older than every running one never get a new neighbour before them, so what is read below that is
final. The server's own statements stay as they are, and never fail because of this: where the trigger cannot do its
work it counts a gap, which a watch closes (:mod:`moltnet_postgres.feed_making`).

An epoch lasts as long as the transaction ids that its rows hold mean something: a dump that is restored in another
cluster brings ids which mean nothing there, and the first message there begins the next epoch.
"""

from __future__ import annotations

from typing import Final

from attrs import frozen

from moltnet_postgres.dialect import FEED_TRIGGER, quoted

__all__ = ["CONVERSATION", "IDLE", "NO_SYSTEM", "SERIES", "SYSTEM", "VERSION", "WAITING", "FeedNames", "removing"]

SERIES: Final = "postgres_watch"
"""Under which it is recorded beside the migrations."""

VERSION: Final = 1

SYSTEM: Final = "(SELECT system_identifier FROM pg_control_system())"
"""SQL of what tells one cluster from another."""

NO_SYSTEM: Final = "0::bigint"
"""The same where the role may not know."""

_SINCE: Final = "pg_postmaster_start_time(), pg_snapshot_xmin(pg_current_snapshot())"
_LOCK: Final = 715308742  # the first half of a key; the second is the table's

IDLE, WAITING = 1, 2
"""The values of ``waiting``: whether somebody wants to be told of the next message."""


@frozen
class FeedNames:
    """The names of the feed's objects in one schema, as SQL.

    :param schema: its name.
    """

    schema: str

    def _named(self, name: str) -> str:
        return f"{quoted(self.schema)}.{quoted(name)}"

    @property
    def messages(self) -> str:
        """The server's table."""
        return self._named("messages")

    @property
    def feed(self) -> str:
        """The places of messages."""
        return self._named("moltnet_ext_feed")

    @property
    def epochs(self) -> str:
        """The epochs, of which the last is the present one.

        ``system`` is the cluster, as far as is known since the server was ``started`` at that time. The feed holds all
        messages since the transaction ``began``, but for gaps, of which so many as ``mended`` says were seen to.
        """
        return self._named("moltnet_ext_feed_epochs")

    @property
    def gaps(self) -> str:
        """A sequence that counts how often the trigger failed. No transaction's end takes that back."""
        return self._named("moltnet_ext_feed_gaps")

    @property
    def gap_count(self) -> str:
        """How far that has counted."""
        return f"(SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {self.gaps})"

    @property
    def waiting(self) -> str:
        """A sequence that is :data:`WAITING` while somebody waits to be told. All see it at once."""
        return self._named("moltnet_ext_feed_waiting")

    @property
    def function(self) -> str:
        """The trigger's."""
        return self._named("moltnet_ext_feed")

    # -- making it -----------------------------------------------------------------------------------

    def making(self, system: str) -> tuple[str, ...]:
        """The statements that make it, or what is missing of it. They end with the trigger, which waits for writers.

        :param system: SQL of the cluster's identifier.
        """
        return (
            f"""CREATE TABLE IF NOT EXISTS {self.feed} (
                message_id TEXT PRIMARY KEY,
                conversation TEXT NOT NULL,
                epoch INTEGER NOT NULL,
                xid XID8 NOT NULL,
                turn BIGINT NOT NULL GENERATED ALWAYS AS IDENTITY
            )""",
            f"CREATE INDEX IF NOT EXISTS moltnet_ext_feed_order ON {self.feed} (epoch, xid, turn)",
            f"""CREATE TABLE IF NOT EXISTS {self.epochs} (
                epoch INTEGER PRIMARY KEY,
                system BIGINT NOT NULL,
                started TIMESTAMPTZ NOT NULL,
                began XID8 NOT NULL,
                mended BIGINT NOT NULL
            )""",
            f"CREATE SEQUENCE IF NOT EXISTS {self.gaps}",
            f"CREATE SEQUENCE IF NOT EXISTS {self.waiting}",
            self._function(system),
            f"REVOKE ALL ON FUNCTION {self.function}() FROM PUBLIC",
            self._granting(),
            # It waits until whoever has written messages without it is done, and from then on none is without it.
            f"""CREATE OR REPLACE TRIGGER {FEED_TRIGGER} AFTER INSERT ON {self.messages}
                REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION {self.function}()""",
            f"""INSERT INTO {self.epochs} (epoch, system, started, began, mended)
                SELECT coalesce((SELECT max(epoch) FROM {self.feed}), 0) + 1, {system}, {_SINCE}, {self.gap_count}
                WHERE NOT EXISTS (SELECT FROM {self.epochs})""",
        )

    def _function(self, system: str) -> str:
        body = f"""
            DECLARE
                present integer;
                known bigint;
                here bigint;
                since timestamptz;
                is_other boolean;
            BEGIN
                BEGIN
                    SELECT epochs.epoch, epochs.system, epochs.started INTO present, known, since
                    FROM {self.epochs} AS epochs ORDER BY epochs.epoch DESC LIMIT 1;
                    IF since IS DISTINCT FROM pg_postmaster_start_time() THEN
                        -- Which cluster this is may have changed. Whoever sees that notes it, and nobody waits for it.
                        here := {system};
                        is_other := known IS DISTINCT FROM here;
                        present := CASE WHEN is_other THEN coalesce(present, 0) + 1 ELSE present END;
                        BEGIN
                            IF NOT is_other THEN
                                UPDATE {self.epochs} SET started = pg_postmaster_start_time() WHERE epoch = (
                                    SELECT epoch FROM {self.epochs} WHERE epoch = present FOR UPDATE SKIP LOCKED);
                            ELSIF pg_try_advisory_xact_lock({_LOCK}, TG_RELID::integer) THEN
                                INSERT INTO {self.epochs} (epoch, system, started, began, mended)
                                SELECT present, here, {_SINCE}, {self.gap_count} ON CONFLICT (epoch) DO NOTHING;
                            END IF;
                        EXCEPTION WHEN OTHERS THEN
                            NULL;
                        END;
                    END IF;
                    INSERT INTO {self.feed} AS feed (message_id, conversation, epoch, xid)
                    SELECT id, {CONVERSATION}, present, pg_current_xact_id() FROM added
                    ON CONFLICT (message_id) DO UPDATE
                    SET conversation = excluded.conversation, epoch = present, xid = excluded.xid, turn = DEFAULT;
                EXCEPTION WHEN OTHERS THEN
                    RAISE LOG USING MESSAGE = 'moltnet: a message has no place in the feed yet: ' || SQLSTATE;
                    BEGIN
                        PERFORM nextval('{_literal(self.gaps)}');
                    EXCEPTION WHEN OTHERS THEN
                        NULL;
                    END;
                END;
                BEGIN
                    -- A notification makes commits wait for each other. So only the first message is told of after
                    -- somebody began to wait; and none where it could make a commit fail.
                    IF (SELECT last_value FROM {self.waiting}) = {WAITING}
                        AND current_setting('max_prepared_transactions') = '0' AND pg_notification_queue_usage() < 0.5
                    THEN
                        PERFORM setval('{_literal(self.waiting)}', {IDLE});
                        PERFORM pg_notify('moltnet_ext_feed_' || TG_RELID, '');
                    END IF;
                EXCEPTION WHEN OTHERS THEN
                    NULL;
                END;
                RETURN NULL;
            END """
        return f"""
            CREATE OR REPLACE FUNCTION {self.function}() RETURNS trigger LANGUAGE plpgsql
            SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s' AS {_body(body)}"""

    def _granting(self) -> str:
        """Who may read the messages may follow them."""
        body = f"""
            DECLARE
                reader text;
            BEGIN
                FOR reader IN
                    SELECT DISTINCT CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END
                    FROM pg_class, aclexplode(coalesce(relacl, acldefault('r', relowner)))
                    WHERE oid = '{_literal(self.messages)}'::regclass AND privilege_type = 'SELECT'
                LOOP
                    EXECUTE 'GRANT SELECT ON {_literal(self.feed)}, {_literal(self.epochs)} TO ' || reader;
                    EXECUTE 'GRANT SELECT ON SEQUENCE {_literal(self.gaps)} TO ' || reader;
                    EXECUTE 'GRANT SELECT, UPDATE ON SEQUENCE {_literal(self.waiting)} TO ' || reader;
                END LOOP;
            END """
        return f"DO {_body(body)}"


CONVERSATION: Final = (
    "coalesce(CASE target_kind WHEN 'thread' THEN thread_id WHEN 'dm' THEN dm_id ELSE room_id END, '')"
)
"""SQL of the conversation of a message: its id, whatever its kind is."""


def _literal(name: str) -> str:
    return name.replace("'", "''")


def _body(text: str) -> str:
    """A function's body, quoted by something that does not stand in it: a schema's name may hold anything."""
    tag = "$moltnet$"
    while tag in text:
        tag = f"{tag[:-1]}_$"
    return f"{tag}{text}{tag}"


def removing(schema: str = "public") -> tuple[str, ...]:
    """The statements that take it away again; messages stay."""
    names = FeedNames(schema)
    return (
        f"DROP TRIGGER IF EXISTS {FEED_TRIGGER} ON {names.messages}",
        f"DROP FUNCTION IF EXISTS {names.function}()",
        f"DROP TABLE IF EXISTS {names.feed}, {names.epochs}",
        f"DROP SEQUENCE IF EXISTS {names.gaps}, {names.waiting}",
        f"DELETE FROM {quoted(schema)}.moltnet_ext_migrations WHERE series = '{SERIES}'",
    )
