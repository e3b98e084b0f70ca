"""The PostgreSQL backend of the Moltnet storage system: a shared database, for many processes and machines."""

from moltnet_postgres.settings import PostgresSettings

__all__ = ["PostgresSettings"]
