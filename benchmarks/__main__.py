"""Runs the benchmarks that are named, or all: ``python -m benchmarks sqlite``. 1 if a goal is missed."""

from __future__ import annotations

import subprocess
import sys

ALL = ("sqlite", "postgres", "snapshots", "moving")


def main(names: list[str]) -> int:
    """Run each in a process of its own, so that none finds what another has imported."""
    unknown = set(names) - set(ALL)
    if unknown:
        print(f"there is no benchmark {min(unknown)!r}; expected some of {', '.join(ALL)}", file=sys.stderr)
        return 2
    statuses = [subprocess.call([sys.executable, "-m", f"benchmarks.{name}"]) for name in names or ALL]
    return max(statuses)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
