"""Reviewing: what the decisions about takes have in common.

A decision is written to the review file first; then files move to where it wants them.
If that is interrupted, the next run moves them.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from fnmatch import fnmatchcase
from itertools import islice

from pipeline.errors import UsageError
from pipeline.fault_points import reach
from pipeline.ledger.ledger import LEDGER_NAME, Ledger
from pipeline.ledger.writer import LedgerWriter
from pipeline.manifest import Manifest, expand
from pipeline.manifest.review import ItemReview, Review, Verdict
from pipeline.manifest.review_file import write_review
from pipeline.naming import TAKE_MARK, is_step, split_take
from pipeline.operations.reviewer import find_reviewer
from pipeline.operations.why import nearest
from pipeline.output.folder import check_manifest, holding_ledger
from pipeline.output.rebuild import has_results
from pipeline.planning import Action, Plan, PlannedItem, Selection, make_plan
from pipeline.planning.takes import digests_of
from pipeline.record import Struct
from pipeline.record import replace as replace_record
from pipeline.running.relocating import Relocating
from pipeline.running.saving import source_at
from pipeline.settings import EMULATOR_NAME
from pipeline.storage.store import Store

_IDS_SEARCHED = 50_000  # for the closest matches
_TAKE = re.compile(r"([1-9][0-9]{0,3})(?:-([1-9][0-9]{0,3}))?")
_GLOB_SIGNS = frozenset("*?[")


class Decided(Struct, frozen=True, kw_only=True):
    """A take that a command has decided about.

    Attributes:
        item_id: The item.
        take: The number of the take.
        output: With ``choose: one``, the number of its output; else 0.
        files: The paths of its files now, relative to the output folder.
        is_chosen: Whether it is the chosen take now.
    """

    item_id: str
    take: int
    output: int
    files: tuple[str, ...]
    is_chosen: bool


class Signature(Struct, frozen=True, kw_only=True):
    """Who decides, and when."""

    by: str
    at: str


def sign(manifest: Manifest, now: datetime) -> Signature:
    """Who decides about a manifest, and when, as the review file has it."""
    at = now.replace(microsecond=0).isoformat().replace("+00:00", "Z")
    return Signature(by=find_reviewer(manifest.path.parent), at=at)


@contextmanager
def holding_takes(manifest: Manifest, store: Store) -> Iterator[Ledger]:
    """Hold the output folder of a manifest, with its ledger open for writing.

    Raises:
        UsageError: Nothing has been made yet, or the folder is another manifest's.
        LedgerBusy: A run is in progress in the folder.
        LedgerError, OutputError: The folder cannot be used.
    """
    if not has_results(store.home):
        raise UsageError(
            f"nothing has been made in {store.describe()} yet",
            hint=f"pipeline run {manifest.typed}",
        )
    with holding_ledger(store.home, store) as ledger:
        check_manifest(ledger, store.home, manifest)
        yield ledger


def find_targets(
    manifest: Manifest,
    store: Store,
    ledger: Ledger,
    ids: Sequence[str],
    *,
    verify: bool = False,
) -> list[list[PlannedItem]]:
    """The takes of the named items.

    Args:
        manifest: With its review.
        store: Where its files are.
        ledger: Its ledger.
        ids: Item ids, ids of takes such as ``hero@2``, or patterns of item ids.
        verify: Compare files by SHA-256, not only by size.

    Returns:
        For each item that is named, in the order of ``ids``, all the takes it wants.

    Raises:
        UsageError: The manifest has no such item.
    """
    patterns = [one for one in ids if not _GLOB_SIGNS.isdisjoint(one)]
    bases = {base_of(one) for one in ids if one not in patterns}
    found: dict[str, list[PlannedItem]] = {}

    def take(planned: PlannedItem) -> None:
        base = planned.item.base
        if base in bases or any(fnmatchcase(base, one) for one in patterns):
            found.setdefault(base, []).append(planned)

    globs = tuple(patterns) if patterns and not bases else ()
    wanted = frozenset(bases) if bases and not patterns else None
    plan = make_plan(
        manifest,
        store,
        ledger=ledger,
        selection=Selection(ids=wanted, globs=globs, verify=verify),
        on_item=take,
    )
    for one in ids:
        if one not in patterns and base_of(one) not in found:
            raise _unknown(manifest, base_of(one))
    named = dict.fromkeys(base_of(one) for one in ids if one not in patterns)
    return [
        [with_own_take(plan, one) for one in found[base]]
        for base in dict.fromkeys((*named, *found))
    ]


def with_own_take(plan: Plan, planned: PlannedItem) -> PlannedItem:
    """A job with the number of its take: that of a step is the item's chosen one."""
    item = planned.item
    if not is_step(item.item_id):
        return planned
    number = split_take(plan.chosen_id(item.base))[1]
    return replace_record(planned, item=replace_record(item, take=number))


def find_take(
    takes: Sequence[PlannedItem], ids: Sequence[str]
) -> list[tuple[PlannedItem, int]]:
    """The takes of one item that are meant: those with a number, else the chosen one.

    Raises:
        UsageError: The item has no such take.
    """
    base = takes[0].item.base
    numbers = [
        parse_take(one.partition(TAKE_MARK)[2])
        for one in ids
        if TAKE_MARK in one and base_of(one) == base
    ]
    if not numbers:
        return [
            (planned, planned.chosen_output) for planned in takes if is_chosen(planned)
        ]
    return [one_take(takes, *pair) for pair in dict.fromkeys(numbers)]


def base_of(text: str) -> str:
    """The item's id in what a user writes: ``hero``, ``hero@2`` or ``hero@2-3``."""
    return text.partition(TAKE_MARK)[0]


def parse_take(text: str) -> tuple[int, int]:
    """``2`` → take 2; ``2-3`` → output 3 of take 2. The second number is 0 for all.

    Raises:
        UsageError: It is neither.
    """
    found = _TAKE.fullmatch(text)
    if found is None:
        raise UsageError(
            f"'{text}' is not the number of a take",
            hint="write it like 2, or like 2-3 for its third output with choose: one",
        )
    return int(found[1]), int(found[2] or 0)


def one_take(
    takes: Sequence[PlannedItem], number: int, output: int
) -> tuple[PlannedItem, int]:
    """A take by its number, and the number of the output, or 0 for all of them.

    With ``choose: one`` and a single take, the only number is that of the output.

    Raises:
        UsageError: The item has no such take or output.
    """
    first = takes[0].item
    if first.chooses and not output and len(takes) == 1:
        number, output = first.take, number
    planned = own_take(takes, number)
    indices = {asset.output_index for asset in planned.job.assets}
    if output and (not first.chooses or (indices and output not in indices)):
        count = len(indices) if first.chooses else 0
        raise UsageError(
            f"take {number} of {first.base} has {count} outputs to choose from",
            hint="outputs are takes only if the item says 'choose: one'",
        )
    return planned, output


def own_take(takes: Sequence[PlannedItem], number: int) -> PlannedItem:
    """A take by its number, not the steps that follow it.

    Raises:
        UsageError: The item has no such take.
    """
    planned = next((one for one in takes if one.item.take == number), None)
    if planned is None:
        raise no_such_take(takes, number)
    return planned


def finished_take(takes: Sequence[PlannedItem], number: int) -> PlannedItem:
    """A take, or the last step that follows it, if that has the item's own name.

    Raises:
        UsageError: The item has no such take.
    """
    own = own_take(takes, number)
    made = (one for one in takes if one.item.take == number and is_chosen(one))
    return next(made, own)


def is_chosen(planned: PlannedItem) -> bool:
    """Whether it is the take that has the item's own name."""
    return planned.stem == planned.item.base


def no_such_take(takes: Sequence[PlannedItem], number: int) -> UsageError:
    """The error about a take that the item does not want."""
    base = takes[0].item.base
    known = ", ".join(
        str(one.item.take) for one in takes if not is_step(one.item.item_id)
    )
    return UsageError(
        f"{base} has no take {number}; it has {known}",
        hint="pipeline why lists what was made before; pipeline restore brings it back",
    )


def verdict_on(
    manifest: Manifest,
    planned: PlannedItem,
    signature: Signature,
    *,
    output: int = 0,
    note: str = "",
) -> Verdict:
    """A decision about the bytes of a take, or of one of its outputs.

    Raises:
        UsageError: It is not made, so that there is nothing to decide about.
    """
    item = planned.item
    if planned.then is not Action.DONE or not planned.job.assets:
        raise UsageError(
            f"take {item.take} of {item.base} is not there to be judged:"
            f" {planned.reason}",
            hint=f"pipeline run {manifest.typed} --select {item.item_id}",
        )
    return Verdict(
        take=item.take,
        output=output,
        sha256=digests_of(planned.job, output),
        by=signature.by,
        at=signature.at,
        note=note,
    )


async def carry_out(
    manifest: Manifest,
    store: Store,
    ledger: Ledger,
    *,
    review: Review,
    takes: Sequence[tuple[str, int, int]],
) -> list[Decided]:
    """Write the review file, then move the files of the items it concerns.

    Args:
        manifest: With its review as it was.
        store: Where its files are.
        ledger: Open for writing.
        review: As it is to be.
        takes: What was decided about: item id, number of the take, and number of the
            output or 0.

    Raises:
        OutputError: The review file or a file of the output folder cannot be written.
        DownloadFailed: Another file has the name of a take's file.
    """
    if review != manifest.review:
        write_review(review, manifest.path.name)
    reach("review-written")
    manifest = replace(manifest, review=review)
    bases = frozenset(base for base, _, _ in takes)
    await move_files(manifest, store, ledger, bases)
    found: dict[tuple[str, int], PlannedItem] = {}
    jobs: list[PlannedItem] = []
    plan = _plan(manifest, store, ledger, bases, jobs.append)
    for one in jobs:
        job = with_own_take(plan, one)
        place = job.item.base, job.item.take
        if place not in found or is_chosen(job):
            found[place] = job
    decided = []
    for base, number, index in takes:
        planned = found.get((base, number))
        assets = planned.job.assets if planned is not None else ()
        decided.append(
            Decided(
                item_id=base,
                take=number,
                output=index,
                files=tuple(
                    asset.path for asset in assets if index in {0, asset.output_index}
                ),
                is_chosen=planned is not None and is_chosen(planned),
            )
        )
    return decided


async def move_files(
    manifest: Manifest, store: Store, ledger: Ledger, base_ids: frozenset[str]
) -> None:
    """Move the files of these items' takes to where the decisions want them."""
    plan = _plan(manifest, store, ledger, base_ids, lambda _planned: None)
    if not plan.moves:
        return
    emulated = ledger.find_facts().base_url == EMULATOR_NAME
    with Ledger(store.home / LEDGER_NAME, read_only=True) as reader:
        async with LedgerWriter(ledger) as writer:
            relocating = Relocating(
                reader,
                writer=ledger,
                write=writer.write,
                store=store,
                emulated=emulated,
            )
            for layout in plan.moves.values():
                await relocating.lay_out(layout, source_at(plan, layout.line))


def change_item(
    review: Review, base_id: str, change: Callable[[ItemReview], ItemReview]
) -> Review:
    """The review with other decisions about one item."""
    return review.with_item(base_id, change(review.of(base_id)))


def _plan(
    manifest: Manifest,
    store: Store,
    ledger: Ledger,
    base_ids: frozenset[str],
    on_item: Callable[[PlannedItem], None],
) -> Plan:
    return make_plan(
        manifest,
        store,
        ledger=ledger,
        selection=Selection(ids=base_ids),
        on_item=on_item,
    )


def _unknown(manifest: Manifest, item_id: str) -> UsageError:
    known = [item.base for item in islice(expand(manifest), _IDS_SEARCHED)]
    quoted = ", ".join(f"'{one}'" for one in nearest(item_id, known))
    return UsageError(
        f"{manifest.file} has no item '{item_id}'",
        hint=f"did you mean {quoted}?"
        if quoted
        else "pipeline plan --long lists all items",
    )
