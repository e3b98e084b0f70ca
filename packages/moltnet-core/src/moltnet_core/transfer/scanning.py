"""Reading a whole store for its digest, and comparing two."""

from __future__ import annotations

from collections import Counter

from attrs import frozen

from moltnet_core.errors import VerificationError
from moltnet_core.records import LOAD_ORDER
from moltnet_core.store import Store
from moltnet_core.transfer.comparing import readable
from moltnet_core.transfer.digest import Digester, StoreDigest
from moltnet_core.transfer.progress import Work, records_in

__all__ = ["Scanned", "compare_digests", "scan_digest"]


@frozen
class Scanned:
    """What a store held at one moment.

    :param digest: of what can be decoded.
    :param corrupt: how many records cannot.
    """

    digest: StoreDigest
    corrupt: int = 0


def scan_digest(store: Store, time_digits: int, work: Work, phase: str) -> Scanned:
    """Read a whole store in one snapshot.

    :param time_digits: fractional digits of a second that count, 9 or 6.
    :param phase: what to call it in progress.
    """
    corrupt = Counter[str]()
    total = records_in(store.counts())
    if total:  # of an empty store there is nothing to tell
        work.begin(phase, total)
    digester = Digester(time_digits)
    with store.snapshot() as view:
        for kind in LOAD_ORDER:
            for record in readable(view, kind, work, lambda error: corrupt.update([error.table])):
                digester.add(record)
    return Scanned(digester.digest(), corrupt.total())


def compare_digests(wanted: StoreDigest, found: Scanned, corrupt: int = 0) -> None:
    """See that a store holds what it should.

    :param corrupt: how many of its records cannot be decoded.
    :raises VerificationError: it does not.
    """
    kinds = [kind for kind in LOAD_ORDER if wanted.kinds[kind] != found.digest.kinds[kind]]
    if kinds or found.corrupt != corrupt:
        raise VerificationError([str(kind) for kind in kinds])
