"""The package: its public names, and what importing it costs."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import moltnet_core.config as package

MODULES = (
    "building environment file locations redaction resolve server settings storage url values".split()  # noqa: SIM905
)


def imported_by(statement: str) -> set[str]:
    """The modules that a statement imports, without those that the root package imports for itself."""
    script = (
        "import sys, types\n"
        "root = sys.modules['moltnet_core'] = types.ModuleType('moltnet_core')\n"
        f"root.__path__ = [{str(Path(package.__file__).parents[1])!r}]\n"
        f"{statement}\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_every_public_name_is_there() -> None:
    for name in package.__all__:
        assert getattr(package, name) is not None
        assert name in dir(package)
    assert len(package.__all__) == len(set(package.__all__))
    public = {name for module in MODULES for name in import_module(f"moltnet_core.config.{module}").__all__}
    assert set(package.__all__) <= public


def test_a_misspelt_name() -> None:
    with pytest.raises(AttributeError):
        _ = package.settin  # type: ignore[attr-defined]
    with pytest.raises(ImportError):
        from moltnet_core.config import settin  # type: ignore[attr-defined] # noqa: F401


def test_readers_are_imported_when_they_are_needed() -> None:
    everything = imported_by("from moltnet_core.config import *")
    assert not everything & {"yaml", "tomli", "difflib", "cattrs", "logging"}


def test_a_backend_imports_little() -> None:
    few = imported_by("from moltnet_core.config import setting, file_url")
    assert not few & {f"moltnet_core.config.{name}" for name in ("resolve", "file", "building", "values")}
