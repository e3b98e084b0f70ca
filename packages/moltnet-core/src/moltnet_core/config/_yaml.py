"""YAML as the Go server reads it. Imported only when a YAML file is read.

PyYAML's safe loader takes YAML 1.1, where ``no`` is false, ``12:30`` is 750, and a date is a date. The server's
library goes by YAML 1.2, so here they are texts; and it refuses duplicate keys, which PyYAML does not.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from moltnet_core.config._parsing import LoadError

__all__ = ["load"]

_MAX_ALIASES = 1000
_MAX_KEYS = 10_000


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's way; filled below

    aliases = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            self.aliases += 1
            if self.aliases > _MAX_ALIASES:
                raise LoadError("has too many aliases")
        return super().compose_node(parent, index)

    def compose_mapping_node(self, anchor: Any) -> Any:
        # Looked for here and not in construct_mapping, which also sees what '<<' merged in.
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if (key.tag, key.value) in seen:
                    raise _at("has a key twice in one mapping", key.start_mark)
                seen.add((key.tag, key.value))
        return node

    def flatten_mapping(self, node: Any) -> None:
        super().flatten_mapping(node)
        if len(node.value) > _MAX_KEYS:
            raise _at("has too many keys in one mapping", node.start_mark)


for _tag, _pattern, _first in (
    ("merge", r"<<", "<"),
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*|(?=[eE])))(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), ["" if c == "\0" else c for c in _first]
    )


def load(text: str) -> Any:
    """The one document of a YAML text; ``None`` when it is empty.

    :raises LoadError: it cannot be read.
    """
    try:
        loader = _Loader(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except LoadError as error:
        failure = error
    except yaml.MarkedYAMLError as error:
        failure = _at("is not valid YAML", error.problem_mark or error.context_mark)
    except RecursionError:
        failure = LoadError("is nested too deeply")
    except yaml.reader.ReaderError as error:
        failure = LoadError("holds a character that YAML does not allow", text.count("\n", 0, error.position) + 1, 1)
    except Exception:  # noqa: BLE001 - its constructors raise what they happen to ("!!timestamp x")
        failure = LoadError("is not valid YAML")
    raise failure  # outside the handlers: what was caught may quote the text


def _at(problem: str, mark: Any) -> LoadError:
    return LoadError(problem, mark.line + 1, mark.column + 1) if mark else LoadError(problem)
