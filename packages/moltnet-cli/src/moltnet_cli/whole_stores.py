"""What the verbs that work on whole stores share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from moltnet_core import StoreDigest

__all__ = ["counted", "counted_kinds", "only_reading", "skip_corrupt_option", "verify_option"]

_F = TypeVar("_F", bound=Callable[..., Any])


def counted(digest: StoreDigest) -> str:
    """The records of each kind there is, in words."""
    return counted_kinds({kind: each.count for kind, each in digest.kinds.items()})


def counted_kinds(counts: Mapping[Any, int]) -> str:
    """How many there are of each kind, in words."""
    named = {"dm": "DM"}
    found = [f"{count} {named.get(kind, kind)}{'' if count == 1 else 's'}" for kind, count in counts.items() if count]
    return ", ".join(found) or "no records"


@contextmanager
def only_reading() -> Iterator[None]:
    """Around work that changes nothing: whoever interrupts it is told so."""
    try:
        yield
    except KeyboardInterrupt as error:
        error.add_note("nothing was changed: this only reads")
        raise


def verify_option(function: _F) -> _F:
    """``--no-verify``, as the argument ``verify``."""
    return click.option(
        "--no-verify", "verify", is_flag=True, flag_value=False, default=True, help="Do not read the result again."
    )(function)


def skip_corrupt_option(function: _F) -> _F:
    """``--skip-corrupt``."""
    return click.option("--skip-corrupt", is_flag=True, help="Leave out records that cannot be read, and count them.")(
        function
    )
