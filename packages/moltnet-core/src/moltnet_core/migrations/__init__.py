"""Schema migrations: steps in series, and the runner that applies what is missing."""

from moltnet_core.migrations.migration import SERVER_SERIES, AppliedMigration, Migration, MigrationLog
from moltnet_core.migrations.runner import (
    MigrationStatus,
    SeriesStatus,
    apply_pending,
    in_order,
    read_status,
)

__all__ = [
    "SERVER_SERIES",
    "AppliedMigration",
    "Migration",
    "MigrationLog",
    "MigrationStatus",
    "SeriesStatus",
    "apply_pending",
    "in_order",
    "read_status",
]
