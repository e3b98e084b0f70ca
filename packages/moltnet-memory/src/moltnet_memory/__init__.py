"""The memory backend of the Moltnet storage system: ephemeral, and the reference for how every backend behaves."""

from moltnet_memory.driver import MemoryDriver
from moltnet_memory.tables import Tables

__all__ = ["MemoryDriver", "Tables"]
