"""What the figures were measured on, as far as it matters and nobody's own."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path

from moltnet_sqlite.engine import sqlite3

__all__ = ["write_machine"]


def write_machine(path: Path) -> None:
    """The class of machine, and the versions of what everything else stands on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    found = {
        "date": datetime.now(UTC).date().isoformat(),
        "system": f"{platform.system()}, {platform.machine()}",
        "cores": os.cpu_count(),
        "memory": f"{memory / 2**30:.0f} GiB",
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
