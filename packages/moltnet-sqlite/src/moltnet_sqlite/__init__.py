"""The SQLite backend of the Moltnet storage system: one file, durable, many readers beside a writer."""

from moltnet_sqlite.settings import SQLiteSettings

__all__ = ["SQLiteSettings"]
