"""The ``memory`` backend: ``memory://``."""

from __future__ import annotations

from attrs import frozen

from moltnet_core.backend import Backend, Power
from moltnet_core.config import bare_url
from moltnet_core.plugins import hookimpl
from moltnet_memory.driver import MemoryDriver

__all__ = ["BACKEND", "MemorySettings"]


@frozen
class MemorySettings:
    """The memory backend has no settings."""


def _open(settings: MemorySettings, *, read_only: bool = False) -> MemoryDriver:
    return MemoryDriver()


BACKEND = Backend(
    name="memory",
    summary="in this process only; for tests and experiments",
    durability="ephemeral: everything is lost when the store is closed",
    settings=MemorySettings,
    open=_open,
    from_url=bare_url,
    powers=(Power.WATCH,),
    sublocation=lambda location, label: location,  # each opening is a store of its own
)


@hookimpl
def moltnet_register_backend() -> Backend:
    return BACKEND
