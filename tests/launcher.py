"""Runs one function of a test file in an interpreter of its own: ``launcher.py FILE FUNCTION ARGUMENTS-AS-JSON``.

With ``MOLTNET_TEST_ENGINE=sqlite3`` it sees to it that ``pysqlite3`` cannot be imported, before peewee looks for it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import warnings
from pathlib import Path


def main(file: str, function: str, arguments: str) -> None:
    if os.environ.get("MOLTNET_TEST_ENGINE") == "sqlite3":
        sys.modules["pysqlite3"] = None  # type: ignore[assignment]
    sys.path.insert(0, str(Path(__file__).parents[1]))
    spec = importlib.util.spec_from_file_location("child", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["child"] = module
    spec.loader.exec_module(module)
    warnings.simplefilter("error")
    getattr(module, function)(*json.loads(arguments))


if __name__ == "__main__":
    main(*sys.argv[1:])
