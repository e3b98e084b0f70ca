"""No backend of this project is left out here, and none with a deviation."""

from __future__ import annotations

import tomllib
from pathlib import Path

from tests.conformance import test_backends

from moltnet_conformance import ConformanceSuite

PACKAGES = Path(__file__).parents[2] / "packages"
SUITES = [
    suite for suite in vars(test_backends).values() if isinstance(suite, type) and issubclass(suite, ConformanceSuite)
]


def test_every_backend_that_a_distribution_declares_is_judged() -> None:
    declared: dict[str, str] = {}  # a further URL scheme is a further name of the same module
    for path in sorted(PACKAGES.glob("*/pyproject.toml")):
        points = tomllib.loads(path.read_text("utf-8"))["project"].get("entry-points", {}).get("moltnet.storage", {})
        for name, module in points.items():
            declared[module] = min(declared.get(module, name), name, key=len)
    judged = [suite for suite in SUITES if suite is not ConformanceSuite]
    assert sorted(declared.values()) == sorted(suite.harness.backend for suite in judged)
    assert not any(suite.deviations for suite in judged)
