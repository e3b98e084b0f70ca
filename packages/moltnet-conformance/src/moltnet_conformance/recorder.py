"""What became of every test of every suite in a run of pytest, and what that says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from moltnet_conformance.judging import Judgement, Plan, State, judge
from moltnet_conformance.plugin import CLAUSE, NOTE, REPORT, SENT
from moltnet_conformance.reporting import lines, write_report

__all__ = ["Recorder"]
HISTORIES_TIMEOUT = 1800  # seconds; generated histories take long, and longer on a slow disk


class Recorder:
    """Registered as a plugin of a run that judges a backend."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._plans: dict[str, Plan] = {}
        self._outcomes: dict[str, State] = {}
        self._seconds: dict[str, float] = {}
        self._notes: dict[str, list[str]] = {}

    # -- collecting ------------------------------------------------------------------------------

    def collected(self, collector: pytest.Class, report: pytest.CollectReport) -> None:
        """Takes from a suite what says nothing about its backend, marks its deviations, and notes the rest."""
        if not report.passed:
            return
        from moltnet_conformance.suite import CLAUSES

        suite = collector.obj
        described = suite.harness.described()
        items, kept = {}, []
        for item in report.result:
            clause = CLAUSES.get(getattr(item, "originalname", None) or item.name)
            if clause is not None and not clause.applies_to(described.capabilities):
                continue
            kept.append(item)
            if clause is None or not isinstance(item, pytest.Item):
                continue  # a test that the author has added
            items[item.nodeid] = clause.clause_id
            item.user_properties.append((CLAUSE, clause.clause_id))
            if reason := suite.deviations.get(clause.clause_id):
                item.add_marker(pytest.mark.xfail(reason=reason, strict=False))
            if clause.group == "differential" and self._config.pluginmanager.hasplugin("timeout"):
                item.add_marker(pytest.mark.timeout(HISTORIES_TIMEOUT))
        report.result = kept
        capabilities = tuple(sorted(described.capabilities))
        plan = Plan(collector.nodeid, described.name, capabilities, dict(suite.deviations), items)
        self._plans[plan.suite] = plan

    def pytest_collection_finish(self) -> None:
        """A worker sends what it has collected to its controller, when it ends."""
        output = getattr(self._config, "workeroutput", None)
        if output is not None:
            output[SENT] = [plan.to_json() for plan in self._plans.values()]

    def receive(self, plans: list[dict[str, Any]]) -> None:
        """Takes what a worker sent; all workers collect the same."""
        for data in plans:
            plan = Plan.from_json(data)
            self._plans[plan.suite] = plan

    # -- running ---------------------------------------------------------------------------------

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Notes what became of a test, of which each phase reports."""
        self._seconds[report.nodeid] = self._seconds.get(report.nodeid, 0.0) + report.duration
        if notes := [str(text) for name, text in report.user_properties if name == NOTE]:
            self._notes[report.nodeid] = notes
        if report.failed:
            self._outcomes[report.nodeid] = State.FAILED
        elif self._outcomes.get(report.nodeid) is State.FAILED:
            return
        elif report.skipped:
            self._outcomes[report.nodeid] = State.DEVIATES if hasattr(report, "wasxfail") else State.NOT_RUN
        elif report.when == "call":
            self._outcomes[report.nodeid] = State.PASSED

    def judgements(self) -> list[Judgement]:
        """One of each suite of which something ran."""
        from moltnet_conformance.clauses import all_clauses

        made = []
        for plan in self._plans.values():
            if any(item in self._outcomes for item in plan.items):
                seconds = sum(self._seconds.get(item, 0.0) for item in plan.items)
                notes = [
                    f"{clause_id}: {note}"
                    for item, clause_id in plan.items.items()
                    for note in self._notes.get(item, ())
                ]
                made.append(judge(plan, all_clauses(), self._outcomes, seconds, notes))
        return made

    # -- at the end ------------------------------------------------------------------------------

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """A run whose tests passed fails all the same where a verdict is not a good one."""
        if hasattr(self._config, "workerinput"):
            return
        judgements = self.judgements()
        if session.exitstatus == pytest.ExitCode.OK and not all(each.is_conformant for each in judgements):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if path := self._config.getoption(REPORT, None):
            write_report(Path(path), judgements)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Shows the verdicts."""
        for judgement in self.judgements():
            good = judgement.is_conformant
            terminalreporter.section(f"conformance: {judgement.plan.backend}", green=good, red=not good)
            for line in lines(judgement):
                terminalreporter.write_line(line)
