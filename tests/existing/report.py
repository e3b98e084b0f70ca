"""How every fixture reads against what the server served: ``python -m tests.existing.report``."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from moltnet_core import open_store

from .cases import CASES
from .comparing import KINDS, SIZES, Comparison, compare
from .locations import ABSENT
from .postgres_case import copies_dropped

__all__ = ["comparisons", "main", "table"]


def comparisons(folder: Path, *, read_only: bool = False) -> Iterator[Comparison]:
    """Read a copy of every fixture."""
    suffix = "?mode=ro" if read_only else ""
    for case in CASES:
        own = folder / f"{case.name}{'-ro' if read_only else ''}"
        with copies_dropped(), open_store(case.place(own), read_only=read_only) as store:
            yield compare(f"{case.name}{suffix}", store, case.expected(own))


def table(results: Iterable[Comparison]) -> list[str]:
    """Lines for people: counts read / counts served, and how many differences there are."""
    sizes = ", ".join(map(str, SIZES))
    lines = [
        f"read / served, each listing walked at page sizes {sizes}, forwards and backwards",
        f"{'fixture':<26}" + "".join(f"{kind:>11}" for kind in KINDS) + f"{'differences':>13}",
    ]
    for result in results:
        shown = "".join(f"{count:>11}" for count in result.counts())
        lines.append(f"{result.name:<26}{shown}{len(result.differences):>13}")
    return lines


def main() -> int:
    if not CASES:
        print(ABSENT)
        return 2
    with tempfile.TemporaryDirectory() as name:
        results = [*comparisons(Path(name)), *comparisons(Path(name), read_only=True)]
    print("\n".join(table(results)))
    for result in results:
        for difference in result.differences:
            print(f"{result.name}: {difference}")
    return int(any(result.differences for result in results))


if __name__ == "__main__":
    sys.exit(main())
