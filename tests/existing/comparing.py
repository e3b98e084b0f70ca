"""Reading a store through every listing, and comparing each item with what it must be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from moltnet_core import AgentRegistration, ArtifactFilter, Page, Store, to_json

from .expected import Expected, Json, spelled
from .walking import backwards, forwards, page_problems

__all__ = ["KINDS", "SIZES", "Comparison", "compare"]

KINDS = ("rooms", "messages", "threads", "dms", "artifacts", "agents")
SIZES = (1, 7, 100)


@dataclass
class Comparison:
    """How a store's reading compares with what was expected: how many of each kind, and every difference."""

    name: str
    read: Counter[str] = field(default_factory=Counter)
    served: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)

    def counts(self) -> list[str]:
        return [f"{self.read[kind]}/{self.served[kind]}" for kind in KINDS]


@dataclass(frozen=True)
class _Listing:
    kind: str
    name: str
    fetch: Callable[..., Page[Any]]
    expected: Sequence[Json]
    view: Callable[[Any], Json] = to_json
    get: Callable[[str], Any] | None = None


def _registration(agent: AgentRegistration) -> Json:
    """What the server shows of a registration."""
    return {
        "id": agent.agent_id,
        "network_id": agent.network_id,
        "fqid": agent.actor_uri,
        "actor_uid": agent.actor_uid,
        "name": agent.display_name,
    }


def _listings(store: Store, expected: Expected) -> Iterator[_Listing]:
    yield _Listing("rooms", "rooms", store.list_rooms, expected.rooms, get=store.get_room)
    yield _Listing("dms", "dms", store.list_dms, expected.dms, get=store.get_dm)
    lists: dict[str, Callable[..., Any]] = {
        "room": store.list_room_messages,
        "thread": store.list_thread_messages,
        "dm": store.list_dm_messages,
    }
    ids = {(kind, key) for kind, key in expected.messages if kind in lists} | {("room", "no-such"), ("dm", "no-such")}
    ids |= {("room", room["id"]) for room in expected.rooms}
    for kind, key in sorted(ids):
        found = expected.messages.get((kind, key), [])
        yield _Listing("messages", f"{kind} {key}", partial(lists[kind], key), found, get=store.get_message)
        chosen = ArtifactFilter(**{f"{kind}_id": key})
        artifacts = expected.artifacts.get((kind, key), [])
        yield _Listing("", f"artifacts of {kind} {key}", partial(store.list_artifacts, chosen), artifacts)
        if kind == "room":
            threads = expected.threads.get(key, [])
            yield _Listing(
                "threads", f"threads of {key}", partial(store.list_threads, key), threads, get=store.get_thread
            )
    every = expected.artifacts.get(("all", ""), [])
    yield _Listing("artifacts", "artifacts", partial(store.list_artifacts, None), every)
    shown = ("id", "network_id", "fqid", "rooms")
    members = [{key: agent[key] for key in shown} for agent in expected.agents if agent.get("rooms")]
    yield _Listing("", "members", store.list_members, members, get=store.get_member)
    registered = [
        {key: value for key, value in agent.items() if key != "rooms"}
        for agent in expected.agents
        if "actor_uid" in agent
    ]
    yield _Listing("", "agents", store.list_agents, registered, _registration, store.get_agent)


def _differences(name: str, read: Sequence[Json], expected: Sequence[Json]) -> list[str]:
    found = []
    for place, (one, other) in enumerate(zip(read, expected, strict=False)):
        if spelled(one) != spelled(other):
            keys = [key for key in {**one, **other} if spelled({key: one.get(key)}) != spelled({key: other.get(key)})]
            found.append(f"{name}: item {place} ({one['id']}, expected {other['id']}) differs in {keys}")
    if len(read) != len(expected):
        found.append(f"{name}: {len(read)} items, expected {len(expected)}")
    return found


def compare(name: str, store: Store, expected: Expected, sizes: Sequence[int] = SIZES) -> Comparison:
    """Walk every listing at every page size in both directions, and get every item by its id."""
    result = Comparison(name)
    for listing in _listings(store, expected):
        ids = [item["id"] for item in listing.expected]
        readable = [item for item in listing.expected if item["id"] not in expected.unreadable]
        fetch = partial(listing.fetch, on_corrupt="skip") if len(readable) < len(ids) else listing.fetch
        for size in sizes:
            for forward in (True, False):
                pages = (forwards if forward else backwards)(fetch, size)
                read = [listing.view(item) for page in pages for item in page.items]
                result.differences += _differences(listing.name, read, readable)
                wrong = page_problems(pages, ids, size, forward=forward)
                result.differences += [f"{listing.name}: {problem}" for problem in wrong]
        result.read[listing.kind] += len(read)
        result.served[listing.kind] += len(readable)
        if listing.get is not None:
            single = [(item["id"], listing.get(item["id"])) for item in readable]
            result.differences += [f"{listing.name}: {key} cannot be got" for key, item in single if item is None]
            got = [listing.view(item) for _, item in single if item is not None]
            result.differences += _differences(f"{listing.name}, one by one", got, readable)
    _compare_agents(result, store, expected)
    _compare_counts(result, store, expected)
    return result


def _compare_agents(result: Comparison, store: Store, expected: Expected) -> None:
    """Join memberships and registrations as the server does."""
    joined: dict[str, Json] = {}
    for page in forwards(store.list_agents, 100):
        joined |= {agent.agent_id: _registration(agent) for agent in page.items}
    for page in forwards(store.list_members, 100):
        for member in page.items:
            joined[member.id] = joined.get(member.id, {}) | to_json(member)
    read = [joined[key] for key in sorted(joined)]
    result.read["agents"], result.served["agents"] = len(read), len(expected.agents)
    result.differences += _differences("agents as the server joins them", read, expected.agents)


def _compare_counts(result: Comparison, store: Store, expected: Expected) -> None:
    counts = store.counts()
    wanted = {
        "rooms": len(expected.rooms),
        "removed_rooms": expected.removed_rooms,
        "members": sum(len(room.get("members", ())) for room in expected.rooms),
        "agents": sum("actor_uid" in agent for agent in expected.agents),
        "threads": sum(map(len, expected.threads.values())),
        "dms": len(expected.dms),
        "messages": expected.message_count,
        "artifacts": len(expected.artifacts.get(("all", ""), ())),
    }
    for kind, number in wanted.items():
        if getattr(counts, kind) != number:
            result.differences.append(f"counts: {getattr(counts, kind)} {kind}, expected {number}")
