"""Merge: the output folders of shards → one, as if one run had made everything.

Spends nothing and asks nobody. The shards' folders are only read. Nothing is changed
before it is known that everything fits together, and merging again changes nothing.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from pipeline.clock import Clock
from pipeline.errors import PipelineError, UsageError
from pipeline.ledger.ledger import Ledger
from pipeline.lockfile.reconcile import find_lock_file, write_lock_file
from pipeline.manifest import Manifest, load_manifest
from pipeline.models.catalog import ModelCatalog, find_cache
from pipeline.output.folder import holding_idle, holding_ledger, open_for_reading
from pipeline.output.joined_files import carry_out, plan_files
from pipeline.output.joined_ledger import Part, join_ledgers
from pipeline.output.names import MARKS_OF_OUTPUT
from pipeline.output.rebuild import clear_leftovers, find_asset_names
from pipeline.output.stores import refuse_elsewhere
from pipeline.planning import Selection, make_plan
from pipeline.record import Struct
from pipeline.settings import Service
from pipeline.storage.folder import Folder


class Merged(Struct, frozen=True, kw_only=True):
    """What :func:`merge` has done.

    Attributes:
        folders: The folders that were joined, in the order in which they were named.
        items: Items that the joined ledger knows.
        copied: Files that the target did not have.
        lock_file: The lock file that is up to date now, or None.
        notes: What the user should know.
    """

    folders: tuple[Path, ...]
    items: int
    copied: int
    lock_file: Path | None
    notes: tuple[str, ...] = ()


def merge(places: Sequence[Path], output: Path, *, clock: Clock) -> Merged:
    """Join output folders of one manifest into one.

    Args:
        places: Output folders, or folders that have one each somewhere inside.
        output: The folder to join them into; it may have results of its own.
        clock: For the age of cached models.

    Raises:
        UsageError: A place is no such folder; the folders belong to different services,
            projects or manifests; or their files or jobs contradict each other. Nothing
            is changed.
        LedgerBusy: A run is in progress in one of them.
        LedgerError, OutputError: A folder cannot be read or written.
    """
    found = {one.resolve(): one for one in map(find_output, places)}
    folders = list(found.values())
    others = [one for path, one in found.items() if path != output.resolve()]
    for folder in {*folders, output}:
        refuse_elsewhere(folder, "merge")
    with ExitStack() as stack:
        for folder in others:
            stack.enter_context(holding_idle(folder))
        parts = [
            Part(folder=folder, ledger=stack.enter_context(open_for_reading(folder)))
            for folder in others
        ]
        ledger = stack.enter_context(holding_ledger(output))
        target = Part(folder=output, ledger=ledger, is_target=True)
        joined = stack.enter_context(join_ledgers([target, *parts]))
        files = plan_files(target, parts, joined)
        # The files first: without the ledger, their sidecars prove what is paid for.
        carry_out(files, output)
        joined.record_leftovers(files.moved)
        ledger.replace_with(joined)
        clear_leftovers(ledger, Folder(output))
        lock_file, notes = _write_lock_file(output, ledger, clock)
        return Merged(
            folders=tuple(folders),
            items=sum(1 for _ in ledger.find_item_ids()),
            copied=len(files.copies),
            lock_file=lock_file,
            notes=notes,
        )


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
    output: Path, ledger: Ledger, clock: Clock
) -> tuple[Path | None, tuple[str, ...]]:
    """Bring the lock file beside the manifest up to date, if the manifest is there."""
    facts = ledger.find_facts()
    service = Service(base_url=facts.base_url, project_id=facts.project_id)
    if not facts.manifest_file or service.is_emulated:
        return None, ()
    path = Path(os.path.normpath(output.resolve() / facts.manifest_file))
    if not path.is_file():
        text = f"no lock file is written: the manifest is not at {path}"
        return None, (f"{text}; the next run of the manifest writes it",)
    catalog = ModelCatalog(read=None, cache=find_cache(service), now=clock.utc_now)
    try:
        manifest = load_manifest(
            path, models=catalog.find, profile=facts.profile, allow_outside=True
        )
        orphans = _find_orphans(manifest, output, ledger)
        lock_file = find_lock_file(manifest, emulate=False)
        if write_lock_file(lock_file, ledger, service, orphans=orphans):
            return lock_file, ()
    except PipelineError as error:
        text = f"the lock file is not written: {error.message}"
        return None, (f"{text}; the next run of the manifest writes it",)
    return None, (f"{lock_file} belongs to another service, so it was not updated",)


def _find_orphans(manifest: Manifest, output: Path, ledger: Ledger) -> list[str]:
    plan = make_plan(manifest, output, ledger=ledger, selection=Selection())
    return list(plan.orphan_ids())
