"""What the SQL backends check and repair: see :mod:`moltnet_core.checking`."""

from moltnet_sql.checking.looking import Looking
from moltnet_sql.checking.records import check_all
from moltnet_sql.checking.repairing import REPAIRS, repair_all

__all__ = ["REPAIRS", "Looking", "check_all", "repair_all"]
