"""What is logged of SQL: statements, never their parameters, at no level and by no logger."""

from __future__ import annotations

import logging
from typing import Any

import pytest

import moltnet_sql
from moltnet_core import Actor, AgentRegistration, Message, MoltnetError, PageRequest, Part, Room, Target, open_store

KEY, TEXT, NAME = "agent-token:5ec7e7", "c0n7en7", "R0om-n4me"


def test_no_parameter_reaches_any_log(location: str, caplog: pytest.LogCaptureFixture) -> None:
    def message(message_id: str, target: Target) -> Message:
        part = Part("data", TEXT, filename=TEXT, data={TEXT: TEXT})
        return Message("net", target, Actor("agent", "ann", TEXT), [part], id=message_id)

    with caplog.at_level(logging.DEBUG), open_store(location, environ={}) as store:
        store.create_room(Room("general", "net", NAME, members=["ann"]))
        store.reconcile_room(Room("general", "net", NAME, members=["bob"]))
        store.update_room_members("general", add=["ann"])
        registration = AgentRegistration("ann", "net", KEY, NAME)
        store.register_agent(registration)
        store.reconcile_agent(registration)
        store.get_agent_by_credential(KEY)
        written = [message("m1", Target.room("general")), message("m2", Target.thread("general", "t1"))]
        store.append_messages([*written, message("m3", Target.dm("d1", ["ann", "bob"]))])
        failing: list[Any] = [
            lambda: store.append_messages(written),
            lambda: store.append_message(message("m4", Target.room("nowhere"))),
            lambda: store.register_agent(AgentRegistration("ann", "net", KEY + "x")),
            lambda: store.list_room_messages("general", PageRequest(before=TEXT)),
        ]
        for call in failing:
            with pytest.raises(MoltnetError):
                call()
        store.list_artifacts()
        with store.snapshot() as snapshot:
            records = list(snapshot.records())
        store.load(records)
        with moltnet_sql.transaction(store) as database:
            place = database.param
            database.execute_sql(f"UPDATE rooms SET name = {place} WHERE id = {place}", (NAME + "2", "general"))
        store.remove_room("general")
    shown = [f"{record.getMessage()} {record.args} {record.__dict__}" for record in caplog.records]
    password = location.partition("://")[2].partition("@")[0].partition(":")[2]
    for secret in ("5ec7e7", TEXT, NAME, *filter(None, [password])):
        assert not any(secret in each for each in shown)
    assert any("UPDATE rooms SET name" in each for each in shown)


def test_a_refused_statement_shows_no_row(location: str) -> None:
    """The text of an engine's error may name a value; only its type and code are handed on."""
    with open_store(location, environ={}) as store:
        store.create_room(Room("general", "net"))
        with pytest.raises(MoltnetError) as caught, moltnet_sql.transaction(store) as database:
            database.execute_sql(f"INSERT INTO rooms (id) VALUES ({database.param})", ("s3cret",))
        seen: list[BaseException] = []
        error: BaseException | None = caught.value
        while error is not None and error not in seen:
            seen.append(error)
            assert "s3cret" not in str(error)
            assert "rooms." not in str(error)
            assert isinstance(error, MoltnetError)
            error = error.__cause__ or error.__context__
        assert len(seen) == 2
        assert store.counts().rooms == 1
