"""Copies whose server goes away, on either side, and comes back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex

import pytest
from tests.moltnet_core.transfer.interrupted import make_source
from tests.moltnet_postgres.support import Place, a_message, a_room
from tests.postgres.cluster import Cluster
from tests.postgres.server import Server

from moltnet_core import (
    AgentRegistration,
    CopyRefusedError,
    Counts,
    DirectConversation,
    MoltnetError,
    Part,
    Progress,
    Record,
    Store,
    StoreUnavailableError,
    Thread,
    ValidationError,
    copy_store,
    open_store,
    store_digest,
    verify_stores,
)
from moltnet_postgres.limits import MAX_KEY


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


def _of_long_ids(length: int) -> list[Record]:
    """A record of every kind whose ids have so many bytes together, which cannot be made shorter."""
    text = token_hex(length // 2)[: length - 40] + "é" * 20
    one, other = text[: length // 2 - 20], text[length // 2 - 20 :]
    message = a_message(one, room_id=other, parts=[Part("url", url="https://a.b/c")])
    moment = {"created_at": "2026-01-01T00:00:00.000000Z"}
    return [
        Record.of(a_room(other, members=(one,))),
        Record("agent", AgentRegistration("ann", "net", text), moment | {"updated_at": moment["created_at"]}),
        Record.of(Thread(one, "net", "f", other, last_message_at=message.created_at)),
        Record.of(DirectConversation(one, "net", "f", (other,), last_message_at=message.created_at)),
        Record("message", message, moment),
    ]


def test_ids_that_no_index_holds_are_refused_before_anything_is_written(postgres_server: Server) -> None:
    for length, refused in ((MAX_KEY - 40, 0), (MAX_KEY + 200, 5)):
        with open_store("memory://") as source, Place(postgres_server).open() as target:
            source.load(_of_long_ids(length))
            if not refused:
                assert copy_store(source, target).copied == 5
                continue
            with pytest.raises(CopyRefusedError) as caught:
                copy_store(source, target)
            assert [each.kind for each in caught.value.problems] == ["room", "agent", "thread", "dm", "message"]
            assert target.counts() == Counts()


def test_one_connection_is_enough(postgres_server: Server, source: Store) -> None:
    with (
        Place(postgres_server).open(pool_size=1, pool_timeout=1) as one,
        Place(postgres_server).open(pool_size=1, pool_timeout=1) as other,
    ):
        assert copy_store(source, one).verified
        assert copy_store(one, other).verified
        assert verify_stores(one, other).equal
        assert store_digest(one) == store_digest(other)


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


def test_a_store_is_not_copied_onto_itself_however_it_is_named(postgres_server: Server, source: Store) -> None:
    place, other = Place(postgres_server), Place(postgres_server)
    options = {"application_name": "another", "connect_timeout": 7}
    with place.open() as one, place.open(**options) as two, other.open() as third:
        copy_store(source, one)
        with pytest.raises(ValidationError, match="onto itself"):
            copy_store(one, two)
        assert copy_store(one, third).verified
