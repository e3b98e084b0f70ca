"""Copying a store: everything in it, into an empty store or one that an earlier, interrupted copy began to fill.

Nothing marks a copy that is under way. Records are loaded in one order, some at a time, each time all or none; so
whatever ended a copy, the target holds a part of the source, and the next one finds out which part by comparing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from attrs import frozen

from moltnet_core.backend import Backend
from moltnet_core.errors import Problem, ReadOnlyStoreError, ValidationError
from moltnet_core.events import logged
from moltnet_core.paging import OnCorrupt, check_on_corrupt
from moltnet_core.records import LOAD_ORDER, LoadResult, Record
from moltnet_core.snapshot import Snapshot
from moltnet_core.store import Store
from moltnet_core.transfer.comparing import readable
from moltnet_core.transfer.digest import Digester, StoreDigest
from moltnet_core.transfer.progress import Cancelled, OnProgress, Work, records_in
from moltnet_core.transfer.streaming import batches
from moltnet_core.transfer.surveying import Survey, survey
from moltnet_core.transfer.verifying import StoresDifferError, compare_views

__all__ = ["CopyResult", "DeferredTarget", "copy_store", "same_store"]


@frozen
class DeferredTarget:
    """A target that is opened to be written only when everything has been checked.

    So a refused copy neither makes nor upgrades a store.

    :param backend: what it is, or will be, a store of.
    :param open: opens or makes it. It is called once at most.
    :param seen: it as it is, opened to look at; ``None`` if there is none yet.
    """

    backend: Backend
    open: Callable[[], AbstractContextManager[Store]]
    seen: Store | None = None


@frozen
class CopyResult:
    """What a copy did, or would do.

    :param copied: records that were written.
    :param present: records that were there already, from an earlier copy.
    :param digest: of the source, with the digits of a second that the target keeps. The target's is the same.
    :param truncated: records of which a time lost digits that the target does not keep.
    :param reordered: neighbours in a conversation that stand the other way round for it.
    :param skipped: records that could not be decoded and were left out.
    :param verified: whether the target was read back and found equal.
    """

    copied: int
    present: int
    digest: StoreDigest
    truncated: int = 0
    reordered: int = 0
    skipped: tuple[Problem, ...] = ()
    verified: bool = False


@logged("copy")
def copy_store(
    source: Store,
    target: Store | DeferredTarget,
    *,
    verify: bool = True,
    dry_run: bool = False,
    on_corrupt: OnCorrupt = "raise",
    on_progress: OnProgress | None = None,
    cancelled: Cancelled | None = None,
) -> CopyResult:
    """Copy everything that a store holds, as of one moment: removed rooms, credentials and exact times too.

    The target is empty, or holds a part of the source and nothing else: then the rest is copied. Whatever stands in
    the way is found before anything is written. A copy that was interrupted (also by a crash) is gone on with by the
    same call.

    The source is read in one snapshot, which stays open until the copy is verified.

    :param verify: read the target back and compare it with the source.
    :param dry_run: check and count, and write nothing.
    :param on_corrupt: ``"skip"`` leaves out records of the source that cannot be decoded. By default they are a reason
        not to begin.
    :param on_progress: is told of each step. The phases are ``check``, ``copy`` and ``verify``.
    :param cancelled: is asked at each step whether to end.
    :raises CopyRefusedError: the source holds what the target cannot. Nothing was written.
    :raises StoreNotEmptyError: the target holds what is not the source's. Nothing was written.
    :raises ValidationError: source and target are one store.
    :raises ReadOnlyStoreError: the target was opened read-only.
    :raises RecordConflictError: another program wrote to the target meanwhile.
    :raises StoresDifferError: so it did, and the copy is not equal to its source.
    :raises CancelledError: it was called off. What was copied so far stays.
    """
    check_on_corrupt(on_corrupt)
    _refuse_same(source, target)
    if isinstance(target, Store) and target.read_only and not dry_run:
        raise ReadOnlyStoreError("the target of a copy was opened read-only; open it without mode=ro")
    work = Work(on_progress, cancelled)
    total = records_in(source.counts())  # before the snapshot, which may hold the only connection of a small pool
    with source.snapshot() as view, ExitStack() as stack:
        work.begin("check", total)
        with _view_of(target) as there:
            found = survey(view, there, target.backend, work, on_corrupt)
        done = LoadResult()
        if not dry_run:
            store = target if isinstance(target, Store) else _opened(target, found, stack)
            if not found.is_complete:
                done = _load(view, store, found, work)
            if verify:
                _verify(view, store, found, work, on_corrupt)
    return CopyResult(
        found.digest.count - found.present if dry_run else done.loaded,
        found.present if dry_run else found.digest.count - done.loaded,
        found.digest,
        found.truncated,
        found.reordered,
        found.skipped,
        verify and not dry_run,
    )


def same_store(one: Store, other: Store) -> bool:
    """Whether two stores are plainly one, in whatever way each is named."""
    if one.driver is other.driver:
        return True
    identity = one.driver.identity
    return identity is not None and one.backend.name == other.backend.name and identity == other.driver.identity


def _refuse_same(source: Store, target: Store | DeferredTarget) -> None:
    seen = target if isinstance(target, Store) else target.seen
    if seen is not None and same_store(source, seen):
        raise ValidationError("target", "is the source; a store cannot be copied onto itself")


@contextmanager
def _view_of(target: Store | DeferredTarget) -> Iterator[Snapshot | None]:
    seen = target if isinstance(target, Store) else target.seen
    if seen is None:
        yield None
    else:
        with seen.snapshot() as view:
            yield view


def _opened(target: DeferredTarget, found: Survey, stack: ExitStack) -> Store:
    """A target to write to; one that holds all of the source already is only read, and stays of its version."""
    return target.seen if target.seen is not None and found.is_complete else stack.enter_context(target.open())


def _load(view: Snapshot, target: Store, found: Survey, work: Work) -> LoadResult:
    """Load what the target lacks, going on where what it holds is unbroken."""
    done = LoadResult()
    work.begin("copy", found.digest.count)
    for kind in LOAD_ORDER:
        count, after = found.begun.get(kind, (0, None))
        if count:
            work.step(count, kind)
        for batch in batches(view, kind, after):
            done += target.load([entry for entry in batch if isinstance(entry, Record)])
            work.step(len(batch), kind)
    return done


def _verify(view: Snapshot, target: Store, found: Survey, work: Work, on_corrupt: OnCorrupt) -> None:
    """Read the target back.

    :raises StoresDifferError: it is not equal to the source.
    """
    digits = target.backend.time_digits
    digester = Digester(digits)
    work.begin("verify", found.digest.count)
    with target.snapshot() as there:
        for kind in LOAD_ORDER:
            for record in readable(there, kind, work, _raise):
                digester.add(record)
        if digester.digest() != found.digest:
            raise StoresDifferError(compare_views(view, there, digits, Work(), on_corrupt=on_corrupt))


def _raise(error: Exception) -> None:
    raise error
