"""What a fixture must read as, worked out from what the server served and by nothing of the packages under test."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

__all__ = [
    "Expected",
    "Json",
    "artifacts_of",
    "coarser",
    "comparable",
    "cut",
    "from_fed",
    "from_served",
    "order_key",
    "readable",
    "rounded",
    "settled",
    "spelled",
]

Json = dict[str, Any]
Conversation = tuple[str, str]

_SCOPED = re.compile(r"molt://(?P<net>[^/]+)/agents/(?P<agent>.+)|(?P<network>[^:/]+):(?P<local>[^/].*)")
_NOT_STORED = ("access", "connected")


@dataclass(frozen=True)
class Expected:
    """Listings by the conversation's id, each in the contract's order.

    :ivar messages: by (kind, id) of the conversation.
    :ivar artifacts: by (kind, id) of the conversation; ``("all", "")`` is everything.
    :ivar agents: the server's view, which joins memberships and registrations.
    :ivar unreadable: ids of messages among them whose time cannot be held: a page that skips them has all others.
    """

    rooms: list[Json]
    removed_rooms: int
    messages: dict[Conversation, list[Json]]
    threads: dict[str, list[Json]]
    dms: list[Json]
    artifacts: dict[Conversation, list[Json]]
    agents: list[Json]
    unreadable: frozenset[str] = frozenset()

    @property
    def message_count(self) -> int:
        return sum(map(len, self.messages.values()))


def order_key(time: str) -> str:
    """A UTC time as a text of fixed length, nanoseconds included, up to the year 99999."""
    seconds, _, fraction = time.removesuffix("Z").partition(".")
    return f"{seconds.rjust(20)}.{fraction.ljust(9, '0')}"


def comparable(value: Any, name: str = "") -> Any:
    """JSON without absent optional values, its times as instants truncated to the microsecond."""
    if isinstance(value, dict):
        found = {key: item if key == "data" else comparable(item, key) for key, item in value.items()}
        return {key: item for key, item in found.items() if item not in ("", [], {}, None) or key == "origin"}
    if isinstance(value, list):
        return [comparable(item) for item in value]
    if name.endswith("_at") and isinstance(value, str):
        return datetime.fromisoformat(value).astimezone(UTC).isoformat()
    return value


def spelled(value: Any) -> str:
    """One text for equal JSON: it tells ``1`` from ``1.0`` and ``true``."""
    return json.dumps(comparable(value), sort_keys=True, ensure_ascii=False)


def artifacts_of(message: Json) -> list[Json]:
    """What the contract says are the artifacts of a message."""
    found = []
    for index, part in enumerate(message["parts"]):
        described = {name: part[name] for name in ("url", "filename", "media_type") if part.get(name)}
        if part["kind"] != "text" or described:
            own_id = f"art_{message['id']}_{index}"
            fqid = f"molt://{message['network_id']}/artifacts/{own_id}"
            shared = {name: message[name] for name in ("network_id", "target", "created_at")}
            found.append(
                {"id": own_id, "fqid": fqid, "message_id": message["id"], "part_index": index, "kind": part["kind"]}
                | described
                | shared
            )
    return found


def _conversation(message: Json) -> Conversation:
    target = message["target"]
    return target["kind"], target[f"{target['kind']}_id"]


def _by_conversation(messages: Iterable[Json]) -> dict[Conversation, list[Json]]:
    grouped: defaultdict[Conversation, list[Json]] = defaultdict(list)
    for message in messages:
        grouped[_conversation(message)].append(message)
    for found in grouped.values():
        found.sort(key=lambda message: (order_key(message["created_at"]), message["id"]))
    return dict(grouped)


def _artifacts(messages: Iterable[Json]) -> dict[Conversation, list[Json]]:
    grouped: defaultdict[Conversation, list[Json]] = defaultdict(list)
    for message in messages:
        listings = {("all", ""), _conversation(message)}
        if message["target"]["kind"] == "thread":
            listings.add(("room", message["target"]["room_id"]))
        for artifact in artifacts_of(message):
            for listing in listings:
                grouped[listing].append(artifact)
    for found in grouped.values():
        found.sort(key=lambda each: (order_key(each["created_at"]), each["message_id"], each["part_index"]))
    return dict(grouped)


def _room(room: Json) -> Json:
    defaults = {"visibility": "private", "write_policy": "members"}
    return defaults | {key: value for key, value in room.items() if key not in _NOT_STORED}


def _agent(agent: Json) -> Json:
    """An agent of the server's view. Before version 5 it did not look for the network in a member's id."""
    found = {key: value for key, value in agent.items() if key not in _NOT_STORED}
    match = _SCOPED.fullmatch(agent["id"])
    if match is not None:
        found["network_id"] = match["net"] or match["network"]
        found["fqid"] = f"molt://{found['network_id']}/agents/{match['agent'] or match['local']}"
    return found


def from_served(served: Json, unserved: Sequence[Json]) -> Expected:
    """From what the server served over HTTP.

    :param unserved: the messages that are stored besides: of a removed room, or written after the serving.
    """
    messages = [*unserved]
    for listings in (served["room_messages"], served["thread_messages"], served["dm_messages"]):
        messages += [each for found in listings.values() if isinstance(found, list) for each in found]
    kept = {room["id"] for room in served["rooms"]}
    removed = {each["target"]["room_id"] for each in unserved if each["target"]["kind"] == "room"} - kept
    return Expected(
        sorted(map(_room, served["rooms"]), key=lambda room: room["id"]),
        len(removed),
        _by_conversation(messages),
        {key: sorted(found, key=lambda thread: thread["id"]) for key, found in served["threads"].items()},
        sorted(served["dms"], key=lambda dm: dm["id"]),
        _artifacts(messages),
        sorted(map(_agent, served["agents"]), key=lambda agent: agent["id"]),
    )


def from_fed(fed: Sequence[Json]) -> Expected:
    """From what was fed into a server's store, entry by entry."""
    rooms = {entry["room"]["id"]: entry["room"] for entry in fed if "room" in entry}
    removed = {entry["remove"] for entry in fed if "remove" in entry}
    messages = [entry["message"] for entry in fed if "message" in entry]
    live = {key: room for key, room in rooms.items() if key not in removed}
    threads, dms = _conversations(messages)
    return Expected(
        sorted(map(_room, live.values()), key=lambda room: room["id"]),
        len(removed),
        _by_conversation(messages),
        threads,
        dms,
        _artifacts(messages),
        _joined(live.values(), [entry["agent"] for entry in fed if "agent" in entry]),
    )


def settled(expected: Expected) -> Expected:
    """What is expected where direct conversations are worked out from the messages: their last time is the latest
    message's, which a server may have let go backwards.
    """
    dms = [
        dm | {"last_message_at": max((item["created_at"] for item in expected.messages["dm", dm["id"]]), key=order_key)}
        for dm in expected.dms
    ]
    return replace(expected, dms=dms)


def readable(expected: Expected) -> Expected:
    """What is expected of a store that the readable part was copied into. What is not readable has no artifacts."""
    messages = {
        key: [item for item in found if item["id"] not in expected.unreadable]
        for key, found in expected.messages.items()
    }
    return replace(expected, messages=messages, unreadable=frozenset())


# -- six digits: PostgreSQL keeps no more ------------------------------------------------------------


def rounded(time: str) -> str:
    """What PostgreSQL makes of a time that the server sends: to the microsecond, also up to the year 10000."""
    seconds, _, fraction = time.removesuffix("Z").partition(".")
    micros = int(Decimal(f"0.{fraction or 0}").scaleb(6).to_integral_value(ROUND_HALF_EVEN))
    if micros < 10**6:
        return f"{seconds}.{micros:06d}Z"
    try:
        return f"{(datetime.fromisoformat(seconds) + timedelta(seconds=1)).isoformat()}.000000Z"
    except OverflowError:
        return "10000-01-01T00:00:00.000000Z"


def cut(time: str) -> str:
    """What loading a record makes of a time in PostgreSQL: truncated to the microsecond."""
    seconds, _, fraction = time.removesuffix("Z").partition(".")
    return f"{seconds}.{fraction[:6].ljust(6, '0')}Z"


def coarser(expected: Expected, keep: Callable[[str], str]) -> Expected:
    """What is expected where times have six digits: in the order of those.

    :param keep: :func:`rounded` or :func:`cut`.
    """

    def kept(items: Iterable[Json], *names: str) -> list[Json]:
        found = [item | {name: keep(item[name]) for name in item if name.endswith("_at")} for item in items]
        return sorted(found, key=lambda item: (order_key(item["created_at"]), *(item[name] for name in names)))

    def last(items: Iterable[Json]) -> list[Json]:
        return [item | {"last_message_at": keep(item["last_message_at"])} for item in items]

    messages = {key: kept(found, "id") for key, found in expected.messages.items()}
    return replace(
        expected,
        messages=messages,
        artifacts={key: kept(found, "message_id", "part_index") for key, found in expected.artifacts.items()},
        threads={key: last(found) for key, found in expected.threads.items()},
        dms=last(expected.dms),
        unreadable=frozenset(
            item["id"] for found in messages.values() for item in found if item["created_at"].startswith("10000-")
        ),
    )


# ----------------------------------------------------------------------------------------------------


def _conversations(messages: Sequence[Json]) -> tuple[dict[str, list[Json]], list[Json]]:
    """Threads by room and direct conversations, as the server counts: the last appended message gives the time."""
    found: dict[Conversation, Json] = {}
    for message in messages:
        target, sender = message["target"], message["from"]
        kind, key = _conversation(message)
        if kind == "room":
            continue
        network = message["network_id"]
        made = {"id": key, "network_id": network, "fqid": f"molt://{network}/{kind}s/{key}", "message_count": 0}
        if kind == "thread":
            made |= {name: target.get(name) for name in ("room_id", "parent_message_id")}
        entry = found.setdefault((kind, key), made)
        entry["message_count"] += 1
        entry["last_message_at"] = message["created_at"]
        if kind == "dm":
            own = sender["id"] if sender["network_id"] == network else f"{sender['network_id']}:{sender['id']}"
            entry["participant_ids"] = sorted({*entry.get("participant_ids", ()), *target["participant_ids"], own})
    threads: defaultdict[str, list[Json]] = defaultdict(list)
    for (kind, _), entry in sorted(found.items()):
        if kind == "thread":
            threads[entry["room_id"]].append(entry)
    return dict(threads), [entry for (kind, _), entry in sorted(found.items()) if kind == "dm"]


def _joined(rooms: Iterable[Json], registered: Iterable[Json]) -> list[Json]:
    agents: dict[str, Json] = {}
    for room in rooms:
        for member in room.get("members", ()):
            made: Mapping[str, Any] = {"id": member, "network_id": room["network_id"], "rooms": []}
            agent = agents.setdefault(member, _agent({**made, "fqid": f"molt://{room['network_id']}/agents/{member}"}))
            agent["rooms"] = sorted([*agent["rooms"], room["id"]])
    for entry in registered:
        own = {"id": entry["agent_id"], "network_id": entry["network_id"], "fqid": entry["actor_uri"]}
        agents.setdefault(entry["agent_id"], own).update(actor_uid=entry["actor_uid"], name=entry["display_name"])
    return sorted(agents.values(), key=lambda agent: agent["id"])
