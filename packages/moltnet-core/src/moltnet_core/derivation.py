"""What every backend would work out alike, worked out once: what follows from a message, a registration, a membership.

The ``Store`` calls :func:`derive` before a driver sees a message; the other functions are for drivers, within their
transactions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from moltnet_core.driver import NewMessage
from moltnet_core.errors import AgentCredentialError, Duplicate, DuplicateMessageError
from moltnet_core.identifiers import artifact_id, full_id, member_network, scoped_member_id
from moltnet_core.records import Record
from moltnet_core.serialization import canonical, to_json
from moltnet_core.timestamps import parse_time, time_key
from moltnet_core.types import (
    AgentRegistration,
    AgentSummary,
    Artifact,
    DirectConversation,
    Message,
    Part,
    Thread,
)
from moltnet_core.validation import agent_full_id

__all__ = [
    "artifacts_of",
    "count_message",
    "derive",
    "member_summary",
    "merge_registration",
    "participants_of",
    "resolve_duplicates",
    "same_message",
]


def _is_artifact(part: Part) -> bool:
    return part.kind != "text" or bool(part.url or part.filename or part.media_type)


def artifacts_of(message: Message) -> tuple[Artifact, ...]:
    """The artifacts of a message: its parts that are not ``text`` or have a ``url``, ``filename`` or ``media_type``."""
    found = []
    for index, part in enumerate(message.parts):
        if _is_artifact(part):
            own_id = artifact_id(message.id, index)
            found.append(
                Artifact(
                    own_id,
                    message.network_id,
                    full_id(message.network_id, "artifacts", own_id),
                    message.id,
                    message.target,
                    index,
                    part.kind,
                    part.media_type,
                    part.filename,
                    part.url,
                    created_at=message.created_at,
                )
            )
    return tuple(found)


def participants_of(message: Message) -> tuple[str, ...]:
    """Whom a DM's message makes participants: those it names and its sender; sorted, unique."""
    sender = scoped_member_id(message.sender.id, message.sender.network_id or message.network_id, message.network_id)
    return tuple(sorted({*message.target.participant_ids, sender}))


def derive(message: Message) -> NewMessage:
    """A validated message with all that a driver needs to append it."""
    target, network_id = message.target, message.network_id
    artifacts = artifacts_of(message)
    if target.kind == "thread" and target.thread_id and target.room_id:
        thread = Thread(
            target.thread_id,
            network_id,
            full_id(network_id, "threads", target.thread_id),
            target.room_id,
            target.parent_message_id,
            message_count=1,
            last_message_at=message.created_at,
        )
        return NewMessage(message, artifacts, thread=thread)
    if target.kind == "dm" and target.dm_id:
        dm = DirectConversation(
            target.dm_id,
            network_id,
            full_id(network_id, "dms", target.dm_id),
            participants_of(message),
            message_count=1,
            last_message_at=message.created_at,
        )
        return NewMessage(message, artifacts, dm=dm)
    return NewMessage(message, artifacts)


def count_message(stored: Record, time: str, *, joined: DirectConversation | None = None) -> Record:
    """A thread's or DM's record with one more message in it.

    :param stored: the record of the thread or DM that is there.
    :param time: the message's time, as it is stored.
    :param joined: of an appended DM's message: ``NewMessage.dm``, whose network and participants the DM takes on.
        A loaded message changes neither.
    """
    last = max(stored.times["last_message_at"], time, key=time_key)
    value: Any = stored.value
    changes: dict[str, Any] = {"message_count": value.message_count + 1, "last_message_at": parse_time(last)}
    if joined is not None:
        changes |= {
            "network_id": joined.network_id,
            "fqid": joined.fqid,
            "participant_ids": tuple(sorted({*value.participant_ids, *joined.participant_ids})),
        }
    return Record(stored.kind, attrs.evolve(value, **changes), {"last_message_at": last})


def same_message(stored: Message, offered: Message) -> bool:
    """Whether two messages are equal by canonical JSON (so ``1`` and ``1.0`` in ``data`` differ)."""
    return canonical(to_json(stored)) == canonical(to_json(offered))


def resolve_duplicates(
    batch: Sequence[NewMessage], stored: Mapping[str, Message | None], *, retry: bool
) -> frozenset[int]:
    """Which messages of a batch count as appended already.

    :param stored: those of the store whose ids the batch uses, by id; ``None`` for one that cannot be decoded.
    :param retry: an identical message counts as success.
    :returns: the indexes in the batch that are not to be stored again; none without duplicates.
    :raises DuplicateMessageError: lists every duplicate, if one of them may not pass.
    """
    known: dict[str, Message | None] = dict(stored)
    duplicates = []
    for index, new in enumerate(batch):
        message = new.message
        if message.id in known:
            other = known[message.id]
            identical = other is not None and same_message(other, message)
            duplicates.append(Duplicate(index, message.id, identical))
        else:
            known[message.id] = message
    if duplicates and not (retry and all(item.identical for item in duplicates)):
        raise DuplicateMessageError(duplicates)
    return frozenset(item.index for item in duplicates)


def merge_registration(
    stored: AgentRegistration | None, offered: AgentRegistration, *, rebind: bool
) -> AgentRegistration:
    """What to store when an agent is registered: the first writer's identity, the latest name and time.

    :param rebind: take the offered credential key whatever the stored one is.
    :raises AgentCredentialError: the stored credential key is another (an empty one equals none).
    """
    if stored is None:
        return offered
    if not rebind and (not stored.credential_key or stored.credential_key != offered.credential_key):
        raise AgentCredentialError(offered.agent_id)
    return attrs.evolve(
        stored,
        display_name=offered.display_name or stored.display_name,
        credential_key=offered.credential_key,
        updated_at=offered.updated_at,
    )


def member_summary(member_id: str, rooms: Iterable[tuple[str, str]]) -> AgentSummary:
    """The summary of a member.

    :param rooms: pairs of a room's id and network id; at least one.
    """
    ordered = sorted(rooms)
    scope = member_network(member_id)
    network_id = scope[0] if scope else ordered[0][1]
    return AgentSummary(
        member_id, network_id, agent_full_id(network_id, member_id), tuple(room_id for room_id, _ in ordered)
    )
