"""What the SQL backends check and repair: see :mod:`moltnet_core.checking`."""

from moltnet_sql.checking.looking import Looking
from moltnet_sql.checking.records import check_all

__all__ = ["Looking", "check_all"]
