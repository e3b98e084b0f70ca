"""What no error may give away: texts that were stored, passwords, and the engine's own errors, which hold them."""

from __future__ import annotations

import pickle
import traceback

from tests.children import chain, foreign_in_chain

__all__ = ["check_discreet"]


def check_discreet(error: BaseException, *secrets: str) -> None:
    """Neither it nor what led to it is the engine's, or shows a secret."""
    assert foreign_in_chain(error) == []
    written = "".join(traceback.format_exception(error))
    for secret in secrets:
        for found in chain(error):
            assert secret not in repr(found)
            assert secret not in repr(vars(found))
        assert secret not in written
        assert secret.encode() not in pickle.dumps(error)
