"""Judges whether a backend of Moltnet's storage system keeps the contract.

.. code-block:: python

    from moltnet_conformance import ConformanceSuite, Harness

    class MyHarness(Harness):
        backend = "mydb"
        def new_location(self, tmp_path): return f"mydb:///{tmp_path}/db"

    class TestMyDb(ConformanceSuite):
        harness = MyHarness

A name's module is imported when the name is first used: pytest loads this package in runs that judge nothing.
"""

from typing import TYPE_CHECKING

from moltnet_core._lazy import lazy_names

if TYPE_CHECKING:
    from moltnet_conformance.clause import CONTRACT_VERSION, Clause
    from moltnet_conformance.clauses import all_clauses
    from moltnet_conformance.harness import Harness, Place
    from moltnet_conformance.sentences import Sentence, sentences
    from moltnet_conformance.suite import ConformanceSuite

__all__ = [
    "CONTRACT_VERSION",
    "Clause",
    "ConformanceSuite",
    "Harness",
    "Place",
    "Sentence",
    "all_clauses",
    "sentences",
]
_NAMES = {
    "clause": ("CONTRACT_VERSION", "Clause"),
    "clauses": ("all_clauses",),
    "harness": ("Harness", "Place"),
    "sentences": ("Sentence", "sentences"),
    "suite": ("ConformanceSuite",),
}
if not TYPE_CHECKING:  # a type checker would take any name for an existing one
    __getattr__, __dir__ = lazy_names(__name__, _NAMES)
