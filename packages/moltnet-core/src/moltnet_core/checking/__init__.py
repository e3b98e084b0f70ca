"""``check`` and ``repair``: what can be wrong in a store, finding it, and putting it right.

:mod:`~moltnet_core.checking.faults` is the catalogue. A check goes by what every driver can be asked;
a backend that can tell more, or tell it faster, says so by the protocols of :mod:`moltnet_core.driver`.
"""

from moltnet_core.checking.changes import Change, Moved
from moltnet_core.checking.checked import Check
from moltnet_core.checking.checker import check_location, check_store
from moltnet_core.checking.faults import FAULTS, Fault, Severity
from moltnet_core.checking.findings import CheckReport, Finding, Findings, Item
from moltnet_core.checking.places import check_permissions
from moltnet_core.checking.repairer import RepairReport, repair_store
from moltnet_core.checking.tallying import check_records

__all__ = [
    "FAULTS",
    "Change",
    "Check",
    "CheckReport",
    "Fault",
    "Finding",
    "Findings",
    "Item",
    "Moved",
    "RepairReport",
    "Severity",
    "check_location",
    "check_permissions",
    "check_records",
    "check_store",
    "repair_store",
]
