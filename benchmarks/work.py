"""What every benchmark writes and reads."""

from __future__ import annotations

from moltnet_core import Actor, Message, Part, Target

__all__ = ["MILLION", "PAGE", "TEXT", "THOUSAND", "message"]

TEXT = "The deployment of this morning went well; the second half follows at noon."
PAGE = 100
THOUSAND = 1_000
MILLION = 1_000_000
ALPHA = Actor(type="agent", id="alpha")


def message(target: Target) -> Message:
    """What is appended."""
    return Message("local", target, ALPHA, [Part("text", TEXT)])
