"""The pytest plugin: what it does begins with the first suite that is collected."""

from __future__ import annotations

import sys
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from moltnet_conformance.recorder import Recorder

__all__ = ["CLAUSE", "NOTE", "PROFILE", "REPORT", "SEED", "SENT"]
REPORT = "--moltnet-report"
PROFILE = "--moltnet-profile"
SEED = "--moltnet-seed"
SENT = "moltnet_conformance"
CLAUSE = "moltnet_clause"  # a property of each report of a clause
NOTE = "moltnet_note"  # one of some: what the verdict's reader should know

# Most of what asserts in this package; it is imported after this.
pytest.register_assert_rewrite(
    *(f"moltnet_conformance.{name}" for name in ("building", "children", "clauses", "pairs", "racing", "refusing"))
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options."""
    group = parser.getgroup("moltnet", "conformance of Moltnet storage backends")
    group.addoption(REPORT, metavar="FILE", help="write what each backend's clauses came to into a JSON file")
    group.addoption(
        PROFILE,
        choices=("quick", "deep"),
        default="quick",
        help="how many histories are generated: enough for every change, or for a night",
    )
    group.addoption(
        SEED, type=int, metavar="NUMBER", help="generate the histories of this number, which an earlier run has said"
    )


def _recorder(config: pytest.Config, *, make: bool = False) -> Recorder | None:
    found: Any = config.pluginmanager.get_plugin("moltnet_conformance_recorder")
    if found is None and make:
        from moltnet_conformance.recorder import Recorder

        found = Recorder(config)
        config.pluginmanager.register(found, "moltnet_conformance_recorder")
    recorder: Recorder | None = found
    return recorder


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Notes what a suite consists of, before anything is selected from it."""
    report = yield
    suites = sys.modules.get("moltnet_conformance.suite")
    if (
        suites is not None
        and isinstance(collector, pytest.Class)
        and issubclass(collector.obj, suites.ConformanceSuite)
    ):
        recorder = _recorder(collector.config, make=True)
        if recorder is not None:
            recorder.collected(collector, report)
    return report


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Takes what a worker of pytest-xdist has collected; the controller collects nothing itself."""
    if plans := getattr(node, "workeroutput", {}).get(SENT):
        recorder = _recorder(node.config, make=True)
        if recorder is not None:
            recorder.receive(plans)


class _Watcher:
    """Makes the recorder of a controller of pytest-xdist, which collects nothing, when a clause is first reported."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Hands the recorder the first report; later ones it gets by itself."""
        if _recorder(self._config) is None and any(name == CLAUSE for name, _ in report.user_properties):
            recorder = _recorder(self._config, make=True)
            if recorder is not None:
                recorder.pytest_runtest_logreport(report)


def pytest_configure(config: pytest.Config) -> None:
    """Looks out for clauses."""
    config.pluginmanager.register(_Watcher(config), "moltnet_conformance_watcher")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Says in a report that was asked for that nothing was judged."""
    path = session.config.getoption(REPORT, None)
    if path and _recorder(session.config) is None and not hasattr(session.config, "workerinput"):
        from moltnet_conformance.reporting import write_report

        write_report(Path(path), [])
