"""Times as texts: parsing, normalising, the sort key."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from moltnet_core.timestamps import (
    NO_TIME,
    NO_TIME_TEXT,
    format_time,
    normalise,
    now,
    parse_time,
    time_key,
    truncate,
)

seconds = st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)).map(
    lambda moment: moment.replace(microsecond=0)
)
nanoseconds = st.one_of(
    st.integers(0, 999_999_999), st.sampled_from([0, 1, 10, 120_000_000, 500_000_000, 999_999_999, 100])
)
instants = st.tuples(seconds, nanoseconds)
offsets = st.integers(-23 * 60 - 59, 23 * 60 + 59)


def spelt(instant: tuple[datetime, int], *, trimmed: bool) -> str:
    """As this project writes it, or as the Go server does: without trailing zeros."""
    second, nanosecond = instant
    fraction = f".{nanosecond:09}"
    if trimmed:
        fraction = fraction.rstrip("0").rstrip(".")
    return f"{second.isoformat()}{fraction}Z"


@given(instants, instants, st.booleans(), st.booleans())
@example((datetime(2026, 1, 1, 0, 0, 5), 0), (datetime(2026, 1, 1, 0, 0, 5), 500_000_000), True, True)
@example((datetime(2026, 1, 1, 0, 0, 5), 120_000_000), (datetime(2026, 1, 1, 0, 0, 5), 120_000_000), True, False)
@example((datetime(2026, 1, 1, 0, 0, 10), 0), (datetime(2026, 1, 1, 0, 0, 1), 999_999_999), False, True)
@example((datetime(2026, 1, 1, 0, 0, 0), 0), (datetime(2026, 1, 1, 0, 0, 0), 1), True, True)
@example((datetime(2026, 1, 1, 10, 0, 0), 0), (datetime(2026, 1, 1, 9, 59, 59), 0), False, False)
def test_the_order_of_keys_is_the_order_of_instants(
    one: tuple[datetime, int], other: tuple[datetime, int], trim_one: bool, trim_other: bool
) -> None:
    first, second = time_key(spelt(one, trimmed=trim_one)), time_key(spelt(other, trimmed=trim_other))
    assert (first < second, first == second) == (one < other, one == other)


@given(seconds, nanoseconds, st.booleans(), st.booleans())
def test_keys_of_times_close_to_each_other(second: datetime, nanosecond: int, trim: bool, trim_next: bool) -> None:
    here = (second, nanosecond)
    after = (second, nanosecond + 1) if nanosecond < 999_999_999 else (second + timedelta(seconds=1), 0)
    assert time_key(spelt(here, trimmed=trim)) < time_key(spelt(after, trimmed=trim_next))


@given(instants, st.booleans())
def test_normalised_texts_have_nine_digits_and_the_same_instant(instant: tuple[datetime, int], trimmed: bool) -> None:
    text = spelt(instant, trimmed=trimmed)
    assert normalise(text) == spelt(instant, trimmed=False)
    assert normalise(normalise(text)) == normalise(text)
    assert time_key(normalise(text)) == time_key(text)


@given(instants, offsets, st.booleans())
@example((datetime(2026, 1, 1), 123_456_789), 0, False)
@example((datetime(2026, 1, 1), 120_000_000), -90, True)
def test_offsets_are_taken_off(instant: tuple[datetime, int], offset: int, trimmed: bool) -> None:
    second, nanosecond = instant
    local = second + timedelta(minutes=offset)
    assume(local.year <= 9999)
    sign, (hours, minutes) = "-" if offset < 0 else "+", divmod(abs(offset), 60)
    text = spelt((local, nanosecond), trimmed=trimmed).removesuffix("Z") + f"{sign}{hours:02}:{minutes:02}"
    assert normalise(text) == spelt(instant, trimmed=False)
    assert parse_time(text) == second.replace(microsecond=nanosecond // 1000, tzinfo=UTC)


@given(instants, st.booleans())
def test_parsing_truncates_to_the_microsecond(instant: tuple[datetime, int], trimmed: bool) -> None:
    found = parse_time(spelt(instant, trimmed=trimmed))
    assert found == instant[0].replace(microsecond=instant[1] // 1000, tzinfo=UTC)
    assert found.utcoffset() == timedelta(0)


@given(st.datetimes(timezones=st.just(UTC)))
def test_what_is_formatted_parses_to_the_same(moment: datetime) -> None:
    text = format_time(moment)
    assert len(text) == len(NO_TIME_TEXT)
    assert text == normalise(text)
    assert parse_time(text) == moment


def test_more_than_nine_digits_are_cut_off() -> None:
    assert normalise("2026-01-01T00:00:00.1234567899Z") == "2026-01-01T00:00:00.123456789Z"
    assert parse_time("2026-01-01T00:00:00.9999999999999Z") == datetime(2026, 1, 1, 0, 0, 0, 999_999, UTC)


@given(instants)
def test_truncating(instant: tuple[datetime, int]) -> None:
    text = spelt(instant, trimmed=False)
    assert truncate(text, 9) == text
    assert truncate(text, 6) == spelt((instant[0], instant[1] // 1000 * 1000), trimmed=False)
    assert Fraction(truncate(text, 6)[17:29]) <= Fraction(text[17:29])


def test_no_time() -> None:
    assert parse_time(NO_TIME_TEXT) == parse_time("0001-01-01T00:00:00Z") == NO_TIME
    assert format_time(NO_TIME) == normalise("0001-01-01T00:00:00Z") == NO_TIME_TEXT


def test_now_is_in_utc() -> None:
    assert abs(now() - datetime.now(timezone(timedelta(hours=3)))) < timedelta(seconds=10)
    assert now().tzinfo is UTC


BAD = [
    "",
    "now",
    "2026-01-01",
    "2026-01-01 00:00:00Z",
    "2026-01-01t00:00:00Z",
    "2026-01-01T00:00:00z",
    "2026-01-01T00:00:00",
    "2026-01-01T00:00Z",
    "2026-01-01T00:00:00+0000",
    "2026-01-01T00:00:00+00",
    "2026-01-01T00:00:00.Z",
    "2026-01-01T00:00:00,5Z",
    "2026-01-01T00:00:00Z ",
    " 2026-01-01T00:00:00Z",
    "2026-01-01T00:00:00Z\n",
    "2026-13-01T00:00:00Z",
    "2026-00-01T00:00:00Z",
    "2026-02-29T00:00:00Z",
    "2026-01-01T24:00:00Z",
    "2026-01-01T24:00:00.000000000Z",
    "2026-01-01T00:60:00Z",
    "2026-01-01T23:59:60Z",
    "2026-01-01T00:00:00+24:00",
    "0000-01-01T00:00:00Z",
    "10000-01-01T00:00:00Z",
    "-026-01-01T00:00:00Z",
    "0001-01-01T00:00:00+00:01",
    "9999-12-31T23:59:59-00:01",
    "٢٠٢٦-01-01T00:00:00Z",
    "2026-01-01T00:00:00.٠٠٠٠٠٠٠٠٠Z",
    "2026-01-01T00:00:00.00000000+Z",
    "2026-W01-1T00:00:00.000000000Z",
    "2026-01-01T00:00:00.000000 00Z",
    "2026-01-01T00:00:0\u0660.000000000Z",
]


@pytest.mark.parametrize("text", BAD)
def test_texts_that_are_no_times(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_time(text)
    with pytest.raises(ValueError, match=r"."):
        normalise(text)
