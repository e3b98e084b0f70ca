"""A request's JSON."""

from __future__ import annotations

from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request

from moltnet_core.serialization import loads

__all__ = ["json_body"]

LONGEST: Final = 1 << 20
"""Bytes. The store itself takes messages of 16 MiB."""


async def json_body(request: Request) -> dict[str, Any]:
    """The object that the body holds, read as the store reads JSON: integers are exact, ``NaN`` is none.

    :raises HTTPException: 413, it is too long; 400, it is no JSON object.
    """
    read = bytearray()
    async for chunk in request.stream():
        read += chunk
        if len(read) > LONGEST:
            raise HTTPException(413, f"expected at most {LONGEST} bytes")
    try:
        found = loads(read.decode())
    except ValueError:  # UnicodeDecodeError is one
        found = None
    if not isinstance(found, dict):
        raise HTTPException(400, "expected a JSON object")
    return found
