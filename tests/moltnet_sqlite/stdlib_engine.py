"""Runs tests on Python's own SQLite, as where ``pysqlite3`` has no wheel.

A pytest plugin: ``python -m pytest -p tests.moltnet_sqlite.stdlib_engine``.
"""

from __future__ import annotations

import os
import sys

if "peewee" in sys.modules:
    raise RuntimeError("peewee has chosen its engine already")

sys.modules["pysqlite3"] = None  # type: ignore[assignment]
os.environ["MOLTNET_TEST_ENGINE"] = "sqlite3"  # for the children that tests start
