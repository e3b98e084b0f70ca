"""What a call comes to and what a store holds, in forms that are alike on two stores that behave alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moltnet_conformance.building import contract_error, records, walk
from moltnet_core import MoltnetError, Store

__all__ = ["outcome", "whole"]


def outcome(call: Callable[[Store], Any], store: Store) -> tuple[Any, ...]:
    """What a call returns, or which error it raises, with the ids in it."""
    try:
        value = call(store)
    except MoltnetError as error:
        return contract_error(error).__name__, error.__dict__, error.committed
    return "returns", value, repr(value)  # whose text tells 1 from 1.0 and True, and in which order keys are


def whole(store: Store) -> list[Any]:
    """Everything, but for when a room was removed: that is the time of the call."""
    found = [record.to_json(with_credentials=True) for record in records(store)]
    for record in found:
        if "removed_at" in record:
            record["removed_at"] = True
    artifacts = [
        [page.items for page in walk(lambda page: store.list_artifacts(page=page), 5, forwards=forwards)]
        for forwards in (True, False)
    ]
    return [found, repr(found), store.counts(), store.list_members(), artifacts]
