"""What the SQL backends of the Moltnet storage system share: tables, queries, rows, migrations, the driver.

It is no backend by itself, and knows no engine but through a :class:`~moltnet_sql.dialect.Dialect`.
"""

from moltnet_sql.database import SqlDatabase
from moltnet_sql.dialect import Dialect
from moltnet_sql.driver import SqlDriver
from moltnet_sql.errors import StatementError
from moltnet_sql.migrations import MigrationHandle, SqlMigrationLog, server_migrations
from moltnet_sql.plugins import transaction
from moltnet_sql.session import Session
from moltnet_sql.unit import Pool, Unit

__all__ = [
    "Dialect",
    "MigrationHandle",
    "Pool",
    "Session",
    "SqlDatabase",
    "SqlDriver",
    "SqlMigrationLog",
    "StatementError",
    "Unit",
    "server_migrations",
    "transaction",
]
