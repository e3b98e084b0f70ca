"""The ways to install, each on one Python; what has to come with one, and the row of what came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from releasing.distributions import CORE, brought, distributions
from releasing.environments import Installed
from releasing.interpreters import Interpreter

__all__ = ["HEAD", "Shape"]

HEAD = "| Python | installed | of this project | of others | size | took | |\n|---|---|---|---|---|---|---|"


@dataclass
class Shape:
    """One way to install, on one Python, and what came of it.

    :param installed: what was there afterwards, by name.
    """

    interpreter: Interpreter
    extras: Sequence[str]
    installed: dict[str, Installed] = field(default_factory=dict)
    seconds: float = 0.0
    verdict: str = "not run"

    @property
    def name(self) -> str:
        """What one gives to pip."""
        return f"{CORE}[{','.join(self.extras)}]" if self.extras else CORE

    @property
    def label(self) -> str:
        """A name for a folder."""
        return "-".join([self.interpreter.minor, *(self.extras or ["core"])])

    def differences(self) -> list[str]:
        """How what is installed differs from what the documentation says, a line each."""
        promised = brought(self.extras)
        there = {canonicalize_name(name) for name in self.installed}
        wanted = {each.name for each in promised.ours}
        for several in promised.others.values():
            wanted |= {canonicalize_name(each.name) for each in several if self._applies(each)}
        elsewhere = set(distributions()) | set(brought(distributions()[CORE].extras).others)
        return [
            *(f"{name} is missing" for name in sorted(wanted - there)),
            *(f"{name} came too, which belongs to another extra" for name in sorted(there & elsewhere - wanted)),
        ]

    def _applies(self, requirement: Requirement) -> bool:
        """Whether a requirement is one on this Python and machine."""
        full = ".".join(map(str, self.interpreter.version))
        environment = {"python_version": self.interpreter.minor, "python_full_version": full}
        return requirement.marker is None or requirement.marker.evaluate(environment)

    def row(self) -> str:
        """Its row of the table whose head is :data:`HEAD`."""
        ours = [name.removeprefix("moltnet-") for name in self.installed if name in distributions()]
        others = [f"{name} {each.version}" for name, each in self.installed.items() if name not in distributions()]
        size = sum(each.size for each in self.installed.values()) / 1e6
        python = ".".join(map(str, self.interpreter.version))
        cells = [
            python,
            f"`{self.name}`",
            ", ".join(ours),
            ", ".join(others),
            f"{size:.1f} MB",
            f"{self.seconds:.0f} s",
        ]
        return f"| {' | '.join(cells)} | {self.verdict} |"
