"""Backends that are not installed: their plugins, here and in the processes that clauses start.

A plugin that is named by a text, as an entry point names one (``module`` or ``module:name``), is imported wherever it
is needed. One that is an object is there in this process only.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from importlib.metadata import EntryPoint
from types import ModuleType

from moltnet_core import Store, open_store

__all__ = ["VARIABLE", "for_children", "loaded", "opened"]

VARIABLE = "MOLTNET_CONFORMANCE_PLUGINS"
"""An environment variable by which :func:`opened` learns what the harness names."""


def loaded(plugins: Iterable[object]) -> list[object]:
    """The plugins, those named by a text imported.

    :raises ImportError: there is no such module.
    :raises AttributeError: it does not have the name.
    """
    return [EntryPoint("plugin", each, "plugin").load() if isinstance(each, str) else each for each in plugins]


def for_children(plugins: Iterable[object]) -> str:
    """What :data:`VARIABLE` says in the processes that clauses start: names of plugins, and where modules are found."""
    names = [getattr(each, "__name__", "") if isinstance(each, ModuleType) else each for each in plugins]
    return json.dumps({"plugins": [name for name in names if isinstance(name, str)], "path": sys.path})


def opened(location: str) -> Store:
    """Opens a store in a process that a clause started, as the harness of that clause would."""
    given = json.loads(os.environ[VARIABLE])
    sys.path += [folder for folder in given["path"] if folder not in sys.path]
    return open_store(location, environ={}, plugins=loaded(given["plugins"]))
