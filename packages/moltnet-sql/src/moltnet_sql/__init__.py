"""What the SQL backends of the Moltnet storage system share: tables, queries, rows, migrations, the driver.

It is no backend by itself, and knows no engine but through a :class:`~moltnet_sql.dialect.Dialect`.
"""

from moltnet_sql.database import QuietLogMixin, transaction
from moltnet_sql.dialect import Dialect
from moltnet_sql.driver import SqlDriver
from moltnet_sql.migrations import MigrationHandle, SqlMigrationLog, server_migrations
from moltnet_sql.session import Session

__all__ = [
    "Dialect",
    "MigrationHandle",
    "QuietLogMixin",
    "Session",
    "SqlDriver",
    "SqlMigrationLog",
    "server_migrations",
    "transaction",
]
