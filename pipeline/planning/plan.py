"""Plan: what a run would do to each item, before any effect.

A plan does not keep its items: it counts them once and expands the manifest again when
it is carried out, so that a million rows are not a million records in memory.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from itertools import groupby
from pathlib import Path

from pipeline.counting import plural
from pipeline.errors import OutputError, UsageError
from pipeline.job import SIDECAR_SUFFIX, Item, Job
from pipeline.ledger.facts import Facts
from pipeline.ledger.ledger import Ledger
from pipeline.manifest import Manifest, expand
from pipeline.naming import is_step, split_take
from pipeline.planning.context import Context
from pipeline.planning.decision import MAY_BE_PAID, UNTOUCHED, Action
from pipeline.planning.item_counts import ItemCounts
from pipeline.planning.item_planner import Asked, ItemPlanner
from pipeline.planning.late_planner import LatePlanner
from pipeline.planning.layouts import Layouts
from pipeline.planning.line_planner import LinePlanner
from pipeline.planning.makers import Makers
from pipeline.planning.planned import Orphan, PlannedItem
from pipeline.planning.rename import Renames
from pipeline.planning.selection import Limit, Selection
from pipeline.storage.files import is_shared
from pipeline.storage.regular_file import leads_outside
from pipeline.storage.store import Store

_FOLDERS_KEPT = 1024  # of the million that a million items may have


class Plan:
    """What a run would do; made by :func:`make_plan`.

    Attributes:
        manifest: The manifest it was made from.
        store: Where the files are.
        counts: Jobs by action, without those that this command does not apply to: the
            takes and steps of items. Most items are one job.
        blocked: Of these, those that an item which they need holds up.
        items: How many items have these jobs.
        lines: The items that use the outputs of others.
        repeats: Finished items that would be paid for again with the same seed.
        orphan_count: Items that have files in the ledger but are gone from the
            manifest.
        moves: By item id: where the files of its takes belong, for items whose files
            have to move because another take is chosen.
        reassigned: By new job id: attempts that belong to another item now, because ids
            were swapped or shifted.
        renamed_reviews: New item id to old one, where the decisions go with a rename.
    """

    def __init__(
        self,
        manifest: Manifest,
        store: Store,
        *,
        ledger: Ledger | None,
        selection: Selection,
        is_shared: bool = False,
    ) -> None:
        self.manifest = manifest
        self.store = store
        self.selection = selection
        self.counts: Counter[Action] = Counter()
        self.blocked: Counter[Action] = Counter()
        self.items = 0
        self.orphan_count = 0
        self.again: Callable[[], Iterator[PlannedItem]] | None = None
        self._context = context = Context(
            manifest, store, ledger=ledger, selection=selection
        )
        makers = None
        if is_shared and ledger is not None:
            makers = Makers(manifest, store.home, ledger)
        self._renames = renames = Renames(
            ledger,
            context.find_presence,
            is_own=None if makers is None else makers.is_own,
        )
        self._planner = planner = ItemPlanner(context, renames)
        self._layouts = layouts = Layouts(context, planner)
        self._late = late = LatePlanner(context, renames, planner, layouts)
        self._line_planner = LinePlanner(context, planner, layouts, late)
        self._kept_alikes: set[str] = set()
        self.repeats = planner.repeats
        self.moves = layouts.moves
        self.reassigned = late.reassigned
        self.renamed_reviews = late.reviews
        self.lines = self._line_planner.lines

    @property
    def output(self) -> Path:
        """The output folder."""
        return self.store.home

    def refunds(self, model_id: str) -> bool:
        """Whether the service refunds the failed jobs of a model."""
        schema = self.manifest.models(model_id)
        return schema is None or schema.refunds

    @property
    def total(self) -> int:
        """Jobs this command applies to."""
        return sum(self.counts.values())

    @property
    def to_submit(self) -> int:
        """Jobs that will be paid for."""
        return self.counts[Action.SUBMIT]

    @property
    def to_do(self) -> int:
        """Jobs that are neither done nor skipped."""
        return self.total - self.counts[Action.DONE] - self.counts[Action.SKIP]

    @property
    def failed_for_good(self) -> int:
        """Jobs that failed and are not tried again; not those that they block."""
        return self.counts[Action.SKIP] - self.blocked[Action.SKIP]

    @property
    def may_pay(self) -> bool:
        """Whether a run may pay for something, now or once the user has answered."""
        return any(self.counts[action] for action in (*MAY_BE_PAID, Action.ASK))

    @property
    def old_ids(self) -> Mapping[str, str]:
        """New id to old id, for every renamed item."""
        return self._renames.old_ids

    @property
    def unclear(self) -> Mapping[str, Sequence[str]]:
        """By item id: the old items that it may have been."""
        return self._renames.unclear

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know about the decisions in the review file."""
        return self._layouts.notes

    def chosen_id(self, item_id: str) -> str:
        """The job id of an item's chosen take: ``hero`` → ``hero@2``.

        Args:
            item_id: As the user wrote it; an item that :meth:`entries` has passed.
        """
        return self._layouts.chosen_id(item_id)

    def entries(self) -> Iterator[PlannedItem]:
        """Every selected item, expanded again, in the order of the manifest.

        New items that may be renamed old ones come last: this is only known once the
        whole manifest has been seen. After them come items that use the outputs of
        others, each after the items that it needs.

        Raises:
            ManifestError: At the end, if the expansion found faults.
        """
        if self.again is not None:
            yield from self.again()
            return
        limit = Limit(self.selection.limit)
        yield from self.free_entries(limit)
        if self.lines:
            yield from self.line_entries(limit)

    def free_entries(self, limit: Limit | None = None) -> Iterator[PlannedItem]:
        """Those of :meth:`entries` that use no output of another item."""
        limit = limit or Limit(self.selection.limit)
        for planned in self._free_entries(limit):
            self._line_planner.note_within(planned)
            yield planned

    def line_entries(self, limit: Limit | None = None) -> Iterator[PlannedItem]:
        """Those of :meth:`entries` that use an output of another item.

        Items that only these need, and that the selection does not include, come too.
        Call it only after every item of the manifest has been seen.
        """
        return self._line_planner.entries(limit or Limit(None))

    def plan_child(self, item_id: str, made: Mapping[str, Job]) -> PlannedItem:
        """An item of which this run has made the parents.

        Args:
            item_id: The item.
            made: The attempts that made its parents, by their ids.
        """
        return self._line_planner.plan_child(item_id, made)

    def orphans(self) -> Iterator[Orphan]:
        """Items that have files and are gone from the manifest, sorted by id.

        Call it only while the ledger is open. A renamed item is not an orphan.
        """
        for item_id in self.orphan_ids():
            assert self._context.ledger is not None
            assets = tuple(
                asset
                for _, asset in self._context.ledger.find_assets_of(item_id)
                if self.store.exists(asset.path)
                or self.store.exists(asset.path + SIDECAR_SUFFIX)
            )
            if assets:
                base, number = split_take(item_id)
                take = number if self._renames.has_living_take(base) else 0
                yield Orphan(item_id=item_id, assets=assets, take=take)

    def orphan_ids(self) -> Iterator[str]:
        """Every item in the ledger but not in the manifest, with or without files.

        Call it only while the ledger is open.
        """
        return self._renames.find_orphans()

    def is_old_take(self, item_id: str) -> bool:
        """Whether an orphan is a take of an item that is still in the manifest."""
        return self._renames.has_living_take(split_take(item_id)[0])

    def note_counted(self, on_orphan: Callable[[Orphan], None] | None) -> None:
        """Note that every item has been seen: renamed and gone ones are now known."""
        self._context.is_counted = True
        for orphan in self.orphans():
            self.orphan_count += 1
            if on_orphan is not None:
                on_orphan(orphan)

    def may_be_named(self, stem: str) -> bool:
        """Whether an item of the manifest may make a file of this name.

        Args:
            stem: A name that contains ``KEPT_MARK``, without extension.
        """
        stem = stem.casefold()
        numbered = re.sub(r"-\d+$", "", stem)
        return not self._kept_alikes.isdisjoint({stem, numbered})

    def _expand(self) -> Iterator[tuple[str, list[Item]]]:
        """The takes of every item, with the id that they share."""
        items = expand(self.manifest, was=self._renames.implied)
        for group_id, group in groupby(items, key=_group_of):
            yield group_id, list(group)

    def _free_entries(self, limit: Limit) -> Iterator[PlannedItem]:
        for group_id, items in self._expand():
            if self._context.is_counted and self._renames.is_late(group_id):
                continue
            present = self._look_at(items)
            yield from self._plan_group(items, present, limit)
        if self._renames.has_late:
            self._renames.resolve()
            for group_id, items in self._expand():
                if self._renames.is_late(group_id):
                    yield from self._late.plan_group(items, limit)

    def _look_at(self, items: Sequence[Item]) -> list[Asked]:
        """The takes of an item that this command is about; none if decided later."""
        first, ask = items[0], self._planner.ask
        if not self._context.is_counted:
            self._note(first)
        if first.parents:
            self._note_children(items)
            return []
        meant = [item for item in items if self.selection.includes(item.item_id)]
        if self._context.is_counted or self._renames.is_idle:
            return [ask(item) for item in meant]
        every = [ask(item) for item in items]
        for asked in every:
            self._renames.note(asked.attempts, asked.request)
        if not (self.selection.force and meant) and self._late.put_off(every):
            return []
        ids = {item.item_id for item in meant}
        return [asked for asked in every if asked.item.item_id in ids]

    def _note(self, item: Item) -> None:
        if ".old" in item.base.casefold():
            self._kept_alikes.add(item.base.casefold())
        if not item.decided_as and not self._context.review_of(item).is_empty:
            self._renames.note_reviewed(item.base)

    def _note_children(self, items: Sequence[Item]) -> None:
        """Note items that use outputs of others; they are planned after all others."""
        ledger = self._context.ledger
        if self._context.is_counted:
            return
        for item in items:
            self.lines.add(item)
            if ledger is not None:
                self._renames.note_kept(ledger.find_row_ids(item.item_id))

    def _plan_group(
        self, items: Sequence[Item], present: Sequence[Asked], limit: Limit
    ) -> Iterator[PlannedItem]:
        """Plan the takes of one item that are not renamed."""
        layout = self._layouts.lay_out(items, present)
        for asked in filter(self._planner.is_meant, present):
            planned = self._planner.plan(asked, layout)
            if planned is not None and limit.admits(planned.action):
                self._layouts.note_move(layout)
                yield planned


def make_plan(
    manifest: Manifest,
    store: Store,
    *,
    ledger: Ledger | None,
    selection: Selection,
    on_item: Callable[[PlannedItem], None] | None = None,
    on_orphan: Callable[[Orphan], None] | None = None,
) -> Plan:
    """Go through every item once: find every fault, count every action.

    Args:
        manifest: The manifest to plan.
        store: Where the files are, with the output folder.
        ledger: The output folder's ledger; None if there is none.
        selection: Which items the command applies to.
        on_item: Called with each item as it is planned.
        on_orphan: Called with each orphan, after the items.

    Raises:
        ManifestError: With every fault that the expansion found.
        UsageError: ``--select`` matches no item.
        OutputError: A file would be written to a folder outside the output folder.
    """
    facts = Facts() if ledger is None else ledger.find_facts()
    selection = selection.resolved(manifest)
    plan = Plan(
        manifest,
        store,
        ledger=ledger,
        selection=selection,
        is_shared=facts.is_shared_by(manifest.name) or is_shared(store.home),
    )
    item_counts = ItemCounts()
    check_folder = lru_cache(_FOLDERS_KEPT)(partial(_check_folder, store.home))
    for planned in plan.entries():
        plan.counts[planned.action] += 1
        plan.blocked[planned.action] += bool(planned.blocked)
        item_counts.add(planned.item)
        if planned.action not in UNTOUCHED:
            check_folder(planned.item.item_id.rpartition("/")[0])
        if on_item is not None:
            on_item(planned)
    plan.items = item_counts.total
    plan.note_counted(on_orphan)
    is_filter = selection.only_failed or selection.only or selection.shard
    if selection.globs and not plan.total and not is_filter:
        raise UsageError(
            f"--select matches none of the {plural(manifest.item_count, 'item')}",
            hint="patterns are matched against whole item ids: 'tree-*'",
        )
    return plan


def _group_of(item: Item) -> str:
    """Equal for the takes of an item; a step is alone."""
    return item.item_id if is_step(item.item_id) else item.base


def _check_folder(output: Path, folder: str) -> None:
    """Refuse an item folder that a link leads outside, before anything is paid for."""
    if folder and leads_outside(output, output / folder):
        raise OutputError(
            f"{output / folder} leads outside of the output folder, through a link",
            hint="remove the link, or rename the items; then run again",
        )
