"""How many messages each room had on each day, kept beside a store in SQLite or PostgreSQL.

An example of a plugin that keeps tables of its own: see its README.
"""

from moltnet_activity.querying import RoomActivity, busiest_rooms
from moltnet_activity.reconciling import reconcile, recount

__all__ = ["RoomActivity", "busiest_rooms", "reconcile", "recount"]
