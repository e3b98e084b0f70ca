"""The distributions of this project, and what each way to install them brings, from their ``pyproject.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

__all__ = ["CORE", "ROOT", "Brought", "Distribution", "brought", "distributions", "in_order", "supported_pythons"]

ROOT = Path(__file__).parent.parent
CORE = "moltnet-core"
_TESTED = "Programming Language :: Python :: 3."


@dataclass(frozen=True)
class Distribution:
    """A distribution, as its ``pyproject.toml`` declares it.

    :param backends: the names (and further URL schemes) of the backends that it brings.
    :param is_found: whether something looks for it by an entry point: the core, a shell or pytest.
    """

    name: str
    requires: Sequence[Requirement]
    extras: Mapping[str, Sequence[Requirement]]
    backends: Sequence[str]
    scripts: Sequence[str]
    is_found: bool
    classifiers: Sequence[str]

    @property
    def folder(self) -> Path:
        """Where it is in the checkout."""
        return ROOT / "packages" / self.name

    @property
    def module(self) -> str:
        """Its import name."""
        return self.name.replace("-", "_")


@dataclass(frozen=True)
class Brought:
    """What comes with distributions.

    :param ours: those of this project, dependencies first.
    :param others: what these require from elsewhere, by name, with the requirements; not what that needs in turn.
    """

    ours: Sequence[Distribution]
    others: Mapping[str, Sequence[Requirement]]

    @property
    def backends(self) -> list[str]:
        """The names of the backends, sorted."""
        return sorted({name for distribution in self.ours for name in distribution.backends})


@cache
def distributions() -> Mapping[str, Distribution]:
    """All of them, by name."""
    found = map(_read, sorted(ROOT.glob("packages/*/pyproject.toml")))
    return {distribution.name: distribution for distribution in found}


def _read(path: Path) -> Distribution:
    project: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
    return Distribution(
        name=project["name"],
        requires=_requirements(project["dependencies"]),
        extras={name: _requirements(texts) for name, texts in project.get("optional-dependencies", {}).items()},
        backends=sorted(project.get("entry-points", {}).get("moltnet.storage", {})),
        scripts=sorted(project.get("scripts", {})),
        is_found=bool(project.get("entry-points") or project.get("scripts")),
        classifiers=project["classifiers"],
    )


def _requirements(texts: Iterable[str]) -> list[Requirement]:
    return [Requirement(" ".join(text.split())) for text in texts]


def in_order() -> list[Distribution]:
    """All of them, each after those that it requires: the order to upload them in."""
    known = distributions()
    graph = {name: {each.name for each in known[name].requires if each.name in known} for name in sorted(known)}
    return [known[name] for name in TopologicalSorter(graph).static_order()]


def brought(extras: Iterable[str] = ()) -> Brought:
    """What ``moltnet-core`` brings with extras, all of their siblings and what these require.

    :raises KeyError: it has no such extra.
    """
    core = distributions()[CORE]
    wanted = [Requirement(CORE), *(each for extra in extras for each in core.extras[extra])]
    ours: set[str] = set()
    others: dict[str, list[Requirement]] = {}
    for requirement in _closure(wanted):
        name = canonicalize_name(requirement.name)
        if name in distributions():
            ours.add(name)
        elif requirement not in others.setdefault(name, []):
            others[name].append(requirement)
    return Brought([each for each in in_order() if each.name in ours], dict(sorted(others.items())))


def _closure(wanted: Iterable[Requirement]) -> Iterator[Requirement]:
    for requirement in wanted:
        yield requirement
        if found := distributions().get(canonicalize_name(requirement.name)):
            yield from _closure(found.requires)
            yield from (each for extra in sorted(requirement.extras) for each in _closure(found.extras[extra]))


def supported_pythons() -> list[str]:
    """The versions of Python that the core's classifiers name, such as ``3.11``, oldest first."""
    return [text.rpartition(" ")[2] for text in distributions()[CORE].classifiers if text.startswith(_TESTED)]
