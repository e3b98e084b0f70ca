"""From a file's text to its document. The reader of each format is imported when such a file is read."""

from __future__ import annotations

from typing import Any, NoReturn

from moltnet_core.config._text import shown_key

__all__ = ["LoadError", "read_document"]


class LoadError(Exception):
    """The text is not such a document; ``line`` and ``column`` count from 1. It quotes none of the text."""

    def __init__(self, problem: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(problem)
        self.problem, self.line, self.column = problem, line, column


def read_document(text: str, extension: str) -> Any:
    """What a text holds.

    :param extension: in lower case: ``.json``, ``.toml``, anything else is YAML.
    :raises LoadError: it cannot be read.
    """
    if extension == ".json":
        return _json(text)
    if extension == ".toml":
        return _toml(text)
    from moltnet_core.config._yaml import load

    return load(text)


def _json(text: str) -> Any:
    import json

    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except LoadError as error:
        failure = error
    except json.JSONDecodeError as error:
        failure = LoadError("is not valid JSON", error.lineno, error.colno)
    except RecursionError:
        failure = LoadError("is nested too deeply")
    except ValueError:
        failure = LoadError("is not valid JSON: a number has too many digits")
    raise failure  # outside the handlers: what was caught may hold the text


def _toml(text: str) -> Any:
    import tomli

    try:
        return tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        line, column = getattr(error, "lineno", None), getattr(error, "colno", None)
        failure = LoadError("is not valid TOML", line, column)
    except RecursionError:
        failure = LoadError("is nested too deeply")
    except ValueError:
        failure = LoadError("is not valid TOML: a number has too many digits")
    raise failure  # outside the handlers, as above


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise LoadError(f"has a key twice in one mapping: {shown_key(twice)}")
    return found


def _no_constant(_: str) -> NoReturn:
    raise LoadError("holds NaN or an infinity, which JSON does not have")
