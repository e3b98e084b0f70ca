"""Where the fixtures are: databases that the Go server wrote, with what it then served."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["ABSENT", "ROOT", "VARIABLE", "find_fixtures"]

ROOT = Path(__file__).parents[2]
VARIABLE = "MOLTNET_FIXTURES"
ABSENT = f"there are no fixtures: set {VARIABLE} to their folder (it holds sqlite/ and edge/); databases go untested"


def find_fixtures() -> Path | None:
    """The folder that ``MOLTNET_FIXTURES`` names, else ``../shared/fixtures`` beside the checkout, if it is there.

    A folder that the variable names has to be there.
    """
    named = os.environ.get(VARIABLE)
    if named:
        folder = Path(named)
        if not folder.is_dir():
            raise FileNotFoundError(f"{VARIABLE} names {folder}, which is no folder")
        return folder.absolute()
    folder = ROOT.parent / "shared" / "fixtures"
    return folder if folder.is_dir() else None
