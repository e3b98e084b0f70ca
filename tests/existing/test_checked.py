"""What ``check`` finds in the stores that the Go server wrote, each finding with why it is true."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from moltnet_core import CheckReport, check_location, open_store

from .case import Case
from .cases import CASES, EDGE

Found = dict[tuple[str, str], set[str]]


def _url(case: Case, folder: Path) -> str:
    """Of a copy that only its owner may read."""
    url = case.place(folder)
    for path in folder.glob("*"):
        path.chmod(0o600)
    return url


def _found(report: CheckReport) -> dict[tuple[str, str], int]:
    return {(found.code, found.kind): found.count for found in report.findings}


def _trimmed(times: Mapping[str, list[list[str]]]) -> dict[tuple[str, str], int]:
    """How many records of each kind hold a time with other than nine digits."""
    short = {kind: sum(any(len(time) != 30 for time in each) for each in found) for kind, found in times.items()}
    return {("short-time", kind): count for kind, count in short.items() if count}


def _expected(case: Case, folder: Path) -> dict[tuple[str, str], int]:
    expected: dict[tuple[str, str], int] = {}
    backend = case.name.partition("-")[0]
    if backend != "json":
        # The server's own versions after the one that it stopped at, and this library's indexes.
        expected["pending-migrations", "schema"] = 8 - case.version + 1
    if case.name == "sqlite-v8-killed":
        # The server was killed: its last 40 messages are only in the -wal.
        expected["write-ahead-log", "file"] = 1
    if backend == "sqlite":
        # The server trims zeros: one time in ten, and in the edge fixture nearly all, have fewer than nine digits.
        beneath = case.beneath(folder / "beneath")
        times = {
            "message": [[each["created_at"]] for each in beneath.messages],
            "room": [list(each.values()) for each in beneath.rooms.values()],
            **_other_times(case, folder),
        }
        expected |= _trimmed(times)
    if case.is_edge:
        # The second message of the thread th-mix names another room than the first.
        expected["thread-rooms", "thread"] = 1
        if backend != "json":
            # The server wrote the time of d_2, which it appended last, over the later one of d_1. Of a snapshot
            # the last time is worked out, so there it is right.
            expected["last-message-drift", "dm"] = 1
        if backend == "postgres":
            # 9999-12-31T23:59:59.999999999Z, which PostgreSQL rounds up to the year 10000.
            expected["undecodable", "message"] = 1
        # g_after was appended to the room "gone" after its removal, but carries an earlier time, so nothing shows it.
    return expected


def _other_times(case: Case, folder: Path) -> dict[str, list[list[str]]]:
    from . import raw
    from .sqlite_case import SQLiteCase

    assert isinstance(case, SQLiteCase)
    path = case.database(folder / "times")
    queries = {
        "thread": "SELECT last_message_at FROM threads",
        "dm": "SELECT last_message_at FROM dm_conversations",
    }
    if case.version >= 5:
        queries["agent"] = "SELECT created_at, updated_at FROM agents"
    return {kind: [list(row) for row in raw.rows(path, sql)] for kind, sql in queries.items()}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_exactly_what_is_odd_is_found(case: Case, tmp_path: Path) -> None:
    report = check_location(_url(case, tmp_path / "copy"))
    assert _found(report) == _expected(case, tmp_path)
    beneath = case.beneath(tmp_path / "counted")
    assert report.checked == {"agent": 0} | dict(beneath.counts)


@pytest.mark.parametrize("case", EDGE, ids=lambda case: case.name)
def test_the_odd_records_are_named(case: Case, tmp_path: Path) -> None:
    report = check_location(_url(case, tmp_path / "copy"))
    named = {finding.code: [item.id for item in finding.items] for finding in report.findings}
    assert named["thread-rooms"] == ["th-mix"]
    assert named.get("last-message-drift", ["dm-remote"]) == ["dm-remote"]
    assert named.get("undecodable", ["c_19"]) == ["c_19"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_upgraded_store_has_no_further_finding(case: Case, tmp_path: Path) -> None:
    url = _url(case, tmp_path / "copy")
    before = _found(check_location(url))
    open_store(url, environ={}).close()
    after = _found(check_location(url, deep=True))
    after.pop(("check-incomplete", "engine"), None)  # the server's extension for it is not installed
    for finding in (before, after):
        finding.pop(("pending-migrations", "schema"), None)
        finding.pop(("write-ahead-log", "file"), None)
    assert after == before


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.name.startswith(("sqlite", "json"))], ids=lambda c: c.name
)
def test_no_byte_is_changed(case: Case, tmp_path: Path) -> None:
    url = _url(case, tmp_path / "copy")
    shutil.copytree(tmp_path / "copy", tmp_path / "before")
    check_location(url, deep=True)
    for path in (tmp_path / "before").iterdir():
        assert (tmp_path / "copy" / path.name).read_bytes() == path.read_bytes()
