"""Whether the fixtures are there, and whole."""

from __future__ import annotations

import pytest

from .cases import CASES
from .locations import ABSENT
from .sqlite_case import DATABASES

NAMES = {f"{kind}-{name}" for kind in ("json", "postgres") for name in ("v5", "v8", "edge")}
NAMES |= {f"sqlite-{name}" for name in ("v4", "v5", "v6", "v7", "v8", "v8-killed", "edge")}


def test_the_fixtures_are_there() -> None:
    if not CASES:
        pytest.skip(ABSENT)
    assert {case.name for case in CASES} >= NAMES
    for case in CASES:
        assert case.source.is_file(), case.name
        assert case.truth.is_file(), case.name
    assert [case.name for case in DATABASES if case.has_wal] == ["sqlite-v8-killed"]
