"""The settings of the backend."""

from pathlib import Path

from attrs import frozen

from moltnet_core.config import setting
from moltnet_core.config.locations import check_path

__all__ = ["GIB", "LmdbSettings"]

GIB = 2**30


@frozen
class LmdbSettings:
    """What a store on LMDB can be told."""

    path: Path = setting(
        Path(".moltnet/moltnet.lmdb"),
        help="the data file; it, its lock file and its folder are created if they are missing",
        check=check_path,
    )
    map_size: int = setting(
        64 * GIB,
        help="how much address space to reserve; it costs no memory, and is doubled when the file outgrows it",
        unit="bytes",
        minimum=2**20,
    )
    max_size: int | None = setting(None, help="how large the file may become", unit="bytes", minimum=2**20)
    max_readers: int = setting(
        510,
        help="how many reads and snapshots can be under way at once, over all processes; the first of them decides",
        minimum=1,
    )
