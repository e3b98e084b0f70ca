"""The format of exports: whatever is stored comes back, other spellings are read, and nothing else is."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from moltnet_conformance.building import fill, records
from moltnet_conformance.strategies import records as any_record
from moltnet_core import (
    LOAD_ORDER,
    Actor,
    CorruptRecordError,
    InvalidExportError,
    Message,
    Part,
    Record,
    Room,
    Target,
    export_store,
    open_store,
)
from moltnet_core.transfer import lines
from moltnet_core.transfer.digest import canonical_text
from moltnet_core.transfer.format import ExportHeader, ExportReader, ExportWriter

SCHEMA = Path(__file__).parents[3] / "docs" / "export-format.schema.json"


def written(found: Sequence[Record], digits: int = 9) -> bytes:
    stream = io.BytesIO()
    writer = ExportWriter(stream, ExportHeader("memory", digits, credentials=True))
    for record in found:
        writer.write(record)
    writer.finish()
    return stream.getvalue()


def read(content: bytes) -> list[Record]:
    return list(ExportReader(io.BytesIO(content), "chat.jsonl"))


@pytest.fixture(scope="module")
def filled() -> list[Record]:
    with open_store("memory://") as store:
        fill(store)
        return records(store)


@pytest.fixture(scope="module")
def content(filled: list[Record]) -> bytes:
    return written(filled)


def texts(found: Sequence[Record]) -> list[str]:
    return [canonical_text(record, 9) for record in found]


@given(st.lists(any_record, max_size=4))
def test_every_record_comes_back(found: list[Record]) -> None:
    found = sorted(found, key=lambda record: LOAD_ORDER.index(record.kind))
    back = read(written(found))
    assert texts(back) == texts(found)
    assert [record.times for record in back] == [record.times for record in found]


def test_what_other_programs_take_for_the_end_of_a_line_is_escaped() -> None:
    hostile = "a\u2028b\u2029c\x85d\x0be\x1ff\nno\r\x7f\ud800\x00"
    message = Message("net", Target.room("r"), Actor("agent", "ann"), [Part("text", hostile)], id="m")
    record = Record("message", message, {"created_at": "2026-01-01T00:00:00Z"})
    made = written([record])
    assert len(made.decode().splitlines()) == 3
    (back,) = read(made)
    assert isinstance(back.value, Message)
    assert back.value.parts[0].text == hostile


# -- other spellings ---------------------------------------------------------------------------------


def respelt(content: bytes, spell: Callable[[Any], str]) -> bytes:
    return b"".join(spell(json.loads(line)).encode() + b"\n" for line in content.splitlines())


SPELLINGS: dict[str, Callable[[bytes], bytes]] = {
    "jq -c": lambda content: respelt(content, lambda line: json.dumps(line, ensure_ascii=False, separators=(",", ":"))),
    "jq -S": lambda content: respelt(content, lambda line: json.dumps(line, sort_keys=True)),
    "keys reversed": lambda content: respelt(content, lambda line: json.dumps(dict(reversed(line.items())))),
    "CRLF": lambda content: content.replace(b"\n", b"\r\n"),
    "blank lines": lambda content: b"\n \n" + content.replace(b"\n", b"\n\n") + b"\n\r\n",
    "no end of the last line": lambda content: content.rstrip(b"\n"),
    "byte-order mark": lambda content: b"\xef\xbb\xbf" + content,
    "unknown keys": lambda content: respelt(content, lambda line: json.dumps(line | _more(line))),
}


def _more(line: Any) -> dict[str, Any]:
    return {"later": {"format": 1}, "format": "x"} if "kind" in line and "digest" not in line else {}


@pytest.mark.parametrize("name", SPELLINGS)
def test_another_spelling_is_read(filled: list[Record], content: bytes, name: str) -> None:
    assert texts(read(SPELLINGS[name](content))) == texts(filled)


def test_records_of_one_kind_may_come_in_any_order(filled: list[Record]) -> None:
    other = sorted(filled, key=lambda record: (LOAD_ORDER.index(record.kind), record.id), reverse=True)
    other.sort(key=lambda record: LOAD_ORDER.index(record.kind))
    assert sorted(texts(read(written(other)))) == sorted(texts(filled))


# -- what is refused ---------------------------------------------------------------------------------


def test_cut_off_anywhere_it_is_refused(content: bytes) -> None:
    whole = len(content.rstrip(b"\n"))
    for length in range(whole):
        with pytest.raises(InvalidExportError):
            read(content[:length])
    assert read(content[:whole])


def test_a_changed_byte_is_noticed_wherever_it_means_something(filled: list[Record], content: bytes) -> None:
    """But for what is not stored: the counts and last times of threads and DMs, which a load works out anew."""
    lines_of = content.splitlines(keepends=True)
    for place, line in enumerate(lines_of):
        for at in range(0, len(line) - 1, 3):
            changed = bytes([*line[:at], line[at] ^ 1, *line[at + 1 :]])
            try:
                found = read(b"".join([*lines_of[:place], changed, *lines_of[place + 1 :]]))
            except InvalidExportError:
                continue
            if place:  # the header's backend and time are for people
                assert texts(found) == texts(filled), (changed, at)


def test_lines_lost_doubled_or_moved_are_refused(content: bytes) -> None:
    lines_of = content.splitlines(keepends=True)
    for place in range(1, len(lines_of) - 1):
        lost, doubled = lines_of[:place] + lines_of[place + 1 :], lines_of[: place + 1] + lines_of[place:]
        for changed in (lost, doubled):
            with pytest.raises(InvalidExportError, match="trailer counts"):
                read(b"".join(changed))
    moved = [lines_of[0], lines_of[-2], *lines_of[1:-2], lines_of[-1]]
    with pytest.raises(InvalidExportError, match="reordered"):
        read(b"".join(moved))


def test_two_in_one_file_are_refused(content: bytes) -> None:
    with pytest.raises(InvalidExportError, match="one by one") as caught:
        read(content * 2)
    assert caught.value.line == len(content.splitlines()) + 1
    for joined in (content.splitlines()[0] + b"\n" + content, content[: content.rindex(b'{"end"')] + content):
        with pytest.raises(InvalidExportError, match="another export begins"):
            read(joined)


RECORD = b'{"kind":"room","id":"r","network_id":"n","created_at":"2026-01-01T00:00:00Z","name":"r"%s}'
REFUSED = {
    b"nonsense": "not JSON",
    b"[1]": "not a JSON object",
    b"null": "not a JSON object",
    b"{}": "neither a record nor the trailer",
    b'{"kind":"planet"}': "expected one of",
    b'{"kind":7}': "expected one of",
    b'{"kind":"room"}': "is missing",
    b'{"kind":"room","id":7}': "id",
    RECORD % b',"id":"s"': "a key twice",
    RECORD % b',"later":{"a":1,"b":{"a":1,"a":2}}': "a key twice",
    RECORD % b',"later":NaN': "NaN",
    RECORD % b',"later":-Infinity': "Infinity",
    RECORD % b',"later":1e999': "double",
    RECORD % (b',"later":' + b"1" * 5000): "4300 digits",
    RECORD % (b',"later":' + b"[" * 302 + b"]" * 302): "levels deep",
    RECORD % (b',"later":' + b"[" * 100_000): "levels deep",
    RECORD % b',"later":"\xff"': "UTF-8",
    RECORD % b',"later":"a\nb"': "not JSON",
    RECORD.replace(b"2026", b"20x6") % b"": "RFC 3339",
    (RECORD % b"").decode().encode("utf-16"): "UTF-8",
    b'{"end":"moltnet-export"}': "trailer",
    b'{"end":"moltnet-export","skipped":0,"digest":"moltnet-2:9:00","time_digits":9,"kinds":{}}': "definition",
}


@pytest.mark.parametrize("line", REFUSED, ids=[text[:40] for text in map(repr, REFUSED)])
def test_a_line_that_is_none_is_refused_by_its_number(content: bytes, line: bytes) -> None:
    header = content.splitlines(keepends=True)[0]
    with pytest.raises(InvalidExportError, match=REFUSED[line]) as caught:
        read(header + b"\n" + line + b"\n" + b"{}\n")
    assert caught.value.line == 3
    assert caught.value.source == "chat.jsonl"
    assert "later" not in str(caught.value), "an error quotes nothing of what is stored"


def test_a_line_that_is_too_long_is_refused(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_LINE", 400)
    header = content.splitlines(keepends=True)[0]
    with pytest.raises(InvalidExportError, match="longer than 400 bytes") as caught:
        read(header + b'{"kind":"' + b"x" * 500)
    assert caught.value.line == 2
    room = Record("room", Room("r", "n", name="x" * 500), {"created_at": "2026-01-01T00:00:00Z"})
    with pytest.raises(CorruptRecordError, match="takes"):
        written([room])


HEADERS = {
    b"": "is empty",
    b"\n\n": "is empty",
    b'{"format":"other"}': "not the header",
    b'{"kind":"room"}': "not the header",
    b'{"format":"moltnet-export"}': "not the header",
    b'{"format":"moltnet-export","version":true}': "not the header",
    b'{"format":"moltnet-export","version":2}': "up to 1",
    b'{"format":"moltnet-export","version":1}': "contract",
    b'{"format":"moltnet-export","version":1,"contract":"1.0","backend":"x","time_digits":7,"credentials":true,'
    b'"created_at":""}': "time_digits",
}


@pytest.mark.parametrize("header", HEADERS)
def test_a_file_without_a_header_is_refused(header: bytes) -> None:
    with pytest.raises(InvalidExportError, match=HEADERS[header]):
        ExportReader(io.BytesIO(header), "chat.jsonl")


def test_a_header_that_its_records_belie_is_refused(filled: list[Record], content: bytes) -> None:
    with pytest.raises(InvalidExportError, match="credential"):
        read(content.replace(b'"credentials":true', b'"credentials":false'))
    fine = [Record("room", Room("r", "n", name="r"), {"created_at": "2026-01-01T00:00:00.1234567Z"})]
    with pytest.raises(InvalidExportError, match="more digits"):
        read(written(fine).replace(b'"time_digits":9', b'"time_digits":6'))


# -- the schema --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def schema() -> Draft202012Validator:
    found = json.loads(SCHEMA.read_text("utf-8"))
    Draft202012Validator.check_schema(found)
    return Draft202012Validator(found)


@pytest.mark.parametrize("with_credentials", [False, True])
def test_every_line_is_what_the_schema_says(schema: Draft202012Validator, with_credentials: bool) -> None:
    stream = io.BytesIO()
    with open_store("memory://") as store:
        fill(store)
        export_store(store, stream, with_credentials=with_credentials)
    for line in stream.getvalue().splitlines():
        schema.validate(json.loads(line))


@given(any_record)
def test_the_line_of_any_record_is_what_the_schema_says(record: Record) -> None:
    found = json.loads(SCHEMA.read_text("utf-8"))
    Draft202012Validator(found).validate(json.loads(written([record]).splitlines()[1]))


def test_the_schema_tells_lines_from_others(schema: Draft202012Validator, content: bytes) -> None:
    for line in content.splitlines():
        data = json.loads(line)
        assert not schema.is_valid(data | {"kind": "planet"}) or "kind" not in data
        for key in ("format", "id", "agent_id", "end", "created_at"):
            if key in data and not (key == "created_at" and "format" in data):
                assert not schema.is_valid({name: value for name, value in data.items() if name != key})
