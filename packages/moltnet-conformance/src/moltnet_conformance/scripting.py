"""A history as a Python script that runs on its own and shows what a suite has found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import quote

import attrs

from moltnet_core.config import redact_url

__all__ = ["Step", "literal", "script"]

SCRIPT = """\
# A history that comes out on {backend} otherwise than on the reference, as moltnet-conformance has found it.
# {advice}

import sys
from datetime import datetime
from tempfile import TemporaryDirectory

{imports}from moltnet_conformance.comparing import outcome, whole
from moltnet_core import (
{names})


def same(subject, reference):
    assert subject == reference, f"\\n{backend}: {{subject}}\\nreference: {{reference}}"


def step(call):
    same(outcome(call, subject), outcome(call, reference))


with TemporaryDirectory() as folder:
    location = sys.argv[1] if sys.argv[1:] else {location}
    subject = open_store(location, environ={{}}{plugins})
    reference = open_store("memory://", environ={{}})
{steps}
    same(whole(subject), whole(reference))
    subject.close()
    print("they agree")
"""
REOPEN = "subject.close()\n    subject = open_store(location, environ={{}}{plugins})"
NAMES = ("open_store",)


@attrs.frozen
class Step:
    """A call of a store's method, or, without a method, an opening of the store anew."""

    method: str = ""
    arguments: Sequence[Any] = ()
    options: Mapping[str, Any] = attrs.field(factory=dict)

    def __call__(self, store: Any) -> Any:
        """Take the step on a store."""
        return getattr(store, self.method)(*self.arguments, **self.options)

    def __str__(self) -> str:
        given = [literal(each) for each in self.arguments]
        given += [f"{name}={literal(value)}" for name, value in self.options.items()]
        return f"store.{self.method}({', '.join(given)})"


def literal(value: Any) -> str:
    """A value as Python's source."""
    if attrs.has(type(value)):
        return f"{type(value).__name__}({', '.join(_fields(value))})"
    if isinstance(value, datetime):
        return f"datetime.fromisoformat({value.isoformat()!r})"
    if isinstance(value, Enum):
        return repr(value) if not isinstance(value, str) else repr(str(value))
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{literal(key)}: {literal(each)}" for key, each in value.items()) + "}"
    if isinstance(value, tuple):
        return "(" + ", ".join(map(literal, value)) + ("," if len(value) == 1 else "") + ")"
    if isinstance(value, list):
        return "[" + ", ".join(map(literal, value)) + "]"
    return repr(value)


def _fields(value: Any) -> Iterator[str]:
    for field in attrs.fields(type(value)):
        held = getattr(value, field.name)
        if field.init and (field.default is attrs.NOTHING or held != field.default):
            yield f"{field.alias}={literal(held)}"


def _names(value: Any) -> Iterator[str]:
    """What has to be imported for a literal."""
    if attrs.has(type(value)):
        yield type(value).__name__
        for field in attrs.fields(type(value)):
            yield from _names(getattr(value, field.name))
    elif isinstance(value, Enum) and not isinstance(value, str):
        yield value.name
    elif isinstance(value, Mapping):
        yield from _names(list(value.values()))
    elif isinstance(value, tuple | list):
        for each in value:
            yield from _names(each)


def script(backend: str, location: str, folder: Path, steps: Iterable[Step], plugins: Iterable[object] = ()) -> str:
    """The source of a script that takes the steps, and ends at the first that does not come out alike.

    :param location: where the history was run. A password in it is not shown.
    :param folder: what is there was made for that run alone; another takes its place.
    :param plugins: those that the store was opened with; only modules can be imported by a script.
    """
    taken = list(steps)
    shown = redact_url(location)
    advice = "Give it the URL of a place where no store is yet, to try it there."
    if shown != location:
        advice = "It needs the URL of a place where no store is yet, as the one it had holds a secret."
    modules = [plugin.__name__ for plugin in plugins if isinstance(plugin, ModuleType)]
    if len(modules) < len(list(plugins)):
        advice += " It has to be given the plugins too that it was opened with."
    given = f", plugins=[{', '.join(modules)}]" if modules else ""
    names = sorted({*NAMES, *(name for step in taken for name in _names([*step.arguments, *step.options.values()]))})
    lines = [
        f"    step(lambda store: {step})" if step.method else "    " + REOPEN.format(plugins=given) for step in taken
    ]
    return SCRIPT.format(
        backend=backend,
        advice=advice,
        imports="".join(f"import {name}\n" for name in modules),
        names="".join(f"    {name},\n" for name in names),
        location=_located(shown, folder),
        plugins=given,
        steps="\n".join(lines),
    )


def _located(location: str, folder: Path) -> str:
    """A location as source, with a folder of the script's own in the place of the run's."""
    for name in (str(folder), quote(str(folder))):
        if name in location:
            before, _, after = location.partition(name)
            return f"{before!r} + folder + {after!r}"
    return repr(location)
