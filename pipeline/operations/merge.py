"""Merge: the output folders of shards → one, as if one run had made everything.

Spends nothing and asks nobody. The shards' files are only read, in folders and in
buckets. Nothing is changed before it is known that everything fits together, and
merging again changes nothing.
"""

import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

from pipeline.clock import Clock
from pipeline.errors import OutputError, PipelineError, UsageError
from pipeline.ledger.ledger import Ledger
from pipeline.lockfile.reconcile import find_lock_file, write_lock_file
from pipeline.manifest import Manifest, load_manifest
from pipeline.models.catalog import ModelCatalog, find_cache
from pipeline.naming import item_of
from pipeline.output.folder import holding_idle, holding_ledger, open_for_reading
from pipeline.output.joined_files import carry_out, plan_files
from pipeline.output.joined_ledger import Part, join_ledgers
from pipeline.output.names import MARKS_OF_OUTPUT
from pipeline.output.rebuild import clear_leftovers, find_asset_names, has_results
from pipeline.output.store_owner import check_store_owner, claim_store
from pipeline.output.stores import (
    bind_store,
    is_elsewhere,
    open_store,
    restore_snapshot,
    save_snapshot,
)
from pipeline.planning import Selection, make_plan
from pipeline.record import Struct
from pipeline.settings import Service
from pipeline.storage.atomic_file import storage_errors
from pipeline.storage.folder import Folder
from pipeline.storage.store import NameTaken, Store

_NAMED = 3  # of the places


class Merged(Struct, frozen=True, kw_only=True):
    """What :func:`merge` has done.

    Attributes:
        folders: The folders and URLs that were joined, in the order in which they were
            named.
        items: Items that the joined ledger knows.
        jobs: Their takes and steps.
        store: Where the joined files are.
        copied: Files that were not there.
        lock_file: The lock file that is up to date now, or None.
        notes: What the user should know.
    """

    folders: tuple[str, ...]
    items: int
    jobs: int
    store: Store
    copied: int
    lock_file: Path | None
    notes: tuple[str, ...] = ()


def merge(
    places: Sequence[str | Path], output: Path, *, clock: Clock, store: str = ""
) -> Merged:
    """Join output folders of one manifest into one.

    Args:
        places: Output folders, or folders that have one each somewhere inside; or the
            URLs of stores that have a copy of their ledger.
        output: The folder to join them into; it may have results of its own.
        clock: For the age of cached models.
        store: The URL of the store for the joined files. "" for the one that all parts
            have in common; if they have none, the folder.

    Raises:
        UsageError: A place is no such folder or store; their files are in several
            stores, and none is named, or in that of another manifest; they belong to
            different services, projects or manifests; or their files or jobs contradict
            each other. Nothing is changed.
        LedgerBusy: A run is in progress in one of them.
        NameTaken: A run is writing into the store for the joined files. Merge again.
        LedgerError, OutputError: A folder or store cannot be read or written.
    """
    with ExitStack() as stack:
        found = _open_places(places, output, stack)
        others = [one for one in found if one.store.home.resolve() != output.resolve()]
        joined_store = _open_target(output, store, others)
        for root in _mounted(others) - _mounted([_Place(named="", store=joined_store)]):
            stack.enter_context(holding_idle(root))
        parts = [
            Part(
                store=one.store,
                named=one.named,
                ledger=stack.enter_context(open_for_reading(one.store.home)),
            )
            for one in others
        ]
        ledger = stack.enter_context(holding_ledger(output, joined_store))
        target = Part(
            store=joined_store, ledger=ledger, named=str(output), is_target=True
        )
        joined = stack.enter_context(join_ledgers([target, *parts]))
        files = plan_files(target, parts, joined)
        name = joined.find_facts().manifest
        is_owned = bool(name) and is_elsewhere(joined_store)
        if is_owned:
            check_store_owner(joined_store, name)
        bind_store(joined_store)
        if files.copies:
            joined_store.check_writable()
            if is_owned:
                claim_store(joined_store, name)
        # The files first: without the ledger, their sidecars prove what is paid for.
        with storage_errors(output):
            carry_out(files)
        joined.record_leftovers(files.moved)
        joined.record_facts(copy_due="1" if is_elsewhere(joined_store) else None)
        ledger.replace_with(joined)
        clear_leftovers(ledger, joined_store)
        notes = _save_snapshot(ledger, joined_store)
        lock_file, more = _write_lock_file(joined_store, ledger, clock)
        jobs = Counter(map(item_of, ledger.find_item_ids()))
        return Merged(
            folders=tuple(one.named for one in found),
            items=len(jobs),
            jobs=jobs.total(),
            store=joined_store,
            copied=len(files.copies),
            lock_file=lock_file,
            notes=(*notes, *more),
        )


class _Place(Struct, frozen=True, kw_only=True):
    """What a user has named, with its store open."""

    named: str
    store: Store


def _open_places(
    places: Sequence[str | Path], output: Path, stack: ExitStack
) -> list[_Place]:
    """Each place once, in the order in which they were named; no run may be there."""
    found: dict[str, _Place] = {}
    for place in places:
        if "://" in str(place):
            opened = _open_url(str(place), stack)
            one = _Place(named=opened.describe(), store=opened)
            found.setdefault(one.named, one)
            continue
        folder = find_output(Path(place))
        real = folder.resolve()
        if str(real) in found:
            continue
        if real != output.resolve():
            stack.enter_context(holding_idle(folder))
        found[str(real)] = _Place(named=str(folder), store=open_store(folder))
    return list(found.values())


def _open_url(url: str, stack: ExitStack) -> Store:
    """A store with its ledger, or its sidecars, in a temporary folder."""
    home = Path(
        stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
    )
    opened = open_store(home, url)
    restore_snapshot(opened)
    if not has_results(home):
        raise UsageError(
            f"nothing has been made in {opened.describe()} yet",
            hint="name the store that the run's --store named",
        )
    return opened


def _open_target(output: Path, url: str, parts: Sequence[_Place]) -> Store:
    """The store for the joined files.

    Raises:
        UsageError: It is not clear which one is meant.
    """
    before = open_store(output)
    if is_elsewhere(before) or not parts:
        return open_store(output, url) if url else before
    has_files = any((output / name).exists() for name in find_asset_names(output))
    stores = {one.store.describe() for one in parts if is_elsewhere(one.store)}
    if not url and (has_files or not stores):
        return before
    if not url and (
        len(stores) > 1 or not all(is_elsewhere(one.store) for one in parts)
    ):
        raise UsageError(
            f"the files are in different places: {', '.join(_places_of(parts))}",
            hint="say where the joined ones go: --store URL; to have them in the folder"
            f" itself: --store {output.absolute().as_uri()}",
        )
    opened = open_store(output, url or next(iter(stores)))
    if is_elsewhere(opened) and has_files:
        raise UsageError(
            f"{output} has results whose files are in the folder itself",
            hint="choose a new --output for the joined results, and name this folder"
            " with the others",
        )
    return opened


def _places_of(parts: Sequence[_Place]) -> Iterator[str]:
    every = dict.fromkeys(one.store.describe() for one in parts)
    yield from islice(every, _NAMED)
    if len(every) > _NAMED:
        yield "…"


def _mounted(places: Sequence[_Place]) -> set[Path]:
    """The folders of files that are not in their output folders; runs lock them too."""
    stores = (one.store for one in places)
    return {
        store.root.resolve()
        for store in stores
        if isinstance(store, Folder) and store.root != store.home
    }


def _save_snapshot(ledger: Ledger, store: Store) -> tuple[str, ...]:
    try:
        save_snapshot(ledger, store)
    except (OutputError, NameTaken) as error:
        return (f"the store has no copy of this ledger: {error.message}",)
    return ()


def find_output(place: Path) -> Path:
    """The output folder that a folder is, or has inside, as artifacts of CI do.

    Raises:
        UsageError: There is none, or there are several.
    """
    found = list(_outputs_in(place))
    if not found and find_asset_names(place):
        return place  # without a ledger, but with sidecars
    if not found:
        raise UsageError(
            f"{place} has no output folder: there is no ledger in it",
            hint="name the folder that the run's --output named",
        )
    if len(found) > 1:
        named = ", ".join(map(str, found[:3])) + ", …" * (len(found) > 3)  # noqa: PLR2004
        raise UsageError(
            f"{place} has several output folders: {named}",
            hint="name one of them; merge each manifest by itself",
        )
    return found[0]


def _outputs_in(place: Path) -> Iterator[Path]:
    for here, below, files in os.walk(place):
        below.sort()
        if not MARKS_OF_OUTPUT.isdisjoint(files):
            yield Path(here)
            below.clear()


def _write_lock_file(
    store: Store, ledger: Ledger, clock: Clock
) -> tuple[Path | None, tuple[str, ...]]:
    """Bring the lock file beside the manifest up to date, if the manifest is there."""
    facts = ledger.find_facts()
    service = Service(base_url=facts.base_url, project_id=facts.project_id)
    if not facts.manifest_file or service.is_emulated:
        return None, ()
    path = Path(os.path.normpath(store.home.resolve() / facts.manifest_file))
    if not path.is_file():
        text = f"no lock file is written: the manifest is not at {path}"
        return None, (f"{text}; the next run of the manifest writes it",)
    catalog = ModelCatalog(read=None, cache=find_cache(service), now=clock.utc_now)
    try:
        manifest = load_manifest(
            path, models=catalog.find, profile=facts.profile, allow_outside=True
        )
        orphans = _find_orphans(manifest, store, ledger)
        lock_file = find_lock_file(manifest, emulate=False)
        if write_lock_file(lock_file, ledger, service, orphans=orphans):
            return lock_file, ()
    except PipelineError as error:
        text = f"the lock file is not written: {error.message}"
        return None, (f"{text}; the next run of the manifest writes it",)
    return None, (f"{lock_file} belongs to another service, so it was not updated",)


def _find_orphans(manifest: Manifest, store: Store, ledger: Ledger) -> list[str]:
    plan = make_plan(manifest, store, ledger=ledger, selection=Selection())
    return list(plan.orphan_ids())
