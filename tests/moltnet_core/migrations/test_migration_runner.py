"""The runner: order, gaps, drift, what is newer, and what is absent."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from moltnet_core import MigrationDriftError, SchemaTooNewError
from moltnet_core.migrations import AppliedMigration, Migration, SeriesStatus, apply_pending, in_order, read_status


def step(series: str, version: int, name: str = "", checksum: str = "c") -> Migration:
    return Migration(series, version, name or f"{series}_{version}", checksum, lambda handle: None)


def recorded(series: str, version: int, name: str = "", checksum: str | None = "c") -> AppliedMigration:
    return AppliedMigration(series, version, name or f"{series}_{version}", checksum)


class Log:
    """Recorded steps; writing is counted."""

    def __init__(self, *applied: AppliedMigration, others: Sequence[str] = ()) -> None:
        self.applied = list(applied)
        self.others = others
        self.calls: list[str] = []

    def read(self) -> Sequence[AppliedMigration]:
        return tuple(reversed(self.applied))

    def apply(self, migration: Migration) -> bool:
        self.calls.append(migration.label)
        return migration.label not in self.others


KNOWN = in_order(
    [step("zeta", 1), step("moltnet", 2), step("sqlite", 1), step("alpha", 1), step("moltnet", 1)], "sqlite"
)


def labels(steps: Sequence[Migration]) -> list[str]:
    return [each.label for each in steps]


def test_the_server_s_series_comes_first_then_the_backend_s_then_plugins_by_name() -> None:
    assert labels(KNOWN) == ["moltnet:1", "moltnet:2", "sqlite:1", "alpha:1", "zeta:1"]
    assert labels(in_order([step("b", 1), step("a", 1)], "sqlite")) == ["a:1", "b:1"]
    assert in_order([], "sqlite") == ()


@pytest.mark.parametrize("versions", [[2], [1, 3], [1, 1], [1, 2, 2]])
def test_a_known_series_without_gaps_or_twins(versions: list[int]) -> None:
    with pytest.raises(ValueError, match="mine"):
        in_order([step("mine", version) for version in versions], "sqlite")


@pytest.mark.parametrize(
    ("series", "version"), [("", 1), ("Mine", 1), ("my-series", 1), ("1a", 1), ("mine", 0), ("a", -1)]
)
def test_names_and_versions(series: str, version: int) -> None:
    with pytest.raises(ValueError, match="migration"):
        step(series, version)


def test_nothing_recorded_is_all_pending() -> None:
    status = read_status(Log(), KNOWN)
    assert labels(status.pending) == labels(KNOWN)
    assert not status.is_current
    assert status.series == (
        SeriesStatus("moltnet", 0, 2),
        SeriesStatus("sqlite", 0, 1),
        SeriesStatus("alpha", 0, 1),
        SeriesStatus("zeta", 0, 1),
    )


def test_what_is_missing_is_pending_in_order() -> None:
    status = read_status(Log(recorded("moltnet", 1), recorded("alpha", 1)), KNOWN)
    assert labels(status.pending) == ["moltnet:2", "sqlite:1", "zeta:1"]
    everything = [recorded(each.series, each.version) for each in KNOWN]
    assert read_status(Log(*everything), KNOWN).is_current


def test_the_server_s_own_table_has_no_checksums() -> None:
    assert read_status(Log(recorded("moltnet", 1, checksum=None)), KNOWN).series[0].applied == 1


def test_the_series_of_an_absent_plugin_is_left_alone() -> None:
    status = read_status(Log(recorded("gone", 1, checksum="other"), recorded("gone", 2)), KNOWN)
    assert SeriesStatus("gone", 2, 0) in status.series
    assert labels(status.pending) == labels(KNOWN)


@pytest.mark.parametrize("series", ["moltnet", "zeta"])
def test_a_series_newer_than_its_software(series: str) -> None:
    known = sum(each.series == series for each in KNOWN)
    log = Log(*(recorded(series, version) for version in range(1, known + 3)))
    with pytest.raises(SchemaTooNewError) as caught:
        read_status(log, KNOWN)
    attributes = caught.value.__dict__
    assert (attributes["series"], attributes["found"], attributes["known"]) == (series, known + 2, known)
    status = read_status(log, KNOWN, newer_is_error=False)
    assert SeriesStatus(series, known + 2, known) in status.series


@pytest.mark.parametrize(
    ("applied", "version"),
    [
        ([recorded("moltnet", 2)], 1),
        ([recorded("moltnet", 1), recorded("moltnet", 3)], 2),
        ([recorded("moltnet", 0), recorded("moltnet", 1)], 1),
        ([recorded("moltnet", 1, "another_name")], 1),
        ([recorded("moltnet", 1), recorded("moltnet", 2, "moltnet_1")], 2),
        ([recorded("moltnet", 1, checksum="other")], 1),
    ],
)
def test_what_does_not_match_is_drift(applied: list[AppliedMigration], version: int) -> None:
    log = Log(*applied)
    for newer_is_error in (True, False):
        with pytest.raises(MigrationDriftError) as caught:
            read_status(log, KNOWN, newer_is_error=newer_is_error)
        assert (caught.value.__dict__["series"], caught.value.__dict__["version"]) == ("moltnet", version)
    assert log.calls == []


def test_what_was_applied_is_what_this_call_applied() -> None:
    log = Log(others=["moltnet:2"])
    assert labels(apply_pending(log, KNOWN)) == ["moltnet:1", "sqlite:1", "alpha:1", "zeta:1"]
    assert log.calls == labels(KNOWN)


def test_statements_give_a_checksum_that_white_space_does_not_change() -> None:
    executed: list[str] = []

    class Handle:
        def execute(self, sql: str) -> None:
            executed.append(sql)

    one = Migration.of_statements("mine", 1, "a", ["CREATE TABLE  mine_t (\n  x TEXT\n)", "SELECT 1"])
    same = Migration.of_statements("mine", 1, "a", ["CREATE TABLE mine_t ( x TEXT )", "SELECT 1"])
    other = Migration.of_statements("mine", 1, "a", ["CREATE TABLE mine_u ( x TEXT )", "SELECT 1"])
    assert one.checksum == same.checksum != other.checksum
    assert one == same
    one.up(Handle())
    assert executed == ["CREATE TABLE  mine_t (\n  x TEXT\n)", "SELECT 1"]
    assert one.label == "mine:1"
