"""The contract: the suite that judges every backend."""

from pathlib import Path

from moltnet_conformance import ConformanceSuite, Harness


class Lmdb(Harness):
    backend = "lmdb"

    def new_location(self, tmp_path: Path) -> str:
        return f"lmdb:///{tmp_path}/store.lmdb"


class TestLmdb(ConformanceSuite):
    harness = Lmdb
