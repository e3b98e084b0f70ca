"""The memory backend of the Moltnet storage system: ephemeral, and the reference for how every backend behaves.

Its tables also serve backends that keep everything in memory and something durable beside it.
"""

from moltnet_memory.driver import MemoryDriver
from moltnet_memory.feed import TablesFeed
from moltnet_memory.reading import TablesReader, TablesSnapshot
from moltnet_memory.rows import (
    AgentRow,
    CorruptRow,
    DMRow,
    MessageRow,
    RoomRow,
    Row,
    StoredRow,
    ThreadRow,
    row_of,
)
from moltnet_memory.tables import Changes, Tables

__all__ = [
    "AgentRow",
    "Changes",
    "CorruptRow",
    "DMRow",
    "MemoryDriver",
    "MessageRow",
    "RoomRow",
    "Row",
    "StoredRow",
    "Tables",
    "TablesFeed",
    "TablesReader",
    "TablesSnapshot",
    "ThreadRow",
    "row_of",
]
