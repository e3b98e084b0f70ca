"""Installed backends: found in the metadata, imported when chosen, refused with the distribution's name."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from moltnet_core import (
    BackendApiError,
    BackendLoadError,
    BackendNotFoundError,
    DuplicateBackendError,
    Room,
    open_store,
)
from moltnet_core.plugins import installed_backends, load_backend

Install = Callable[..., Path]
# A backend of its own that happens to keep things as the memory backend does.
WORKING = """
    import attrs
    from moltnet_core import hookimpl
    from moltnet_memory.plugin import BACKEND as memory

    BACKEND = attrs.evolve(memory, name="mydb", summary="another")

    @hookimpl
    def moltnet_register_backend():
        return BACKEND
"""


def failing(install: Install, source: str, value: str = "mydb_plugin") -> BackendLoadError:
    """What opening a backend of this module raises."""
    install("moltnet-mydb", "2.5", backends={"mydb": value}, mydb_plugin=source)
    with pytest.raises(BackendLoadError) as caught:
        open_store("mydb://", environ={})
    attributes = caught.value.__dict__
    assert (attributes["distribution"], attributes["version"]) == ("moltnet-mydb", "2.5")
    assert isinstance(caught.value, ImportError)
    assert "moltnet-mydb 2.5" in str(caught.value)
    return caught.value


def test_an_installed_backend_is_opened_by_its_name(install: Install) -> None:
    install("moltnet-mydb", "2.5", backends={"mydb": "mydb_plugin"}, mydb_plugin=WORKING)
    (found,) = installed_backends()["mydb"]
    assert (found.name, found.module, found.distribution, found.version) == (
        "mydb",
        "mydb_plugin",
        "moltnet-mydb",
        "2.5",
    )
    assert "mydb_plugin" not in sys.modules
    with open_store("mydb://", environ={}) as store:
        store.create_room(Room("r", "net"))
        assert (store.backend.name, store.counts().rooms) == ("mydb", 1)


def test_a_further_scheme_is_a_further_entry_point_with_the_same_module(install: Install) -> None:
    points = {"mydb": "mydb_plugin", "mydbs": "mydb_plugin"}
    install("moltnet-mydb", backends=points, mydb_plugin=WORKING)
    with open_store("mydbs://", environ={}) as store:
        assert store.backend.name == "mydb"


@pytest.mark.parametrize("kind", ["nosuch", "sqlit"])
def test_a_backend_that_is_not_installed(kind: str) -> None:
    with pytest.raises(BackendNotFoundError) as caught:
        open_store(f"{kind}://x", environ={})
    assert caught.value.__dict__["name"] == kind
    assert "memory" in str(caught.value)
    assert "sqlite" in str(caught.value)


@pytest.mark.parametrize(("scheme", "extra"), [("postgres", "postgres"), ("postgresql", "postgres"), ("json", "json")])
def test_a_known_backend_that_is_not_installed_says_what_to_install(
    scheme: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("moltnet_core.plugins.manager.entry_points", lambda group: ())
    with pytest.raises(BackendNotFoundError) as caught:
        open_store(f"{scheme}://x/y", environ={})
    assert f'pip install "moltnet-core[{extra}]"' in str(caught.value)


def test_two_distributions_with_one_name_are_refused_before_any_import(install: Install) -> None:
    source = "raise RuntimeError('this must not be imported')"
    install("one", "1.0", backends={"mydb": "mydb_one"}, mydb_one=source)
    install("two", "2.0", backends={"mydb": "mydb_two"}, mydb_two=source)
    with pytest.raises(DuplicateBackendError) as caught:
        open_store("mydb://", environ={})
    assert caught.value.__dict__["distributions"] == ("one 1.0", "two 2.0")
    assert not {"mydb_one", "mydb_two"} & set(sys.modules)
    open_store("memory://", environ={}).close()


def test_a_name_of_ours_taken_by_another_distribution_is_refused(install: Install) -> None:
    install("evil", backends={"memory": "evil_memory"}, evil_memory=WORKING)
    with pytest.raises(DuplicateBackendError) as caught:
        open_store("memory://", environ={})
    assert "evil 1.0" in caught.value.__dict__["distributions"]
    assert "evil_memory" not in sys.modules


@pytest.mark.parametrize(
    ("source", "word"),
    [
        ("import no_such_module_at_all", "no_such_module_at_all"),
        ("raise ImportError('no driver')", "no driver"),
        ("raise SystemExit(3)", "SystemExit"),
        ("1 / 0", "ZeroDivisionError"),
        ("def broken(:", "SyntaxError"),
        ("", "exactly one"),
        (WORKING.replace("return BACKEND", "return None"), "exactly one"),
        (WORKING.replace("return BACKEND", "return 'mydb'"), "exactly one"),
        (WORKING.replace("return BACKEND", "1 / 0"), "ZeroDivisionError"),
        (WORKING.replace("return BACKEND", "raise SystemExit"), "SystemExit"),
        (WORKING.replace('name="mydb"', 'name="other"'), "other"),
        (WORKING.replace("moltnet_register_backend()", "moltnet_register_backend(unknown)"), "unknown"),
        (WORKING + "    @hookimpl\n    def moltnet_mesage_appended(result): ...", "moltnet_mesage_appended"),
        (WORKING.replace("@hookimpl", ""), "exactly one"),
    ],
    ids=range(14),
)
def test_a_broken_backend_that_was_chosen(install: Install, source: str, word: str) -> None:
    assert word in str(failing(install, source))


def test_a_module_that_does_not_exist(install: Install) -> None:
    failing(install, "", "mydb_nowhere")


def test_an_entry_point_names_a_module_without_an_attribute(install: Install) -> None:
    error = failing(install, WORKING, "mydb_plugin:BACKEND")
    assert "mydb_plugin:BACKEND" in str(error)
    assert "mydb_plugin" not in sys.modules


@pytest.mark.parametrize("name", ["My-db", "MyDB", "1db", "my_db"])
def test_a_backend_s_name(install: Install, name: str) -> None:
    install("moltnet-mydb", backends={name: "mydb_plugin"}, mydb_plugin=WORKING)
    with pytest.raises(BackendLoadError):
        load_backend(name)


def test_another_version_of_the_interface(install: Install) -> None:
    source = WORKING.replace('summary="another"', "api_version=99")
    install("moltnet-mydb", "2.5", backends={"mydb": "mydb_plugin"}, mydb_plugin=source)
    with pytest.raises(BackendApiError) as caught:
        open_store("mydb://", environ={})
    attributes = caught.value.__dict__
    assert (attributes["found"], attributes["expected"]) == (99, 1)
    assert (attributes["distribution"], attributes["version"]) == ("moltnet-mydb", "2.5")


def test_a_backend_that_opens_no_driver(install: Install) -> None:
    error = failing(install, WORKING.replace('summary="another"', "open=lambda settings, read_only: object()"))
    assert "object" in str(error)


def test_a_broken_backend_that_nobody_chose_is_harmless(install: Install, tmp_path: Path) -> None:
    install(
        "broken",
        backends={"brokena": "broken_a", "brokenb": "broken_b:x", "Broken-C": "broken_c", "brokend": "broken_d"},
        broken_a="raise SystemExit",
        broken_b="raise RuntimeError",
        broken_c="raise RuntimeError",
    )
    for url in ("memory://", f"sqlite:///{tmp_path}/chat.db"):
        with open_store(url, environ={}) as store:
            store.ping()
    assert not {name for name in sys.modules if name.startswith("broken_")}


def test_one_distribution_found_twice_is_one(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a folder that holds a build beside what is installed."""
    folder = install("moltnet-mydb", backends={"mydb": "mydb_plugin"}, mydb_plugin=WORKING)
    again = folder / "again"
    again.mkdir()
    (folder / "moltnet_mydb-1.0.dist-info").rename(again / "moltnet_mydb-1.0.dist-info")
    monkeypatch.syspath_prepend(str(again))
    install("moltnet.mydb", backends={"mydb": "mydb_plugin"})
    open_store("mydb://", environ={}).close()


def test_a_backend_passed_as_an_object_needs_no_packaging() -> None:
    import attrs

    from moltnet_core import hookimpl
    from moltnet_memory.plugin import BACKEND as MEMORY

    class Plugin:
        @hookimpl
        def moltnet_register_backend(self) -> Any:
            return attrs.evolve(MEMORY, name="mydb")

    with open_store("mydb://", environ={}, plugins=[Plugin()]) as store:
        assert store.backend.name == "mydb"
