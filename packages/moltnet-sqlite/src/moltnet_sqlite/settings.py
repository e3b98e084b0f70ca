"""The settings of the SQLite backend."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

from moltnet_core.config import check_path, path_without_options, setting

__all__ = ["SQLiteSettings"]


@frozen
class SQLiteSettings:
    """Where the database is and how it is used."""

    path: Path = setting(
        default=Path(".moltnet/moltnet.db"),
        help="the database file; it and its folder are created if they are missing",
        check=check_path,
        from_server=path_without_options,
    )
    busy_timeout: float = setting(
        default=5.0, help="how long to wait for a lock that somebody else holds", unit="s", minimum=0, maximum=3600
    )
    synchronous: str = setting(
        default="full",
        help="what a commit survives: full and extra a power cut, normal may lose the last commits in one",
        choices=("full", "normal", "extra"),
    )
