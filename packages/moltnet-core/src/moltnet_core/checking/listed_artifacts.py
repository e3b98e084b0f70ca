"""Checks the artifacts of a store that lists them by itself against those that follow from its messages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from moltnet_core.checking.checked import Check
from moltnet_core.derivation import artifacts_of
from moltnet_core.driver import Lookup
from moltnet_core.errors import CorruptRecordError
from moltnet_core.listings import Artifacts
from moltnet_core.types import START, Artifact, ArtifactFilter, Message, Start

if TYPE_CHECKING:
    from moltnet_core.driver import Driver

__all__ = ["check_artifacts"]

_PAGE: Final = 1000


def check_artifacts(check: Check, driver: Driver, expected: int) -> None:
    """Check every artifact that is listed, and that none is missing.

    The listing is not of the snapshot that the rest is checked in: messages that were appended meanwhile are looked up.

    :param expected: how many artifacts the snapshot's messages have.
    """
    matched = 0
    message: Message | None = None
    for artifact in _listed(check, driver):
        if message is None or message.id != artifact.message_id:
            try:
                message = driver.get(Lookup.MESSAGE, artifact.message_id)
            except CorruptRecordError:
                message = None
                continue
        own = {each.id: each for each in artifacts_of(message)} if message is not None else {}
        if artifact.id not in own:
            check.found.add("artifact-stray", "artifact", artifact.id)
        elif own[artifact.id] != artifact:
            check.found.add("artifact-different", "artifact", artifact.id)
            matched += 1
        else:
            matched += 1
    if matched < expected:
        check.found.add("artifact-missing", "artifact", "", f"{expected - matched} of {expected} are not listed")


def _listed(check: Check, driver: Driver) -> Iterator[Artifact]:
    after: str | Start = START
    while True:
        page = driver.read(Artifacts(ArtifactFilter()), None, after, _PAGE)
        for artifact in page:
            if isinstance(artifact, CorruptRecordError):
                check.found.add("artifact-different", "artifact", artifact.record_id, artifact.problem)
                after = artifact.record_id
            else:
                yield artifact
                after = artifact.id
        if len(page) < _PAGE:
            return
