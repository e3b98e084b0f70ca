"""What every clause about a refusal looks at: the error names the field, and nothing changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from moltnet_conformance.building import everything
from moltnet_core import Store, ValidationError

UNSTORABLE = {"nul": "a\x00b", "high surrogate": "a\ud800", "low surrogate": "\udfffa", "swapped pair": "\udc00\ud800"}


@contextmanager
def refused(store: Store, field: str) -> Iterator[None]:
    """The block raises a validation error that names the field, and nothing changes."""
    before = everything(store)
    with pytest.raises(ValidationError) as caught:
        yield
    assert caught.value.field.startswith(field)
    assert caught.value.committed is False
    assert everything(store) == before
