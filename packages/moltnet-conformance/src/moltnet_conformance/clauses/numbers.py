"""Numbers, keys and times come back as they were."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum, IntEnum
from typing import Any

from moltnet_conformance.building import at, back, message, one_room, room
from moltnet_conformance.cases import for_each
from moltnet_conformance.clause import Group
from moltnet_core import Part, Store

clause = Group("round trips", given=one_room)

SMALLEST, LARGEST = 2.2250738585072014e-308, 1.7976931348623157e308


@clause("NUM-001", "2.2")
@for_each(
    enumerate([0, -1, 2**31, 2**53 - 1, 2**53 + 1, -(2**63), 2**64 + 1, 10**100 + 7, -(10**308) - 1, 2**1023 + 1])
)
def integers_are_exact(store: Store, numbered: tuple[int, int]) -> None:
    place, number = numbered
    data: dict[str, Any] = {"n": number, "in": [number]}
    found = back(store, message(f"m{place:02}", parts=[Part("data", data=data)])).parts[0].data
    assert found == data
    assert type(found["n"]) is int


@clause("NUM-002", "2.2")
@for_each(enumerate([0.0, -0.0, 5e-324, -5e-324, SMALLEST, LARGEST, 0.1, 1 / 3, 1e16, 1e22, 123456789.0]))
def floats_are_the_same_bit_for_bit(store: Store, numbered: tuple[int, float]) -> None:
    place, number = numbered
    found = back(store, message(f"m{place:02}", parts=[Part("data", data={"n": number})])).parts[0].data
    assert found is not None
    assert type(found["n"]) is float
    assert struct.pack(">d", found["n"]) == struct.pack(">d", number)


@clause("NUM-003", "2.2")
def true_one_and_one_point_zero_stay_what_they_are(store: Store) -> None:
    found = back(store, message("m1", parts=[Part("data", data={"v": [True, 1, 1.0, False, 0, 0.0, None]})])).parts[0]
    assert found.data is not None
    assert [type(value) for value in found.data["v"]] == [bool, int, float, bool, int, float, type(None)]


@clause("NUM-004", "2.2")
def keys_keep_their_order(store: Store) -> None:
    data = {"z": 1, "a": {"y": 1, "b": 2, "": 3}, "M": 2, "10": 0, "9": 0}
    found = back(store, message("m1", parts=[Part("data", data=data)])).parts[0].data
    assert found is not None
    assert list(found) == list(data)
    assert list(found["a"]) == ["y", "b", ""]


@clause("NUM-005", "2.2")
def enumerations_in_data_are_their_values(store: Store) -> None:
    class Colour(str, Enum):  # noqa: UP042 - its str() is not its value
        RED = "red"

    class Size(IntEnum):
        BIG = 3

    found = back(store, message("m1", parts=[Part("data", data={"c": Colour.RED, "s": Size.BIG})])).parts[0].data
    assert found == {"c": "red", "s": 3}
    assert (type(found["c"]), type(found["s"])) == (str, int)


@clause("TIME-001", "2.4", "2.6")
@for_each(
    enumerate(
        [
            datetime(1, 1, 1, tzinfo=UTC),
            datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
            at(0),
            at(0, 1),
            at(0, 100_000),
            datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        ]
    )
)
def times_are_exact_to_the_microsecond(store: Store, numbered: tuple[int, datetime]) -> None:
    place, moment = numbered
    found = back(store, message(f"m{place}", created_at=moment))
    assert found.created_at == moment
    assert found.created_at.utcoffset() == timedelta(0)


@clause("TIME-002", "2.4")
def times_are_normalised_to_utc(store: Store) -> None:
    moment = datetime(2026, 1, 1, 1, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    found = back(store, message("m1", created_at=moment))
    assert found.created_at.isoformat() == "2025-12-31T20:00:00+00:00"
    created = store.create_room(room("r2", created_at=moment))
    assert created.created_at.isoformat() == "2025-12-31T20:00:00+00:00"
