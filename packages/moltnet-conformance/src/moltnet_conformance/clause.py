"""``Group``: the decorator that makes a clause of a function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TypeVar

import attrs

from moltnet_core import Store
from moltnet_core.backend import CONTRACT_VERSION

__all__ = ["CONTRACT_VERSION", "REQUIRED", "Clause", "Given", "Group"]

REQUIRED = "required"
Given = Callable[[Store], AbstractContextManager[object] | None]
Body = TypeVar("Body", bound=Callable[..., None])


@attrs.frozen
class Clause:
    """One thing that a backend has to do.

    :param clause_id: stable for ever, such as ``ROOM-003``.
    :param group: what it is about.
    :param sentences: keys of the contract's sentences that it holds a backend to.
    :param body: a test function; it asks for the fixtures ``store``, an empty store, or ``place``.
    :param needs: the capabilities without which it says nothing.
    :param lacks: a capability whose refusal it is, where that is not declared.
    :param since: the version of the contract that it came with.
    :param given: what the fixture ``store`` does first.
    """

    clause_id: str
    group: str
    sentences: tuple[str, ...]
    body: Callable[..., None] = attrs.field(repr=False)
    needs: tuple[str, ...] = ()
    lacks: str | None = None
    since: str = CONTRACT_VERSION
    given: Given | None = attrs.field(default=None, repr=False)

    @property
    def title(self) -> str:
        """What it shows, in a few words."""
        return self.body.__name__.replace("_", " ")

    @property
    def method(self) -> str:
        """The name of its test."""
        return f"test_{self.clause_id.lower().replace('-', '_')}_{self.body.__name__}"

    @property
    def capability(self) -> str:
        """``required``, or the capabilities that it belongs to."""
        return self.lacks or " + ".join(sorted(self.needs)) or REQUIRED

    def applies_to(self, capabilities: frozenset[str]) -> bool:
        """Whether a backend that declares these is held to it."""
        return capabilities >= set(self.needs) and self.lacks not in capabilities


class Group:
    """Clauses about one thing; calling it gives the decorator that adds one.

    .. code-block:: python

        clause = Group("rooms")

        @clause("ROOM-001", "4.1")
        def a_room_that_was_created_is_got(store: Store) -> None:
            ...
    """

    def __init__(self, name: str, *, given: Given | None = None, needs: Sequence[str] = ()) -> None:
        self.name = name
        self.clauses: list[Clause] = []
        self._given = given
        self._needs = tuple(needs)

    def __call__(
        self, clause_id: str, *sentences: str, needs: Sequence[str] = (), lacks: str | None = None
    ) -> Callable[[Body], Body]:
        """A decorator; the function stays what it was."""

        def add(body: Body) -> Body:
            needed = (*self._needs, *needs)
            self.clauses.append(
                Clause(clause_id, self.name, sentences, body, needed, lacks, CONTRACT_VERSION, self._given)
            )
            return body

        return add
