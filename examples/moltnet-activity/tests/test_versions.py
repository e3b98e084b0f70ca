"""The series ``activity``: installed by its entry point, from version 1 to 2 with what was counted."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest
from activity_support import fill, opened, tally, truth

import moltnet_sql
from moltnet_activity.engines import ENGINES
from moltnet_activity.migrations import migrations
from moltnet_core import Backend, SchemaTooNewError, hookimpl, open_store
from moltnet_core.migrations import Migration

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))


class VersionOne:
    """The plugin as it was at version 1, but for its hooks."""

    @hookimpl
    def moltnet_migrations(self, backend: Backend) -> Sequence[Migration]:
        return migrations(ENGINES[backend.migration_target or ""])[:1]


def test_from_version_1_to_2(location: str) -> None:
    with opened(location, [VersionOne()]) as store:
        fill(store, 40)
        whole = truth(store)
        with moltnet_sql.transaction(store) as database:
            # As version 1 counted: all but the last, of which it was not told.
            last = "m-38"
            for (room, day), (messages, _) in whole.items():
                database.execute_sql(f"INSERT INTO activity_day VALUES ('{room}', '{day}', {messages})")
            database.execute_sql(
                "INSERT INTO activity_counted SELECT id FROM messages WHERE target_kind <> 'dm' AND id <> "
                f"{database.param}",
                (last,),
            )
            missed = store.get_message(last)
            assert missed is not None
            database.execute_sql(
                f"UPDATE activity_day SET messages = messages - 1 WHERE room_id = 'general' AND day = {database.param}",
                (missed.created_at.date().isoformat(),),
            )
    opened(location, [VersionOne()], migrate=False).close()

    with opened(location, migrate="later") as store:
        assert [step.label for step in store.migration_status().pending] == ["activity:2"]
        store.migrate()
        assert tally(store) == whole
        assert any(in_threads for _, in_threads in whole.values())
        fill(store, 8, "more")
        assert tally(store) == truth(store)
    with pytest.raises(SchemaTooNewError, match="activity"):
        opened(location, [VersionOne()])
    opened(location, []).close()


def test_what_is_counted_is_filled_in_and_nothing_else(location: str) -> None:
    """Before anything reconciles: the new column has to agree with the old one."""
    with opened(location, [VersionOne()]) as store:
        fill(store, 40)
        with moltnet_sql.transaction(store) as database:
            database.execute_sql(
                "INSERT INTO activity_day VALUES ('general', '2026-03-07', 1), ('ops', '2026-03-06', 2)"
            )
            database.execute_sql("INSERT INTO activity_counted VALUES ('m-6'), ('m-5'), ('m-33')")

    class Migrating:
        @hookimpl
        def moltnet_migrations(self, backend: Backend) -> Sequence[Migration]:
            return migrations(ENGINES[backend.migration_target or ""])

    with opened(location, [Migrating()]) as store:
        assert tally(store) == {("general", "2026-03-07"): (1, 0), ("ops", "2026-03-06"): (2, 2)}


def test_it_is_found_when_it_is_installed(location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As pip leaves it behind, by what its project says."""
    project = PROJECT["project"]
    info = tmp_path / "site" / f"moltnet_activity-{project['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    points = [
        line
        for group, named in project["entry-points"].items()
        for line in (f"[{group}]", *(f"{name} = {value}" for name, value in named.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join([*points, ""]))
    monkeypatch.syspath_prepend(str(info.parent))
    with open_store(location, environ={}) as store:
        fill(store, 8)
        assert tally(store) == truth(store)
    with open_store(location, environ={"MOLTNET_DISABLED_PLUGINS": "activity"}, migrate=False) as store:
        fill(store, 8, "unseen")
    with open_store(location, environ={}, migrate=False) as store:
        assert tally(store) == truth(store)


def test_the_readme_s_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out.startswith("general 1 0 20")
