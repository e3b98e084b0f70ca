"""Findings: what a check came upon, counted, with some of the ids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from attrs import evolve, frozen

from moltnet_core.checking.faults import FAULTS, Fault, Severity

__all__ = ["ITEMS", "CheckReport", "Finding", "Findings", "Item"]

ITEMS: Final = 20
"""How many of the records concerned a finding names."""


@frozen
class Item:
    """One record, file or index that something is wrong with.

    :param id: its id, path or name.
    :param detail: what exactly is wrong; never content or credentials. ``""`` where the code says it all.
    """

    id: str
    detail: str = ""


@frozen
class Finding:
    """One kind of thing that is wrong with one kind of record.

    :param code: of :data:`moltnet_core.checking.faults.FAULTS`.
    :param kind: of what: ``message``, ``thread``, ``artifact``, ``file``, ``index``, ….
    :param count: how many.
    :param items: the first of them, at most :data:`ITEMS`.
    """

    code: str
    kind: str
    count: int
    items: tuple[Item, ...]

    @property
    def fault(self) -> Fault:
        """What the code stands for."""
        return FAULTS[self.code]

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return self.fault.severity

    def to_json(self) -> dict[str, Any]:
        """The finding as one JSON object."""
        fault = self.fault
        return {
            "code": self.code,
            "severity": str(fault.severity),
            "kind": self.kind,
            "count": self.count,
            "items": [{"id": item.id, "detail": item.detail} for item in self.items],
            "meaning": fault.meaning,
            "repairable": fault.repairable,
            "repair": fault.repair,
        }


class Findings:
    """Gathers findings. Its size does not grow with their number."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Finding] = {}

    def add(self, code: str, kind: str, id: str, detail: str = "") -> None:
        """Note one thing.

        :param code: of :data:`moltnet_core.checking.faults.FAULTS`.
        """
        known = self._found.get((code, kind))
        if known is None:
            self._found[FAULTS[code].code, kind] = Finding(code, kind, 1, (Item(id, detail),))
            return
        items = known.items if len(known.items) >= ITEMS else (*known.items, Item(id, detail))
        self._found[code, kind] = evolve(known, count=known.count + 1, items=items)

    def all(self) -> tuple[Finding, ...]:
        """What was found, in the order of the catalogue."""
        order = {code: place for place, code in enumerate(FAULTS)}
        return tuple(sorted(self._found.values(), key=lambda found: (order[found.code], found.kind)))


@frozen
class CheckReport:
    """What a check found.

    :param findings: in the order of the catalogue; empty where nothing is wrong.
    :param checked: how many records of each kind were looked at.
    :param deep: whether the engine's own check was made, too.
    """

    findings: tuple[Finding, ...]
    checked: Mapping[str, int]
    deep: bool = False

    @property
    def worst(self) -> Severity | None:
        """The severity of the worst finding; ``None`` without any."""
        found = {finding.severity for finding in self.findings}
        return next((severity for severity in Severity if severity in found), None)

    def of(self, code: str) -> tuple[Finding, ...]:
        """The findings of one code."""
        return tuple(finding for finding in self.findings if finding.code == code)

    @property
    def repairable(self) -> tuple[str, ...]:
        """The codes that were found and that ``repair`` takes."""
        return tuple(dict.fromkeys(found.code for found in self.findings if found.fault.repairable))

    def count(self, severity: Severity) -> int:
        """How many things of one severity were found."""
        return sum(finding.count for finding in self.findings if finding.severity is severity)

    def to_json(self) -> dict[str, Any]:
        """The report without its findings as one JSON object."""
        return {
            "checked": dict(self.checked),
            "deep": self.deep,
            **{f"{severity}s": self.count(severity) for severity in Severity},
        }
