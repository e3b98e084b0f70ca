"""The store's errors as HTTP statuses."""

from __future__ import annotations

import logging
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from moltnet_core import (
    DuplicateMessageError,
    InvalidCursorError,
    MoltnetError,
    ReadOnlyStoreError,
    RoomExistsError,
    RoomNotFoundError,
    StorageFullError,
    StoreBusyError,
    StoreClosedError,
    StoreUnavailableError,
    UnsupportedCapabilityError,
    ValidationError,
)

__all__ = ["failed"]

_log = logging.getLogger(__name__)

STATUSES: Final[dict[type[MoltnetError], int]] = {
    InvalidCursorError: 400,
    ValidationError: 422,
    RoomNotFoundError: 404,
    RoomExistsError: 409,
    DuplicateMessageError: 409,
    StoreBusyError: 503,
    StoreClosedError: 503,
    StoreUnavailableError: 503,
    ReadOnlyStoreError: 503,
    StorageFullError: 507,
    UnsupportedCapabilityError: 501,
}


def failed(_: Request, error: Exception) -> Response:
    """The answer to a request that a store's error has ended.

    What the caller did wrong is told in the error's words. What is wrong with the store is for the log: a caller has no
    use for the name of a file or server.
    """
    assert isinstance(error, MoltnetError)
    status = next((status for kind, status in STATUSES.items() if isinstance(error, kind)), 500)
    answer: dict[str, object] = {"error": type(error).__name__}
    if status < 500:
        answer["detail"] = str(error)
    else:
        _log.error("%s: %s", type(error).__name__, error)
    if error.committed is None:
        answer["committed"] = None  # it may be stored: the same request again settles it
    return JSONResponse(answer, status, {"Retry-After": "1"} if status == 503 else None)
