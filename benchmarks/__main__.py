"""Runs the benchmarks that are named, or all: ``python -m benchmarks sqlite``. 1 if a goal is missed.

``--large`` lets ``growth`` go to 10⁷ messages. What the figures were measured on is in ``build/bench/machine.json``.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.machine import write_machine

ALL = ("sqlite", "postgres", "snapshots", "asynchronous", "moving", "backups", "growth")


def main(names: list[str]) -> int:
    """Run each in a process of its own, so that none finds what another has imported."""
    large = ["--large"] if "--large" in names else []
    names = [name for name in names if name != "--large"]
    unknown = set(names) - set(ALL)
    if unknown:
        print(f"there is no benchmark {min(unknown)!r}; expected some of {', '.join(ALL)}", file=sys.stderr)
        return 2
    write_machine(Path("build/bench/machine.json"))
    statuses = [
        subprocess.call([sys.executable, "-m", f"benchmarks.{name}", *(large if name == "growth" else ())])
        for name in names or ALL
    ]
    return max(statuses)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
