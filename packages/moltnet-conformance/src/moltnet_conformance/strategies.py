"""What histories are made of: few ids, so that they meet."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from moltnet_conformance.building import at
from moltnet_core import (
    START,
    Actor,
    AgentRegistration,
    ArtifactFilter,
    DirectConversation,
    Message,
    MessageOrigin,
    PageRequest,
    Part,
    Record,
    Room,
    Target,
    Thread,
)
from moltnet_core.timestamps import normalise, truncate

room_ids = st.sampled_from(["r1", "R1", "r2", "r-1"])
thread_ids = st.sampled_from(["t1", "T1", "t2"])
dm_ids = st.sampled_from(["d1", "D1"])
message_ids = st.sampled_from([f"{letter}{number}" for letter in "mM" for number in range(6)])
networks = st.sampled_from(["net", "far", "a/b é"])
member_ids = st.sampled_from(["ann", "Ann", "bob", "far:ann", "far:x:y", "molt://far/agents/ann"])
members = st.lists(member_ids, max_size=4)
credentials = st.sampled_from(["k1", "K1", "anonymous", "anonymous "])
names = st.sampled_from([None, "", "Name", "nàme\u2028<&>'\""])
moments = st.builds(at, st.integers(0, 2), st.sampled_from([0, 1, 500_000]))
texts = st.builds(
    "2026-01-01T00:00:0{}{}Z".format, st.integers(0, 2), st.sampled_from(["", ".5", ".500000001", ".000001"])
)
data = st.sampled_from([None, {}, {"a": 1}, {"a": 1.0}, {"a": True}, {"b": [-0.0, 10**40, None], "a": {"": "\n"}}])
urls = st.sampled_from([None, "https://h/", "molt://x"])
parts = st.builds(
    Part, st.sampled_from(["text", "file", "url"]), names, url=urls, data=data, filename=st.sampled_from([None, "f"])
)
targets = st.one_of(
    st.builds(Target.room, room_ids),
    st.builds(Target.thread, room_ids, thread_ids, st.none() | message_ids),
    st.builds(Target.dm, dm_ids, st.lists(member_ids, min_size=2, max_size=3)),
)
messages = st.builds(
    Message,
    networks,
    targets,
    st.builds(Actor, st.just("agent"), member_ids, names, st.none() | networks),
    st.lists(parts, min_size=1, max_size=3),
    st.lists(member_ids, max_size=1),
    message_ids,
    moments,
)
rooms = st.builds(
    Room,
    room_ids,
    networks,
    names.map(lambda name: name or ""),
    members,
    st.sampled_from(["private", "public"]),
    st.sampled_from(["members", "operators"]),
    moments,
)
registrations = st.builds(
    AgentRegistration, member_ids, networks, credentials, names, st.just("uid"), st.just(""), moments, moments
)
pages = st.builds(
    PageRequest,
    st.none() | message_ids | room_ids,
    st.none() | st.just(START) | message_ids | thread_ids | member_ids,
    st.none() | st.integers(1, 4),
)
filters = st.one_of(
    st.builds(ArtifactFilter),
    st.builds(ArtifactFilter, room_id=room_ids),
    st.builds(ArtifactFilter, thread_id=thread_ids),
    st.builds(ArtifactFilter, dm_id=dm_ids),
)


def of_kind(kind: str, value: Any, moment: str, *, removed: bool) -> Record:
    """A record all of whose times are one."""
    times = {"agent": ("created_at", "updated_at"), "thread": ("last_message_at",), "dm": ("last_message_at",)}
    names = times.get(kind, ("created_at",))
    return Record(kind, value, {**dict.fromkeys(names, moment), **({"removed_at": moment} if removed else {})})


def with_digits(record: Record, digits: int) -> Record:
    """The record as a store keeps it that has fewer digits than the reference, which would not lose them."""
    if digits == 9:
        return record
    return Record(record.kind, record.value, {name: truncate(normalise(t), digits) for name, t in record.times.items()})


def stored_message(message: Message) -> Message:
    """The message with an origin, as every stored one has."""
    return Message(
        message.network_id,
        message.target,
        message.sender,
        message.parts,
        message.mentions,
        message.id,
        message.created_at,
        MessageOrigin("net", "x"),
    )


records = st.one_of(
    st.builds(of_kind, st.just("room"), rooms, texts, removed=st.booleans()),
    st.builds(of_kind, st.just("agent"), registrations, texts, removed=st.just(False)),
    st.builds(
        of_kind,
        st.just("thread"),
        st.builds(Thread, thread_ids, networks, networks, room_ids, st.none() | message_ids, last_message_at=moments),
        texts,
        removed=st.just(False),
    ),
    st.builds(
        of_kind,
        st.just("dm"),
        st.builds(DirectConversation, dm_ids, networks, networks, members, last_message_at=moments),
        texts,
        removed=st.just(False),
    ),
    st.builds(of_kind, st.just("message"), messages.map(stored_message), texts, removed=st.just(False)),
)
