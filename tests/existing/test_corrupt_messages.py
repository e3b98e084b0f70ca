"""Messages that cannot be decoded: an error that names them, or left out and counted; nothing else is lost."""

from __future__ import annotations

import logging
from functools import partial

import pytest

from moltnet_core import DuplicateMessageError, PageRequest, Store
from moltnet_core.types import Target

from .corrupting import HIDDEN, SECRET, Value, blob, check_raises, overwrite
from .server import Server
from .walking import Fetch, backwards, forwards, page_problems
from .writing import message

MESSAGES: list[tuple[str, str, Value]] = [
    ("cut off", "parts_json", f'[{{"kind":"text","text":{HIDDEN}'),
    ("empty", "parts_json", ""),
    ("an object for a list", "parts_json", f'{{"kind":{HIDDEN}}}'),
    ("a part that is a text", "parts_json", f"[{HIDDEN}]"),
    ("a text that is a number", "parts_json", f'[{{"kind":"text","text":5,"url":{HIDDEN}}}]'),
    ("data that is a list", "parts_json", f'[{{"kind":"data","data":[{HIDDEN}]}}]'),
    ("NaN", "parts_json", f'[{{"kind":"data","data":{{"n":NaN,"s":{HIDDEN}}}}}]'),
    ("a number beyond a double", "parts_json", f'[{{"kind":"data","data":{{"n":1e400,"s":{HIDDEN}}}}}]'),
    ("an integer of 5000 digits", "parts_json", f'[{{"kind":"data","data":{{"n":{"7" * 5000},"s":{HIDDEN}}}}}]'),
    ("deep nesting", "parts_json", f'[{{"kind":"data","data":{{"n":{"[" * 10**5}{HIDDEN}{"]" * 10**5}}}}}]'),
    ("a BLOB", "parts_json", blob(f'[{{"kind":"text","text":{HIDDEN}}}]')),
    (
        "bytes",
        "parts_json",
        {"utf8": f"5b7b226b696e64223a2274657874222c2274657874223a22ff{SECRET.encode().hex()}227d5d"},
    ),
    ("bytes in the network", "network_id", {"utf8": f"ff{SECRET.encode().hex()}"}),
    ("a sender that is a list", "from_json", f"[{HIDDEN}]"),
    ("a sender's id that is none", "from_json", f'{{"type":{HIDDEN},"id":7}}'),
    ("a target that is a text", "target_json", HIDDEN),
    ("participants that are numbers", "target_json", f'{{"kind":"room","room_id":{HIDDEN},"participant_ids":[1]}}'),
    ("mentions that are a number", "mentions_json", "5"),
    ("mentions of a number", "mentions_json", f"[{HIDDEN},5]"),
    ("an origin that is a list", "origin_json", f"[{HIDDEN}]"),
    ("a time without zone", "created_at", "2027-06-01T12:00:04"),
    ("a time with a short zone", "created_at", "2027-06-01T12:00:04+0000"),
    ("a time with a comma", "created_at", "2027-06-01T12:00:04,5Z"),
    ("a time with more behind", "created_at", f"2027-06-01T12:00:04Z {SECRET}"),
    ("a day that is none", "created_at", "2027-06-01T12:00:64Z"),
    ("a time with a space", "created_at", "2027-06-01 12:00:04Z"),
    ("no time", "created_at", ""),
    ("a time that is a word", "created_at", SECRET),
    ("a time that is a BLOB", "created_at", blob("2027-06-01T12:00:04Z")),
]


# What of it PostgreSQL's columns can hold, but for JSON that is read alike; and what only they can.
IN_POSTGRESQL = ("cut off", "empty", "deep nesting", "a sender that is a list", "a target that is a text")
TIMES: list[tuple[str, str, Value]] = [
    ("after all times", "created_at", "infinity"),
    ("before all times", "created_at", "-infinity"),
    ("year 10000", "created_at", "10000-01-01T00:00:00Z"),
    ("the last year", "created_at", "294276-12-31T23:59:59.999999Z"),
    ("before year 1", "created_at", "4713-01-01 00:00:00Z BC"),
]
CORRUPT = [("sqlite", *row) for row in MESSAGES]
CORRUPT += [("postgres", *row) for row in [*(row for row in MESSAGES if row[0] in IN_POSTGRESQL), *TIMES]]


@pytest.fixture(params=CORRUPT, ids=[f"{row[0]}-{row[1].replace(' ', '-')}" for row in CORRUPT])
def corruption(request: pytest.FixtureRequest) -> tuple[str, str, Value]:
    """Where, which column, and what is written into it."""
    backend, _, column, value = request.param
    return backend, column, value


@pytest.fixture
def backend(corruption: tuple[str, str, Value]) -> str:
    return corruption[0]


@pytest.fixture
def corrupt(corruption: tuple[str, str, Value], filled: Server) -> list[str]:
    """``m4`` is corrupt. What follows are the ids in the order in which they are stored."""
    backend, column, value = corruption
    overwrite(filled, "messages", "id", "m4", column, value)
    key = "created_at" if backend == "postgres" else "rtrim(created_at, 'Z0.')"
    return [row[0] for row in filled.run(f"SELECT id FROM messages ORDER BY {key}, id")]


def test_it_is_an_error_that_names_it(corrupt: list[str], store: Store) -> None:
    check_raises(lambda: store.get_message("m4"), "messages", "m4")
    check_raises(lambda: store.list_room_messages("r"), "messages", "m4")
    with store.snapshot() as snapshot:
        check_raises(lambda: snapshot.scan("message"), "messages", "m4")
        check_raises(lambda: list(snapshot.records()), "messages", "m4")


def test_pages_beside_it_are_whole(corrupt: list[str], store: Store) -> None:
    place = corrupt.index("m4")
    for request, ids in (
        (PageRequest(after="m4", limit=2), corrupt[place + 1 : place + 3]),
        (PageRequest(before="m4", limit=2), corrupt[max(0, place - 2) : place]),
    ):
        assert [item.id for item in store.list_room_messages("r", request).items] == ids
    # It is the one item more that is read to learn whether there are any.
    if place >= 3:
        page = store.list_room_messages("r", PageRequest(after=corrupt[place - 3], limit=2))
        assert ([item.id for item in page.items], page.info.has_more) == (corrupt[place - 2 : place], True)
    if place + 3 < len(corrupt):
        page = store.list_room_messages("r", PageRequest(before=corrupt[place + 3], limit=2))
        assert ([item.id for item in page.items], page.info.has_more) == (corrupt[place + 1 : place + 3], True)


def test_it_is_left_out_counted_and_logged(corrupt: list[str], store: Store, caplog: pytest.LogCaptureFixture) -> None:
    others = [own_id for own_id in corrupt if own_id != "m4"]
    fetch: Fetch = partial(store.list_room_messages, "r", on_corrupt="skip")
    with caplog.at_level(logging.WARNING):
        page = fetch(PageRequest())
    assert ([item.id for item in page.items], page.skipped) == (others, 1)
    logged = [record.getMessage() for record in caplog.records if record.name.startswith("moltnet")]
    assert len(logged) == 1
    assert "m4" in logged[0]
    assert "messages" in logged[0]
    assert SECRET not in caplog.text
    for size in (1, 2, 7, 100):
        for forward in (True, False):
            pages = (forwards if forward else backwards)(fetch, size)
            assert [item.id for each in pages for item in each.items] == others
            assert sum(each.skipped for each in pages) == 1
            assert page_problems(pages, corrupt, size, forward=forward) == []


def test_its_id_is_a_cursor(corrupt: list[str], store: Store) -> None:
    place = corrupt.index("m4")
    after = store.list_room_messages("r", PageRequest(after="m4"))
    before = store.list_room_messages("r", PageRequest(before="m4"))
    assert [item.id for item in after.items] == corrupt[place + 1 :]
    assert [item.id for item in before.items] == corrupt[:place]


def test_a_scan_leaves_it_out(corrupt: list[str], store: Store) -> None:
    others = [own_id for own_id in corrupt if own_id != "m4"]
    with store.snapshot() as snapshot:
        assert [record.id for record in snapshot.records("message", on_corrupt="skip")] == others
        assert [record.id for record in snapshot.scan("message", on_corrupt="skip")] == others
        assert [record.id for record in snapshot.scan("message", "m4", on_corrupt="skip")] == corrupt[
            corrupt.index("m4") + 1 :
        ]
        found = [record.id for record in snapshot.records(on_corrupt="skip")]
    assert found == ["r", *others]


def test_its_id_stays_taken_and_the_room_goes_on(
    backend: str, corrupt: list[str], store: Store, filled: Server
) -> None:
    columns = "md5(parts_json), created_at::text" if backend == "postgres" else "hex(parts_json), hex(created_at)"
    stored = filled.run(f"SELECT {columns} FROM messages WHERE id = 'm4'")
    for retry in (False, True):
        with pytest.raises(DuplicateMessageError) as caught:
            store.append_message(message("m4", Target.room("r")), retry=retry)
        assert [duplicate.identical for duplicate in caught.value.duplicates] == [False]
        assert SECRET not in str(caught.value)
    store.append_message(message("new", Target.room("r"), 60))
    page = store.list_room_messages("r", on_corrupt="skip")
    assert (len(page.items), page.skipped) == (9, 1)
    assert filled.run(f"SELECT {columns} FROM messages WHERE id = 'm4'") == stored
