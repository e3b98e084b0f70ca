"""Copies whose server goes away, on either side, and comes back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.moltnet_core.transfer.interrupted import make_source
from tests.postgres.cluster import Cluster

from moltnet_core import MoltnetError, Progress, Store, StoreUnavailableError, copy_store, open_store, verify_stores


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Store]:
    with open_store(make_source(tmp_path / "source.db", 1200)) as store:
        yield store


class _Losing:
    """Kills the server in the middle of a phase, once."""

    def __init__(self, cluster: Cluster, phase: str) -> None:
        self._cluster = cluster
        self._phase = phase
        self.lost = False

    def __call__(self, progress: Progress) -> None:
        if not self.lost and progress.phase == self._phase and progress.done >= 500:
            self._cluster.kill()
            self.lost = True


@pytest.mark.parametrize("phase", ["copy", "verify"])
def test_the_targets_server_is_lost_and_back(cluster: Cluster, source: Store, phase: str) -> None:
    with open_store(cluster.url(schema=cluster.new_schema())) as target:
        losing = _Losing(cluster, phase)
        with pytest.raises(StoreUnavailableError):
            copy_store(source, target, on_progress=losing)
        assert losing.lost
        cluster.start()
        result = copy_store(source, target)
        assert result.present >= 500
        assert verify_stores(source, target).equal
        assert target.counts() == source.counts()


def test_the_sources_server_is_lost_and_back(cluster: Cluster, source: Store, tmp_path: Path) -> None:
    with (
        open_store(cluster.url(schema=cluster.new_schema())) as origin,
        open_store(f"sqlite:///{tmp_path}/target.db") as target,
    ):
        copy_store(source, origin)
        with pytest.raises(MoltnetError):
            copy_store(origin, target, on_progress=_Losing(cluster, "copy"))
        cluster.start()
        result = copy_store(origin, target)
        assert result.present >= 500
        assert verify_stores(origin, target).equal
