"""Artifacts: which parts are, and in which listings they stand."""

from __future__ import annotations

import pytest

from moltnet_conformance.building import at, dm, ids, message, thread, two_rooms
from moltnet_conformance.cases import for_each
from moltnet_conformance.clause import Group
from moltnet_core import (
    START,
    ArtifactFilter,
    InvalidCursorError,
    PageRequest,
    Part,
    Store,
    Target,
    ValidationError,
)

clause = Group("artifacts", given=two_rooms)


FILE = Part("file", filename="f")


@clause("ART-001", "4.20")
@for_each(
    enumerate(
        [
            (Part("text", "x"), False),
            (Part("text", "x", data={"k": 1}), False),
            (Part("text", "x", url="https://h/"), True),
            (Part("text", "x", filename="f"), True),
            (Part("text", "x", media_type="text/plain"), True),
            (Part("text", "x", "", "", ""), False),
            (Part("url"), True),
            (Part("data", data={"k": 1}), True),
            (Part("file"), True),
            (Part("image"), True),
            (Part("audio"), True),
        ]
    )
)
def parts_that_are_artifacts(store: Store, numbered: tuple[int, tuple[Part, bool]]) -> None:
    number, (part, is_one) = numbered
    name, before = f"m{number}", store.list_artifacts().items
    store.append_message(message(name, dm(name), parts=[Part("text", "x"), part]))
    found = store.list_artifacts(ArtifactFilter(dm_id=name)).items
    assert [artifact.id for artifact in found] == ([f"art_{name}_1"] if is_one else [])
    assert {each.id for each in store.list_artifacts().items} == {each.id for each in (*before, *found)}
    assert store.counts().artifacts == len(before) + len(found)
    for artifact in found:
        assert (artifact.kind, artifact.url, artifact.filename) == (part.kind, part.url, part.filename)
        assert (artifact.media_type, artifact.part_index) == (part.media_type, 1)
        assert (artifact.message_id, artifact.created_at) == (name, at(1))


@clause("ART-002", "4.20")
def they_are_extracted_by_every_append_and_only_once(store: Store) -> None:
    batch = [message("m1", parts=[FILE, Part("text", "x"), FILE]), message("m2", dm(), parts=[FILE])]
    store.append_messages(batch)
    store.append_messages(batch, retry=True)
    assert ids(store.list_artifacts()) == ["art_m1_0", "art_m1_2", "art_m2_0"]


@clause("ART-003", "4.22", "3.14")
def the_filters(store: Store) -> None:
    targets: dict[str, Target | str] = {
        "m1": "general",
        "m2": thread("t1"),
        "m3": thread("t2"),
        "m4": "other",
        "m5": dm("d1"),
        "m6": dm("d2"),
        "m7": thread("t3", "other"),
    }
    for second, (message_id, target) in enumerate(targets.items()):
        store.append_message(message(message_id, target, second, parts=[FILE]))

    def listed(**chosen: str) -> list[str]:
        return [artifact.message_id for artifact in store.list_artifacts(ArtifactFilter(**chosen)).items]

    assert listed() == list(targets)
    assert listed(room_id="general") == ["m1", "m2", "m3"]
    assert listed(room_id="other") == ["m4", "m7"]
    assert listed(thread_id="t1") == ["m2"]
    assert listed(thread_id="t3") == ["m7"]
    assert listed(dm_id="d1") == ["m5"]
    assert listed(room_id="d1") == listed(dm_id="t1") == listed(thread_id="general") == listed(room_id="none") == []
    assert listed(room_id="") == list(targets)


@clause("ART-004", "4.22")
def a_filter_names_one_conversation(store: Store) -> None:
    for chosen in (
        ArtifactFilter(room_id="general", thread_id="t1"),
        ArtifactFilter(room_id="general", dm_id="d1"),
        ArtifactFilter(thread_id="t1", dm_id="d1"),
    ):
        with pytest.raises(ValidationError):
            store.list_artifacts(chosen)


@clause("ART-005", "3.2", "3.5", "3.6")
def they_are_ordered_by_time_message_and_part(store: Store) -> None:
    many = [Part("text", "x"), *[FILE] * 11]
    store.append_messages(
        [
            message("b", second=2, parts=many),
            message("a", second=2, parts=[FILE]),
            message("z", second=1, parts=[FILE]),
            message("B", second=2, parts=[FILE]),
        ]
    )
    in_order = ["art_z_0", "art_B_0", "art_a_0", *(f"art_b_{index}" for index in range(1, 12))]  # 9 before 10
    assert ids(store.list_artifacts()) == in_order
    for limit in range(1, 16):
        assert ids(store.list_artifacts(page=PageRequest(after=START, limit=limit))) == in_order[:limit]
        assert ids(store.list_artifacts(page=PageRequest(limit=limit))) == in_order[-limit:]
    for place, cursor in enumerate(in_order):
        assert ids(store.list_artifacts(page=PageRequest(before=cursor))) == in_order[:place]
        assert ids(store.list_artifacts(page=PageRequest(after=cursor))) == in_order[place + 1 :]


@clause("ART-006", "3.9", "3.8")
def a_cursor_is_an_artifact_of_the_filter_s_listing(store: Store) -> None:
    store.append_message(message("m1", parts=[FILE]))
    store.append_message(message("m2", thread("t1"), parts=[FILE]))
    store.append_message(message("m3", dm("d1"), parts=[FILE]))
    in_listing = {
        ArtifactFilter(): {"art_m1_0", "art_m2_0", "art_m3_0"},
        ArtifactFilter(room_id="general"): {"art_m1_0", "art_m2_0"},
        ArtifactFilter(thread_id="t1"): {"art_m2_0"},
        ArtifactFilter(dm_id="d1"): {"art_m3_0"},
        ArtifactFilter(room_id="other"): set(),
    }
    for chosen, known in in_listing.items():
        for cursor in ("art_m1_0", "art_m2_0", "art_m3_0", "art_m1_1", "m1", "x"):
            for page in (PageRequest(before=cursor), PageRequest(after=cursor)):
                if cursor in known:
                    store.list_artifacts(chosen, page)
                else:
                    with pytest.raises(InvalidCursorError) as caught:
                        store.list_artifacts(chosen, page)
                    assert caught.value.__dict__["cursor"] == cursor


@clause("ART-007", "1.8", "3.8")
def an_artifact_id_may_be_longer_than_identifiers_are(store: Store) -> None:
    longest = "m" * 128
    store.append_message(message(longest, parts=[FILE]))
    store.append_message(message("later", second=2, parts=[FILE]))
    assert ids(store.list_artifacts(page=PageRequest(after=f"art_{longest}_0"))) == ["art_later_0"]
