"""The contract's sentences, which clauses refer to."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources import files

import attrs

__all__ = ["Sentence", "sentences"]


@attrs.frozen
class Sentence:
    """A sentence of the contract.

    :param key: section and number, such as ``3.4``.
    :param unless: why no clause can hold a backend to it, if so.
    """

    key: str
    text: str
    unless: str | None = None


def sentences() -> Mapping[str, Sentence]:
    """The contract's sentences by key, in its order."""
    data = tomllib.loads(files("moltnet_conformance").joinpath("contract.toml").read_text("utf-8"))
    return {key: Sentence(key, fields["text"], fields.get("unless")) for key, fields in data.items()}
