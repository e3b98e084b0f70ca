"""Taking a JSON text apart: every value with its own text, and an end for what cannot be decoded."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moltnet_json.scanning import NotJsonError, Scanner, Undecodable

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
DEEP = 100_000


@given(values, st.sampled_from(["", " ", "\n\t\r "]), st.booleans(), st.none() | st.integers(0, 3))
def test_a_value_is_decoded_with_its_own_text(value: object, space: str, ascii_only: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    scanner = Scanner(f"{space}{text}{space}]rest")
    assert scanner.value() == (value, text)
    assert scanner.peek() == "]"
    skipping = Scanner(f"{space}{text}{space}]rest")
    skipping.skip()
    assert skipping.position == len(space) + len(text)


@given(st.text(alphabet='{}[]",:01e+-. \\nulatrsf\n', max_size=12))
def test_what_is_skipped_is_json_and_nothing_else_is(text: str) -> None:
    scanner = Scanner(text)
    try:
        scanner.skip()
    except NotJsonError:
        pass
    else:
        json.loads(text[: scanner.position])
        return
    for end in range(len(text) + 1):
        with pytest.raises(ValueError):  # noqa: PT011 - the standard library says it in many ways
            json.loads(text[:end])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("1" * 5000, "4300 digits"),
        ("[1e999]", "beyond"),
        ("[" * 301 + "]" * 301, "300 levels"),
        ("[" * DEEP + "]" * DEEP, "deep"),
        ('{"a":' * DEEP + "1" + "}" * DEEP, "deep"),
        ("[[{" + '"a":' + "[" * DEEP + '"]"' + "]" * DEEP + ',"b":2}]]', "deep"),
    ],
    ids=["digits", "number", "301 levels", "lists", "objects", "mixed"],
)
def test_json_that_cannot_be_decoded_has_an_end(text: str, problem: str) -> None:
    scanner = Scanner(f"{text},next")
    value, own = scanner.value()
    assert isinstance(value, Undecodable)
    assert problem in value.problem
    assert own == text
    assert scanner.peek() == ","


@pytest.mark.parametrize(
    "text",
    [
        *("nul", "NaN", "-Infinity", "[NaN]", "01", "+1", "1.", "'a'", '"a', '"\n"', '"\\x"', "[1,]", '{"a":1,}'),
        *("{a:1}", '{"a"}', "[1 2]", "[", "[" * DEEP, '{"a":' * DEEP, "\ufeff1", "[\u00a01]", "", ","),
    ],
    ids=lambda text: repr(text[:8]),
)
def test_what_is_not_json(text: str) -> None:
    scanner = Scanner(f'{{"k":{text}}}')
    with pytest.raises(NotJsonError) as caught:
        scanner.value()
    assert 0 <= caught.value.position <= len(text) + 6
    with pytest.raises(NotJsonError):
        Scanner(f'{{"k":{text}}}').skip()


def test_the_members_of_an_object_with_the_place_of_each_key() -> None:
    text = ' { "a" : 1 , "b\\n":[ ] ,"":{"c":2}}x'
    scanner = Scanner(text)
    found = []
    for key in scanner.members():
        start = scanner.key_start
        found.append((key, scanner.value(), text[start : scanner.position]))
    assert found == [
        ("a", (1, "1"), '"a" : 1'),
        ("b\n", ([], "[ ]"), '"b\\n":[ ]'),
        ("", ({"c": 2}, '{"c":2}'), '"":{"c":2}'),
    ]
    assert scanner.peek() == "x"
