"""Plugins of a store: installed ones, objects passed in, the switch, hooks that are misspelt or fail."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from moltnet_core import BackendLoadError, Store, hookimpl, open_store
from moltnet_core.migrations import Migration

Install = Callable[..., Path]
RECORDING = """
    from moltnet_core import hookimpl

    opened = []

    @hookimpl
    def moltnet_store_opened(store):
        opened.append(store)
"""


def opened(environ: dict[str, str] | None = None, **options: Any) -> None:
    open_store("memory://", environ=environ or {}, **options).close()


def failure(environ: dict[str, str] | None = None, **options: Any) -> BackendLoadError:
    with pytest.raises(BackendLoadError) as caught:
        opened(environ, **options)
    return caught.value


def test_an_installed_plugin_takes_part_in_every_open(install: Install) -> None:
    install("watcher", plugins={"watcher": "watcher_plugin"}, watcher_plugin=RECORDING)
    opened()
    opened()
    assert len(sys.modules["watcher_plugin"].opened) == 2


@pytest.mark.parametrize("disabled", ["watcher", " watcher ", "other,watcher", "watcher,"])
def test_the_switch(install: Install, disabled: str) -> None:
    install("watcher", plugins={"watcher": "watcher_plugin"}, watcher_plugin="raise RuntimeError")
    opened({"MOLTNET_DISABLED_PLUGINS": disabled})
    assert "watcher_plugin" not in sys.modules
    failure({"MOLTNET_DISABLED_PLUGINS": "watch"})


@pytest.mark.parametrize(
    "source",
    [
        "import no_such_module_at_all",
        "raise SystemExit",
        "1 / 0",
        RECORDING.replace("moltnet_store_opened(store)", "moltnet_store_open(store)"),
        RECORDING.replace("moltnet_store_opened(store)", "moltnet_store_opened(shop)"),
        RECORDING.replace("moltnet_store_opened(store)", "moltnet_migrations(backend)"),
        "from moltnet_core import hookimpl\n\n@hookimpl\ndef moltnet_migrations(backend): return 1 / 0",
    ],
    ids=["import", "exit", "error", "misspelt hook", "misspelt argument", "no migrations", "failing migrations"],
)
def test_one_that_fails_fails_the_open_and_names_the_switch(install: Install, source: str) -> None:
    install("watcher-dist", "3.1", plugins={"watcher": "watcher_plugin"}, watcher_plugin=source)
    error = failure()
    assert "MOLTNET_DISABLED_PLUGINS=watcher" in str(error)
    attributes = error.__dict__
    assert (attributes["distribution"], attributes["version"]) == ("watcher-dist", "3.1")
    opened({"MOLTNET_DISABLED_PLUGINS": "watcher"})


def test_an_entry_point_with_an_attribute(install: Install) -> None:
    install("watcher", plugins={"watcher": "watcher_plugin:opened"}, watcher_plugin=RECORDING)
    assert "MOLTNET_DISABLED_PLUGINS=watcher" in str(failure())


def test_a_failing_plugin_leaves_nothing_behind(install: Install, tmp_path: Path) -> None:
    install("watcher", plugins={"watcher": "watcher_plugin"}, watcher_plugin="1 / 0")
    with pytest.raises(BackendLoadError):
        open_store(f"sqlite:///{tmp_path}/folder/chat.db", environ={})
    assert not (tmp_path / "folder").exists()


def test_misspelt_hooks_of_objects() -> None:
    class Name:
        @hookimpl
        def moltnet_store_open(self, store: Store) -> None: ...

    class Argument:
        @hookimpl
        def moltnet_store_opened(self, shop: Store) -> None: ...

    assert "moltnet_store_open" in str(failure(plugins=[Name()]))
    assert "shop" in str(failure(plugins=[Argument()]))


def test_hooks_may_leave_out_arguments_and_other_functions_are_left_alone() -> None:
    class Plugin:
        calls = 0

        @hookimpl
        def moltnet_store_opened(self) -> None:
            self.calls += 1

        def moltnet_helper(self) -> None:
            raise AssertionError

    plugin = Plugin()
    opened(plugins=[plugin])
    assert plugin.calls == 1


def test_stores_do_not_share_plugins() -> None:
    class Plugin:
        @hookimpl
        def moltnet_store_opened(self, store: Store) -> None:
            seen.append(store)

    seen: list[Store] = []
    opened(plugins=[Plugin()])
    opened()
    assert len(seen) == 1


def test_opening_and_closing_are_told_while_the_store_works() -> None:
    events: list[str] = []

    class Plugin:
        @hookimpl
        def moltnet_store_opened(self, store: Store) -> None:
            events.append(f"opened {store.counts().rooms}")

        @hookimpl
        def moltnet_store_closing(self, store: Store) -> None:
            events.append(f"closing {store.counts().rooms}")

    store = open_store("memory://", environ={}, plugins=[Plugin()])
    store.close()
    store.close()
    assert events == ["opened 0", "closing 0"]


def test_an_error_at_opening_fails_the_open_and_closes_the_store() -> None:
    seen: list[Store] = []

    class Plugin:
        @hookimpl
        def moltnet_store_opened(self, store: Store) -> None:
            seen.append(store)
            raise LookupError("not now")

        @hookimpl
        def moltnet_store_closing(self) -> None:
            raise AssertionError("it was never open")

    with pytest.raises(LookupError):
        opened(plugins=[Plugin()])
    assert "closed" in repr(seen[0])


def test_migrations_are_asked_for_with_the_backend() -> None:
    seen: list[str] = []

    class Plugin:
        @hookimpl
        def moltnet_migrations(self, backend: Any) -> Sequence[Migration]:
            seen.append(backend.name)
            return ()

    opened(plugins=[Plugin()])
    assert seen == ["memory"]


def test_the_same_object_twice_is_an_error() -> None:
    class Plugin: ...

    plugin = Plugin()
    failure(plugins=[plugin, plugin])
