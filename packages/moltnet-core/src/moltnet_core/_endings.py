"""What the one who breaks off a write is told of it."""

from __future__ import annotations

__all__ = ["ending"]


def ending(failure: BaseException | None) -> str:
    """How a write ended whose caller was interrupted, for a note on what interrupted it.

    :param failure: its error; ``None``: it was done.
    """
    if failure is None:
        return "the store's call had begun: what it writes is written"
    if getattr(failure, "committed", None) is False:
        return f"the store's call had begun: it failed and wrote nothing ({type(failure).__name__})"
    return f"the store's call had begun: it failed, and whether it has written is not known ({type(failure).__name__})"
