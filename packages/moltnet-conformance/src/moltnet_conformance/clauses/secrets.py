"""What is never shown."""

from __future__ import annotations

import logging
from typing import Any

import attrs
import pytest

from moltnet_conformance.building import (
    agent,
    message,
    records,
    room,
    thread,
)
from moltnet_conformance.clause import Group
from moltnet_conformance.harness import Place
from moltnet_core import (
    MoltnetError,
    Part,
    hookimpl,
)

clause = Group("errors leave no trace")


@clause("ERR-002", "1.15", "5.3")
def secrets_and_content_stay_out_of_logs_reprs_errors_and_json(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    key, text = "agent-token:5ec7e7", "c0n7en7 of a message"

    class Failing:
        @hookimpl
        def moltnet_message_appended(self, result: Any) -> None:
            raise RuntimeError(f"{result}")

    shown: list[str] = []
    with caplog.at_level(logging.DEBUG):
        store = place.open(plugins=[Failing()])
        store.create_room(room("general"))
        registered = store.register_agent(agent("ann", key))
        shown += [repr(registered), repr(store), repr(store.list_agents())]
        written = message("m1", parts=[Part("text", text, filename=text, data={text: text})])
        for call in (
            lambda: store.append_message(written),
            lambda: store.append_message(written),
            lambda: store.append_messages(
                [written, message("m2", parts=[Part("text", text), Part("text", "\x00" + text)])]
            ),
            lambda: store.append_message(attrs.evolve(written, id="m3", target=thread("t1", "nowhere"))),
            lambda: store.register_agent(agent("ann", key + "x")),
            lambda: store.register_agent(agent("bob", key + "\x00")),
            lambda: store.reconcile_agent(agent("ann", key + "2")),
            lambda: store.get_agent_by_credential(key),
            store.list_artifacts,
            lambda: store.load([*records(store), *records(store)]),
        ):
            try:
                shown.append(repr(call().__class__))
            except MoltnetError as error:
                shown += [str(error), repr(error), repr(error.__cause__), repr(error.__context__)]
        shown += [repr(record) for record in records(store) if record.kind == "agent"]
        shown += [str(record.to_json()) for record in records(store) if record.kind == "agent"]
        store.close()
    shown += [f"{each.getMessage()} {vars(each)}" for each in caplog.records]
    assert not any("5ec7e7" in each for each in shown)
    assert not any(text in each for each in shown)
    assert any("RuntimeError" in each.getMessage() for each in caplog.records)
