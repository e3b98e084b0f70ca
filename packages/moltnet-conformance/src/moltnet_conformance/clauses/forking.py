"""A forked child."""

from __future__ import annotations

from moltnet_conformance.children import run
from moltnet_conformance.clause import Group
from moltnet_conformance.harness import Place
from moltnet_core import Store

clause = Group("processes")


CHILD = """
import os, sys
from moltnet_core import StoreBusyError, StoreClosedError
from moltnet_conformance.building import fill, message
from moltnet_conformance.uninstalled import opened

store = opened(sys.argv[1])
fill(store)
before = store.counts()
child = os.fork()
if not child:
    try:
        store.append_message(message("from-child", second=9))
        os._exit(0 if store.counts().messages > before.messages else 9)
    except (StoreBusyError, StoreClosedError):
        os._exit(1)
    except BaseException:
        os._exit(8)
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
store.append_message(message("from-parent", second=10))
there = store.get_message("from-child") is not None
store.close()
assert there == (code == 0), (there, code)
print(code)
"""


@clause("FORK-001", "4.34")
def after_a_fork_the_child_has_its_own_connections_or_is_told_so(place: Place, store: Store) -> None:
    expected = 0 if "multi_process" in store.capabilities else 1
    assert int(run(CHILD, place.new_location())) == expected
