"""What is logged is in the catalogue, with the fields that the catalogue says, and can be formatted as JSON."""

from __future__ import annotations

import ast
import importlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import moltnet_core.events
from moltnet_core import (
    Actor,
    Message,
    Part,
    Room,
    Store,
    Target,
    copy_store,
    export_store,
    hookimpl,
    import_store,
    open_store,
)
from moltnet_core.errors import MoltnetError
from moltnet_core.events import Event, Level

PACKAGES = Path(__file__).parent.parent.parent / "packages"
CATALOGUES = [importlib.import_module(f"{name}.events") for name in ("moltnet_core", "moltnet_sql", "moltnet_sqlite")]
CATALOGUES.append(importlib.import_module("moltnet_postgres.events"))
EVENTS: list[Event] = [event for module in CATALOGUES for event in module.EVENTS]
OWN = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "event", "taskName"}
# A handler for what the library logs, and backends that are wrong on purpose.
LOG_THEMSELVES = {"moltnet_cli/stores.py", "moltnet_core/events.py"} | {
    f"moltnet_conformance/{name}" for name in ("mutants/lawful.py", "mutants/stores.py", "clauses/secrets.py")
}


def sources() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGES.glob("*/src/**/*.py")):
        name = path.relative_to(path.parents[len(path.parts) - path.parts.index("src") - 2]).as_posix()
        yield name, ast.parse(path.read_text(encoding="utf-8"))


def constants(module: ModuleType) -> dict[str, Event]:
    return {name: value for name, value in vars(module).items() if isinstance(value, Event)}


def test_names_are_unique_and_fields_are_free() -> None:
    assert len({event.name for event in EVENTS}) == len(EVENTS)
    for event in EVENTS:
        assert event.name.startswith("moltnet.")
        assert not OWN & set(event.fields), f"{event.name} has a field that a record has already"
        assert event.meaning.endswith("."), event.name


def test_every_event_that_there_is_is_in_its_catalogue() -> None:
    for module in CATALOGUES:
        assert list(constants(module).values()) == list(module.EVENTS)


def test_everything_logged_is_an_event_with_all_its_fields() -> None:
    known = {name: event for module in CATALOGUES for name, event in constants(module).items()}
    used: set[str] = set()
    for path, tree in sources():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            of = node.func.value
            if node.func.attr == "getLogger":
                assert path in LOG_THEMSELVES, f"{path} logs without an event"
            if node.func.attr == "log" and isinstance(of, ast.Name) and of.id in known:
                assert {each.arg for each in node.keywords} == set(known[of.id].fields), f"{path}: {of.id}"
                used.add(of.id)
    assert used == set(known)


# -- what is logged --------------------------------------------------------------------------------------------


class Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def of(self, event: Event) -> list[dict[str, object]]:
        """The fields of each record of an event, which it has all."""
        found = [vars(record) for record in self.records if vars(record).get("event") == event.name]
        return [{name: record[name] for name in event.fields} for record in found]


@pytest.fixture
def kept() -> Iterator[Kept]:
    handler, logger = Kept(), logging.getLogger("moltnet_core")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield handler
    logger.setLevel(level)
    logger.removeHandler(handler)


def hello(message_id: str = "m1") -> Message:
    return Message("local", Target.room("general"), Actor("agent", "a"), [Part("text", "a secret")], id=message_id)


def filled(store: Store) -> Store:
    store.create_room(Room("general", "local"))
    store.append_message(hello())
    return store


def test_a_store_s_life(kept: Kept, tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/chat.db", environ={}) as store, pytest.raises(MoltnetError):
        filled(store).append_message(hello())
    (opened,) = kept.of(moltnet_core.events.STORE_OPENED)
    (migrated,) = kept.of(moltnet_core.events.STORE_MIGRATED)
    (closed,) = kept.of(moltnet_core.events.STORE_CLOSED)
    assert (opened["backend"], opened["read_only"]) == ("sqlite", False)
    assert migrated["applied"] == [step.label for step in store.migrations]
    assert closed["failed"] == 1
    assert closed["calls"] == sum(each.count for each in store.stats().calls.values())
    kept.records.clear()
    open_store(f"sqlite:///{tmp_path}/chat.db?mode=ro", environ={}).close()
    assert [each["read_only"] for each in kept.of(moltnet_core.events.STORE_OPENED)] == [True]
    assert kept.of(moltnet_core.events.STORE_MIGRATED) == []


def test_a_store_that_waits_for_its_migration_is_opened_when_it_is_ready(kept: Kept, tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/chat.db", migrate="later", environ={}) as store:
        assert kept.of(moltnet_core.events.STORE_OPENED) == []
        store.migrate()
        assert len(kept.of(moltnet_core.events.STORE_OPENED)) == 1


def test_a_slow_call_is_told_with_its_error(kept: Kept) -> None:
    with open_store("memory://", environ={}, slow_call=1e-9) as store:
        filled(store)
        with pytest.raises(MoltnetError):
            store.append_message(hello())
    told = kept.of(moltnet_core.events.CALL_SLOW)
    assert [(each["call"], each["error"]) for each in told] == [
        ("create_room", None),
        ("append_message", None),
        ("append_message", "DuplicateMessageError"),
    ]
    assert all(isinstance(each["seconds"], float) for each in told)


def test_no_call_is_slow_unless_that_is_asked_for(kept: Kept) -> None:
    with open_store("memory://", environ={}) as store:
        filled(store)
    with open_store("memory://", environ={}, slow_call=3600) as store:
        filled(store)
    assert kept.of(moltnet_core.events.CALL_SLOW) == []


@pytest.mark.parametrize("wrong", [0, -1, True, "1", float("nan")])
def test_a_wrong_limit_is_refused(wrong: float) -> None:
    with pytest.raises(MoltnetError, match="slow_call"):
        open_store("memory://", environ={}, slow_call=wrong)


def test_long_work_begins_and_ends(kept: Kept, tmp_path: Path) -> None:
    begun, ended = moltnet_core.events.WORK_BEGUN, moltnet_core.events.WORK_ENDED
    with open_store("memory://", environ={}) as store, open_store("memory://", environ={}) as other:
        export_store(filled(store), tmp_path / "all.jsonl")
        copy_store(store, other, dry_run=True)
        copy_store(store, other)
        with pytest.raises(MoltnetError):
            import_store(other, tmp_path / "none.jsonl")
    assert [each["work"] for each in kept.of(begun)] == ["export", "copy", "import"]
    assert [(each["work"], bool(each["error"])) for each in kept.of(ended)] == [
        ("export", False),
        ("copy", False),
        ("import", True),
    ]


def test_a_hook_that_fails_is_told_without_what_it_says(kept: Kept) -> None:
    class Broken:
        @hookimpl
        def moltnet_message_appended(self) -> None:
            raise LookupError("a secret")

    with open_store("memory://", environ={}, plugins=[Broken()]) as store:
        filled(store)
    (failed,) = kept.of(moltnet_core.events.PLUGIN_FAILED)
    assert str(failed["plugin"]).endswith("Broken")
    assert (failed["error"], failed["file"]) == ("LookupError", __file__)


def test_every_record_makes_a_line_of_json(kept: Kept) -> None:
    class Lines(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            extra = {name: value for name, value in vars(record).items() if name not in OWN - {"event"}}
            return json.dumps({"level": record.levelname, "message": record.getMessage()} | extra)

    with open_store("memory://", environ={}, slow_call=1e-9) as store:
        filled(store)
    lines = [json.loads(Lines().format(record)) for record in kept.records]
    assert {"moltnet.store.opened", "moltnet.call.slow", "moltnet.store.closed"} <= {line["event"] for line in lines}
    assert "a secret" not in str(lines)


def test_nothing_is_made_of_an_event_that_nobody_wants(kept: Kept) -> None:
    class Untouchable:
        def __str__(self) -> str:
            raise AssertionError

    logging.getLogger("moltnet_core").setLevel(logging.ERROR)
    Event("moltnet.test", "moltnet_core.test", Level.INFO, ("what",), "For this test.").log(
        "%s", Untouchable(), what=Untouchable()
    )
    assert kept.records == []


def test_a_record_says_where_it_was_logged(kept: Kept) -> None:
    open_store("memory://", environ={}).close()
    assert {Path(record.pathname).name for record in kept.records} == {"store.py"}
