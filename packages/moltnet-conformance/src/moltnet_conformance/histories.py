"""Generated histories, run on a backend and on the reference in lockstep: results, errors and the final scan agree.

A failure leaves the steps of the history that shows it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from moltnet_conformance.harness import Place
from moltnet_conformance.pairs import Pair
from moltnet_conformance.scripting import Step
from moltnet_conformance.strategies import (
    credentials,
    dm_ids,
    filters,
    member_ids,
    members,
    message_ids,
    messages,
    pages,
    records,
    registrations,
    room_ids,
    rooms,
    thread_ids,
    with_digits,
)
from moltnet_core import AgentRegistration, ArtifactFilter, Message, PageRequest, Record, Room

REOPENED = 2  # times in a history: the generator would take it for one step in five, and it takes longest


class Histories(RuleBasedStateMachine):
    """Every step is taken on both stores, and has to come out alike."""

    place: ClassVar[Place]  # set by the clause
    reference_place: ClassVar[Place]
    count: ClassVar[int] = 0
    """How many histories were begun."""
    failed: ClassVar[list[Step] | None] = None
    """The steps of the last that did not come out alike, if there is one."""

    @initialize()
    def open(self) -> None:
        type(self).count += 1
        self.pair = Pair(self.place, self.reference_place)
        self.reopened = 0

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Whatever fails in the block, with an error that is not the contract's too, is this history's."""
        try:
            yield
        except Exception:
            type(self).failed = self.pair.steps
            raise

    def both(self, method: str, *arguments: Any, **options: Any) -> None:
        with self.noted():
            self.pair.call(method, *arguments, **options)

    @rule(room=rooms)
    def create_room(self, room: Room) -> None:
        self.both("create_room", room)

    @rule(room=rooms)
    def reconcile_room(self, room: Room) -> None:
        self.both("reconcile_room", room)

    @rule(room_id=room_ids, add=members, remove=members)
    def update_room_members(self, room_id: str, add: list[str], remove: list[str]) -> None:
        self.both("update_room_members", room_id, add, remove)

    @rule(room_id=room_ids)
    def remove_room(self, room_id: str) -> None:
        self.both("remove_room", room_id)

    @rule(member_id=member_ids)
    def remove_agent_from_rooms(self, member_id: str) -> None:
        self.both("remove_agent_from_rooms", member_id)

    @rule(batch=st.lists(messages, min_size=1, max_size=4), retry=st.booleans())
    def append_messages(self, batch: list[Message], retry: bool) -> None:
        self.both("append_messages", batch, retry=retry)

    @rule(message=messages)
    def append_and_try_again(self, message: Message) -> None:
        self.both("append_message", message)
        self.both("append_message", message, retry=True)

    @rule(registration=registrations, rebind=st.booleans())
    def register_agent(self, registration: AgentRegistration, rebind: bool) -> None:
        if rebind:
            self.both("reconcile_agent", registration)
        else:
            self.both("register_agent", registration)

    @rule(agent_id=member_ids)
    def remove_agent(self, agent_id: str) -> None:
        self.both("remove_agent", agent_id)

    @rule(loaded=st.lists(records, min_size=1, max_size=4))
    def load(self, loaded: list[Record]) -> None:
        kept = [with_digits(record, self.pair.subject.backend.time_digits) for record in loaded]
        self.both("load", kept)

    @precondition(lambda self: self.reopened < REOPENED)
    @rule()
    def reopen(self) -> None:
        self.reopened += 1
        if "persistent" in self.pair.subject.capabilities:
            with self.noted():
                self.pair.take(Step())

    @rule(page=pages, room_id=room_ids, thread_id=thread_ids, dm_id=dm_ids, chosen=filters)
    def list_everything(
        self, page: PageRequest, room_id: str, thread_id: str, dm_id: str, chosen: ArtifactFilter
    ) -> None:
        self.both("list_room_messages", room_id, page)
        self.both("list_thread_messages", thread_id, page)
        self.both("list_dm_messages", dm_id, page)
        self.both("list_threads", room_id, page)
        self.both("list_artifacts", chosen, page)
        for name in ("list_rooms", "list_dms", "list_agents", "list_members"):
            self.both(name, page)

    @rule(message_id=message_ids, thread_id=thread_ids, dm_id=dm_ids, member_id=member_ids, key=credentials)
    def get_everything(self, message_id: str, thread_id: str, dm_id: str, member_id: str, key: str) -> None:
        self.both("get_message", message_id)
        self.both("get_thread", thread_id)
        self.both("get_dm", dm_id)
        self.both("get_member", member_id)
        self.both("get_agent", member_id)
        self.both("get_agent_by_credential", key)

    def teardown(self) -> None:
        if hasattr(self, "pair"):
            try:
                with self.noted():
                    self.pair.end()
            finally:
                self.pair.close()
