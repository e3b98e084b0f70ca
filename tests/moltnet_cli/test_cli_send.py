"""``send``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from moltnet_core import Message, Part, open_store, to_json

Invoke = Callable[..., Result]
Objects = Callable[..., list[dict[str, Any]]]


def stored(message_id: str) -> Message:
    with open_store(read_only=True) as store:
        found = store.get_message(message_id)
    assert found is not None
    return found


def test_to_a_room(invoke: Invoke, objects: Objects, filled: Path) -> None:
    assert invoke("send", "room:general", "hi", "--from", "bob", "--id", "x1").stdout == "appended x1 to room:general\n"
    found = stored("x1")
    assert found.sender.id == "bob"
    assert found.sender.type == "agent"
    assert found.parts == (Part("text", "hi"),)
    (result,) = objects("send", "room:general", "hi", "--from", "bob", "--mention", "molt://local/agents/alice")
    assert result["message"] == to_json(stored(result["message"]["id"]))
    assert result["message"]["mentions"] == ["molt://local/agents/alice"]


def test_the_network_is_the_option_then_the_environment_then_the_file(
    invoke: Invoke, objects: Objects, filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def network(*options: str) -> str:
        (result,) = objects("send", "room:general", "hi", "--from", "bob", "--dry-run", *options)
        return str(result["message"]["network_id"])

    url = ("--store", f"sqlite:///{filled}")
    assert network() == network(*url) == "local"
    Path("moltnet.yaml").write_text("network:\n  id: filenet\n")
    assert network() == network(*url) == "filenet"
    monkeypatch.setenv("MOLTNET_NETWORK_ID", "envnet")
    assert network() == network(*url) == "envnet"
    result = invoke("send", "room:general", "hi", "--from", "bob", "--dry-run")
    assert result.stderr == ("warning: room:general belongs to the network local, and what is written carries envnet\n")
    assert network("--network", "mine") == network("--network", "mine", *url) == "mine"


@pytest.mark.parametrize(
    ("given", "text"), [("one\ntwo\n", "one\ntwo"), ("wörld\r\n", "wörld"), ("a\n\n", "a\n"), ("-", "-")]
)
def test_text_from_standard_input(invoke: Invoke, filled: Path, given: str, text: str) -> None:
    invoke("send", "room:general", "-", "--from", "bob", "--id", "x1", input=given.encode())
    assert stored("x1").parts[0].text == text


def test_input_that_is_no_text(invoke: Invoke, filled: Path) -> None:
    invoke("send", "room:general", "-", "--from", "bob", input=b"\xff", code=2)
    invoke("send", "room:general", "-", "--from", "bob", input=b"", code=2)


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--url", "https://x.org/page"], Part("url", url="https://x.org/page")),
        (["--url", "https://x.org/a.png"], Part("image", url="https://x.org/a.png", media_type="image/png")),
        (["--file", "a.pdf"], Part("file", filename="a.pdf", media_type="application/pdf")),
        (
            ["--filename", "a.bin", "--url", "molt://x/y", "--media-type", "audio/ogg"],
            Part("audio", filename="a.bin", url="molt://x/y", media_type="audio/ogg"),
        ),
        (["--data", '{"b": 1, "a": 123456789012345678901}'], Part("data", data={"b": 1, "a": 123456789012345678901})),
    ],
)
def test_attachments(invoke: Invoke, filled: Path, options: list[str], part: Part) -> None:
    invoke("send", "room:general", "--from", "bob", "--id", "x1", *options)
    assert stored("x1").parts == (part,)
    invoke("send", "room:general", "and text", "--from", "bob", "--id", "x2", *options)
    assert stored("x2").parts == (Part("text", "and text"), part)


def test_thread(invoke: Invoke, filled: Path) -> None:
    invoke("send", "thread:new", "hi", "--from", "bob", code=2)
    made = invoke("send", "thread:new", "hi", "--from", "bob", "--room", "general", "--parent", "m1", "--id", "x1")
    assert "created the thread new in the room general" in made.stdout
    assert stored("x1").target.parent_message_id == "m1"
    invoke("send", "thread:new", "again", "--from", "bob", "--id", "x2")
    assert stored("x2").target == stored("x1").target
    for options in ([], ["--dry-run"]):
        invoke("send", "thread:new", "no", "--from", "bob", "--room", "ops", *options, code=1)


def test_dm(invoke: Invoke, objects: Objects, filled: Path) -> None:
    invoke("send", "dm:new", "hi", "--from", "bob", code=2)
    (made,) = objects("send", "dm:new", "hi", "--from", "bob", "--with", "alice", "--id", "x1")
    assert made["dm_created"]["participant_ids"] == ["alice", "bob"]
    assert stored("x1").target.participant_ids == ("bob", "alice")
    (more,) = objects("send", "dm:new", "hi", "--from", "alice", "--with", "carol")
    assert "dm_created" not in more
    assert objects("dms", "--after", "d2")[0]["participant_ids"] == ["alice", "bob", "carol"]


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("room:nosuch", "hi", "--from", "bob"), 1),
        (("room:general", "hi", "--from", "bob", "--id", "m1"), 1),
        (("room:general", "hi"), 2),
        (("room:general", "--from", "bob"), 2),
        (("room:general", "", "--from", "bob"), 2),
        (("room:general", "hi", "--from", "not an id"), 2),
        (("room:general", "hi", "--from", "bob", "--id", "not an id"), 2),
        (("room:general", "hi", "--from", "bob", "--room", "ops"), 2),
        (("room:general", "hi", "--from", "bob", "--with", "alice"), 2),
        (("room:general", "hi", "--from", "bob", "--media-type", "x/y"), 2),
        (("room:general", "hi", "--from", "bob", "--url", "ftp://x"), 2),
        (("room:general", "hi", "--from", "bob", "--data", "[1]"), 2),
        (("room:general", "hi", "--from", "bob", "--data", "{"), 2),
        (("room:general", "hi", "--from", "bob", "--data", '{"a": NaN}'), 2),
        (("dm:new", "hi", "--from", "bob", "--with", "bob"), 2),
    ],
)
def test_what_is_refused_is_refused_by_a_dry_run_too(
    invoke: Invoke, filled: Path, args: tuple[str, ...], code: int
) -> None:
    invoke("send", *args, "--dry-run", code=code)
    invoke("send", *args, code=code)
    with open_store(read_only=True) as store:
        assert store.counts().messages == 9


def test_of_a_file_only_the_name_is_kept_and_that_is_said(invoke: Invoke, filled: Path) -> None:
    args = ("send", "room:general", "--from", "bob", "--file", "a.pdf")
    assert "only the name" in invoke(*args).stderr
    assert invoke(*args, "--url", "https://example.org/a.pdf").stderr == ""


@pytest.mark.parametrize(
    ("args", "name"),
    [(["\udcff"], "TEXT"), (["--url", "https://x.org/\udcff"], "--url"), (["--file", "\udcff"], "--file")],
)
def test_an_argument_that_is_not_utf8(invoke: Invoke, filled: Path, args: list[str], name: str) -> None:
    error = invoke("send", "room:general", "--from", "bob", *args, code=2).stderr
    assert error.startswith(f"error: {name} is not UTF-8")


@pytest.mark.parametrize("conversation", ["room:general", "thread:t1", "dm:d1"])
def test_dry_run_writes_nothing(invoke: Invoke, objects: Objects, filled: Path, conversation: str) -> None:
    before = filled.read_bytes()
    result = invoke("send", conversation, "hi", "--from", "bob", "--dry-run")
    assert result.stdout.startswith("would append msg_")
    assert objects("send", conversation, "hi", "--from", "bob", "--dry-run")[0]["dry_run"] is True
    assert filled.read_bytes() == before


@pytest.mark.parametrize("options", [[], ["--dry-run"]])
@pytest.mark.parametrize("args", [("room:general",), ("dm:d1", "--with", "alice")])
def test_a_store_is_never_created(invoke: Invoke, path: Path, args: tuple[str, ...], options: list[str]) -> None:
    assert str(path) in invoke("send", *args, "--from", "bob", "--data", "{}", *options, code=3).stderr
    assert not path.parent.exists()
