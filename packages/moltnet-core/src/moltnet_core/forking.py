"""What is to happen to each of some objects around a fork, where the system has forks."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["around_forks"]

T = TypeVar("T")


def around_forks(
    objects: weakref.WeakSet[T],
    *,
    before: Callable[[T], object] | None = None,
    after_in_parent: Callable[[T], object] | None = None,
    after_in_child: Callable[[T], object] | None = None,
) -> None:
    """Call these for each object that is alive then; see :func:`os.register_at_fork`. Called once for each set."""

    def hook(act: Callable[[T], object]) -> Callable[[], None]:
        def call() -> None:
            for each in list(objects):
                act(each)

        return call

    acts: dict[str, Callable[[T], object] | None]
    acts = {"before": before, "after_in_parent": after_in_parent, "after_in_child": after_in_child}
    hooks: dict[str, Any] = {when: hook(act) for when, act in acts.items() if act is not None}
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(**hooks)
