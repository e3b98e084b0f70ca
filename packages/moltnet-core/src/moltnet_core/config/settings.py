"""A backend's settings: a frozen attrs class whose fields are made by :func:`setting`.

.. code-block:: python

    @attrs.frozen
    class MyDbSettings:
        path: Path = setting(help="The database file")
        busy_timeout: float = setting(5.0, help="How long to wait for a lock", unit="s", minimum=0)

A field is a ``str``, ``Path``, ``bool``, ``int``, ``float`` or ``tuple[str, ...]``, or one of these ``| None``. The
types must be there at run time, so they are not imported under ``TYPE_CHECKING``.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import attrs

from moltnet_core.config.environment import variable_name

__all__ = ["HIDDEN", "SettingDescription", "describe", "redact", "setting", "setting_names"]

HIDDEN: Final = "***"
"""What is shown in place of a secret."""

_TYPE_NAMES: Final[dict[object, str]] = {
    str: "text",
    Path: "path",
    bool: "true or false",
    int: "whole number",
    float: "number",
    tuple[str, ...]: "list of texts",
}


def _hidden(value: object) -> str:
    return "None" if value is None else HIDDEN


def setting(
    default: Any = attrs.NOTHING,
    *,
    help: str,
    unit: str | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: Iterable[str | int] | None = None,
    secret: bool = False,
    check: Callable[[Any], str | None] | None = None,
    redact: Callable[[Any], str] | None = None,
    from_server: Callable[[str], tuple[str, str | None]] | None = None,
) -> Any:
    """A field of a settings class. Everything but the default is kept in the field's attrs metadata.

    :param default: without it the setting is required.
    :param help: one line for people, without a full stop.
    :param unit: of a number; durations are in seconds (``"s"``).
    :param minimum: the least number allowed.
    :param maximum: the greatest number allowed.
    :param choices: the only values allowed.
    :param secret: its value is never shown, by ``repr`` neither.
    :param check: a further check of a converted value: says what is wrong and what is expected, or ``None``.
        Its text is shown, so it must not quote a secret; an exception of it is reported without its text.
    :param redact: what may be shown of a secret, else nothing is; for a DSN
        :func:`moltnet_core.config.redaction.redact_url`.
    :param from_server: for a value from the environment or a configuration file, which the Go server reads as well:
        takes the text, and gives the text without what only the server understands, and a warning to log (or
        ``None``). The warning must not quote the value.
    """
    metadata = {
        "help": help,
        "unit": unit,
        "minimum": minimum,
        "maximum": maximum,
        "choices": None if choices is None else tuple(choices),
        "secret": secret,
        "check": check,
        "redact": redact,
        "from_server": from_server,
    }
    return attrs.field(default=default, kw_only=True, repr=_hidden if secret else True, metadata=metadata)


def setting_names(cls: type[Any]) -> tuple[str, ...]:
    """The names of the settings, in the order of the class."""
    return tuple(field.name for field in attrs.fields(cls))


def setting_types(cls: type[Any]) -> dict[str, tuple[object, bool]]:
    """The type of each setting and whether it may be ``None``.

    :raises TypeError: a field has a type that a setting cannot have; the class's author has to change it.
    """
    hints = typing.get_type_hints(cls)
    found: dict[str, tuple[object, bool]] = {}
    for name in setting_names(cls):
        hint = hints.get(name)
        optional = False
        if typing.get_origin(hint) in (typing.Union, types.UnionType):
            members = typing.get_args(hint)
            optional = type(None) in members
            rest = [member for member in members if member is not type(None)]
            hint = rest[0] if len(rest) == 1 else None
        if hint not in _TYPE_NAMES:
            raise TypeError(f"{cls.__name__}.{name}: a setting cannot be of this type")
        found[name] = hint, optional
    return found


def type_name(hint: object) -> str:
    """A setting's type in words."""
    return _TYPE_NAMES[hint]


@attrs.frozen(kw_only=True)
class SettingDescription:
    """What is known of a setting: for documentation and the command line.

    :param name: its name in files and URLs.
    :param type: its type in words.
    :param required: it has no default.
    :param default: as it would be shown; ``None`` when there is none or it is ``None``.
    :param variable: the environment variable, where the backend's name was given.
    """

    name: str
    type: str
    required: bool
    default: object
    help: str
    unit: str | None
    minimum: float | None
    maximum: float | None
    choices: tuple[str | int, ...] | None
    secret: bool
    variable: str | None


def describe(cls: type[Any], kind: str | None = None) -> list[SettingDescription]:
    """The settings of a class, in its order.

    :param kind: the backend's name, for the names of the environment variables.
    :raises TypeError: a field has a type that a setting cannot have.
    """
    hints = setting_types(cls)
    found = []
    for field in attrs.fields(cls):
        default = field.default
        if isinstance(default, attrs.Factory):  # type: ignore[arg-type]  # a class, typed as a function
            default = None if default.takes_self else default.factory()
        meta = field.metadata
        found.append(
            SettingDescription(
                name=field.name,
                type=type_name(hints[field.name][0]),
                required=default is attrs.NOTHING,
                default=None if default is attrs.NOTHING else _shown(field, default),
                help=meta.get("help", ""),
                unit=meta.get("unit"),
                minimum=meta.get("minimum"),
                maximum=meta.get("maximum"),
                choices=meta.get("choices"),
                secret=bool(meta.get("secret")),
                variable=variable_name(kind, field.name) if kind else None,
            )
        )
    return found


def redact(settings: Any) -> dict[str, object]:
    """An instance's values for display: JSON types, secrets replaced by :data:`HIDDEN`."""
    return {field.name: _shown(field, getattr(settings, field.name)) for field in attrs.fields(type(settings))}


def _shown(field: Any, value: Any) -> object:
    if value is not None and field.metadata.get("secret"):
        show = field.metadata.get("redact")
        try:
            return str(show(value)) if show is not None else HIDDEN
        except Exception:  # noqa: BLE001 - whatever it is, the value is not shown
            return HIDDEN
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value
