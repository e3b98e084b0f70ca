"""The settings of the JSON backend."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

from moltnet_core.config import check_path, setting

__all__ = ["JSONSettings"]


@frozen
class JSONSettings:
    """Where the snapshot is and how it is used."""

    path: Path = setting(
        default=Path(".moltnet/data.json"),
        help="the snapshot; it and its folder are created if they are missing",
        check=check_path,
    )
    busy_timeout: float = setting(
        default=0.0,
        help="how long opening waits for another process to close the snapshot",
        unit="s",
        minimum=0,
        maximum=3600,
    )
