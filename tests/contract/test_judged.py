"""No backend of this project is left out here."""

from __future__ import annotations

import tomllib
from pathlib import Path

from tests.contract.building import BACKENDS

PACKAGES = Path(__file__).parents[2] / "packages"


def test_every_backend_that_a_distribution_declares_is_under_test() -> None:
    declared: dict[str, str] = {}  # a further URL scheme is a further name of the same module
    for path in sorted(PACKAGES.glob("*/pyproject.toml")):
        points = tomllib.loads(path.read_text("utf-8"))["project"].get("entry-points", {}).get("moltnet.storage", {})
        for name, module in points.items():
            declared[module] = min(declared.get(module, name), name, key=len)
    assert sorted(declared.values()) == BACKENDS
