"""``Pair``: a new store of a backend beside one of the reference, on which the same steps have to come out alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from moltnet_conformance.comparing import outcome, whole
from moltnet_conformance.harness import Place
from moltnet_conformance.scripting import Step

__all__ = ["Pair", "replay", "shortest"]
TRIES = 300  # replays at most, to find a shorter history


class Pair:
    """Two stores, both empty, and the steps that they have taken.

    :ivar steps: those, the last of which may not have come out alike.
    """

    def __init__(self, place: Place, reference_place: Place) -> None:
        self._places = (place, reference_place)
        self.steps: list[Step] = []
        self.location = place.new_location()
        self.folder = place.folder
        self.subject = place.open(self.location)
        self.reference = reference_place.open()

    def call(self, method: str, *arguments: Any, **options: Any) -> None:
        """Take the step that is a call.

        :raises AssertionError: it does not come out alike.
        """
        self.take(Step(method, arguments, options))

    def take(self, step: Step) -> None:
        """Take a step.

        :raises AssertionError: it does not come out alike.
        """
        self.steps.append(step)
        if step.method:
            assert outcome(step, self.subject) == outcome(step, self.reference)
        else:
            self.subject.close()
            self.subject = self._places[0].open(self.location)

    def end(self) -> None:
        """Compare all that the two hold.

        :raises AssertionError: it is not alike.
        """
        assert whole(self.subject) == whole(self.reference)

    def close(self) -> None:
        """Close both, and drop the place."""
        for place in self._places:
            place.close()


def replay(steps: Sequence[Step], place: Place, reference_place: Place) -> Pair:
    """Take the steps on two new stores; the pair, closed.

    :raises AssertionError: something does not come out alike.
    """
    pair = Pair(place, reference_place)
    try:
        for step in steps:
            pair.take(step)
        pair.end()
    finally:
        pair.close()
    return pair


def shortest(steps: Sequence[Step], fails: Callable[[Sequence[Step]], bool]) -> list[Step]:
    """A history that fails as well, without steps that have nothing to do with it.

    The steps hold their values and depend on nothing else, so that any of them can be left out: first many, then one
    by one. That takes seconds, where it takes the generator minutes to find the shortest there is.
    """
    found, size, tries = list(steps), max(1, len(steps) // 2), 0
    while True:
        start, before = len(found), len(found)
        while start > 0 and tries < TRIES:
            start = max(0, start - size)
            fewer = found[:start] + found[start + size :]
            tries += 1
            if fails(fewer):
                found = fewer
        if tries >= TRIES or (size == 1 and len(found) == before):
            return found
        size = max(1, size // 2)
