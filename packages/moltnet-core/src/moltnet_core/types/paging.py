"""Pages: how a listing is asked for and answered (contract, section 3)."""

from __future__ import annotations

from enum import Enum
from typing import ClassVar, Final, Generic, TypeVar

from attrs import Factory, field, frozen

from moltnet_core.types._fields import as_tuple

__all__ = ["DEFAULT_LIMIT", "MAX_LIMIT", "START", "Page", "PageInfo", "PageRequest", "Start"]

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 1000

T = TypeVar("T")


class Start(Enum):
    """The type of :data:`START`."""

    START = "START"

    def __repr__(self) -> str:
        return "START"


START: Final = Start.START
"""As ``after``: begin at the oldest item."""


@frozen
class PageRequest:
    """Which page of a listing.

    :param before: the items just before the one with this id. Not together with ``after``.
    :param after: the items just after the one with this id, or :data:`START`.
    :param limit: how many, 1 to 1000; default 100.
    """

    before: str | None = None
    after: str | Start | None = None
    limit: int | None = None


@frozen
class PageInfo:
    """Where a page stands in its listing.

    :param has_more: more items exist in the direction of travel (older, unless ``after`` was given).
    :param next_before: the first item's id, when older items exist.
    :param next_after: the last item's id, when newer items exist.
    """

    has_more: bool = False
    next_before: str | None = None
    next_after: str | None = None


@frozen(eq=True, unsafe_hash=False)
class Page(Generic[T]):
    """Some items of a listing, oldest first.

    :param skipped: records of this page that could not be read and were left out (``on_corrupt="skip"``).
    """

    __hash__: ClassVar[None] = None  # type: ignore[assignment]

    items: tuple[T, ...] = field(converter=as_tuple)
    info: PageInfo = Factory(PageInfo)
    skipped: int = 0
