"""Plan: what a run would do to each item, before any effect.

A plan does not keep its items: it counts them once and expands the manifest again when
it is carried out, so that a million rows are not a million records in memory.
"""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from itertools import groupby
from pathlib import Path

from pipeline.counting import plural
from pipeline.errors import OutputError, UsageError
from pipeline.job import (
    SIDECAR_SUFFIX,
    Asset,
    AssetId,
    Item,
    Job,
    JobKey,
    JobStatus,
    ParamValue,
)
from pipeline.ledger.facts import Facts
from pipeline.ledger.ledger import Ledger
from pipeline.manifest import Manifest, expand
from pipeline.manifest.chain import outputs_in
from pipeline.manifest.lines import MODEL, find_line
from pipeline.manifest.review import ItemReview
from pipeline.models.schema import ModelSchema
from pipeline.naming import TAKE_MARK, is_step, numbered_stem, split_take, take_id
from pipeline.planning.aliases import find_aliases
from pipeline.planning.change import describe_changes, find_changes
from pipeline.planning.decision import (
    CHANGED_SIGN,
    MAY_BE_PAID,
    SIGNS,
    Action,
    Decision,
    Presence,
    decide,
    failure_word,
    find_same,
)
from pipeline.planning.inputs import (
    cost_key,
    keys_of,
    output_count,
    price_forms,
    seed_of,
)
from pipeline.planning.lines import (
    NOT_NEEDED,
    Lines,
    Parent,
    asset_forms,
    find_missing,
    with_parents,
)
from pipeline.planning.makers import Makers
from pipeline.planning.presence import find_presence
from pipeline.planning.rename import MOVABLE, Reassignment, Renames, Request
from pipeline.planning.repeats import Repeats
from pipeline.planning.seeds import equal_params
from pipeline.planning.selection import Limit, Selection
from pipeline.planning.takes import Layout, Take, find_stale, lay_out, stands
from pipeline.record import Struct, replace
from pipeline.storage.files import is_shared
from pipeline.storage.regular_file import leads_outside

_UNTOUCHED = frozenset({Action.DONE, Action.SKIP})
_MADE = frozenset({Action.DONE, Action.FETCH})
_NOTES_SHOWN = 20
_FOLDERS_KEPT = 1024  # of the million that a million items may have
_NAMES_ASKED = 3  # of items that a new one may have been


class PlannedItem(Struct, frozen=True, kw_only=True):
    """One item and what will be done with it.

    Attributes:
        item: As the manifest has it.
        action: The stage at which it enters the run.
        sign: One character for it: ``~`` if it asks for something else than before,
            else the action's own.
        reason: Why, in a few words.
        job: The attempt to continue, or a new one, PLANNED. The job of a renamed item
            has the old paths.
        params: The inputs to send: with the derived seed, and with references that are
            not uploaded yet.
        priced_as: ``params`` for asking the price, in the order to try: without the
            outputs of other items that are not made yet, or with a placeholder.
        derived_seed: Whether the seed in ``params`` is derived from the item's id.
        outputs: How many files it asks for, at least 1.
        kind: What the model makes, or "": see ``ModelSchema.makes``.
        cost_key: Equal for items that certainly have the same price; "" for items that
            cannot cost anything.
        stem: The name of its files without number and extension.
        steps_left: For an item with parents, the number of jobs from it to the end of
            its line, its own included; 0 for all others.
        bound_key: The cost key by which the plan priced an item that had to wait for
            others; "" for all others.
        old_id: The ledger's id of a renamed item; else "".
        blocked: Why it cannot be made, if that is due to an item it needs; else "".
        chosen_output: With ``choose: one``, the output that has the stem alone if the
            take is the chosen one; else 0.
        siblings: The job ids of the item's other takes that have rows.
        then: The action that follows a RENAME, else the action itself.
    """

    item: Item
    action: Action
    sign: str
    reason: str
    job: Job
    params: Mapping[str, ParamValue]
    priced_as: tuple[Mapping[str, ParamValue], ...]
    derived_seed: bool
    outputs: int
    kind: str
    cost_key: str = ""
    stem: str
    steps_left: int = 0
    bound_key: str = ""
    old_id: str = ""
    blocked: str = ""
    chosen_output: int = 0
    siblings: tuple[str, ...] = ()
    then: Action


class Orphan(Struct, frozen=True, kw_only=True):
    """An item that is in the ledger but no longer in the manifest.

    Attributes:
        item_id: Its id in the ledger.
        assets: Its assets that still have a file or a sidecar.
        take: The number of the take if the item itself is still there; else 0.
    """

    item_id: str
    assets: tuple[Asset, ...]
    take: int = 0


class _Asked(Struct, frozen=True, kw_only=True):
    """An item, and what the ledger knows about it."""

    item: Item
    schema: ModelSchema | None
    request: Request
    attempts: Sequence[Job]
    reseeded: tuple[tuple[JobKey, JobKey], ...] = ()  # the seed written the other way
    old_id: str = ""  # the job id whose attempts come first, because it was renamed
    is_whole: bool = True  # with every attempt, not only those of the same request


class Plan:
    """What a run would do; made by :func:`make_plan`.

    Attributes:
        manifest: The manifest it was made from.
        output: The output folder.
        counts: Items by action, without those that this command does not apply to.
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
        output: Path,
        *,
        ledger: Ledger | None,
        selection: Selection,
        is_shared: bool = False,
    ) -> None:
        self.manifest = manifest
        self.output = output
        self.selection = selection
        self.counts: Counter[Action] = Counter()
        self.repeats = Repeats()
        self.orphan_count = 0
        self.lines = Lines()
        self._within: set[str] = set()  # ids of items with work to do, with a limit
        self.moves: dict[str, Layout] = {}
        self._layouts: dict[str, Layout] = {}  # by item id, of those with takes
        self._old_children: dict[str, _Asked] = {}  # with parents, and renamed
        self.reassigned: dict[str, Reassignment] = {}
        self.renamed_reviews: dict[str, str] = {}
        self._ledger = ledger
        self._has_takes = ledger is not None and ledger.has_takes()
        self._chosen: dict[str, str] = {}  # only those that are not take 1
        self._reviewed: set[str] = set()  # items that have decisions
        self._stale: list[str] = []
        self._renames = Renames(ledger, self._look_for_files)
        if is_shared and ledger is not None:
            makers = Makers(manifest, output, ledger)
            self._renames = Renames(ledger, self._look_for_files, is_own=makers.is_own)
        self._is_counted = False
        self._passed_over: set[str] = set()  # renamed ones that are beyond the limit
        self._kept_alikes: set[str] = set()
        self._uploads: dict[str, Mapping[str, AssetId]] = {}

    def refunds(self, model_id: str) -> bool:
        """Whether the service refunds the failed jobs of a model."""
        schema = self.manifest.models(model_id)
        return schema is None or schema.refunds

    def makes(self, model_id: str) -> str:
        """The kind of file that a model makes, or "": see ``ModelSchema.makes``."""
        schema = self.manifest.models(model_id)
        return "" if schema is None else schema.makes

    @property
    def total(self) -> int:
        """Items this command applies to."""
        return sum(self.counts.values())

    @property
    def to_submit(self) -> int:
        """Items that will be paid for."""
        return self.counts[Action.SUBMIT]

    @property
    def to_do(self) -> int:
        """Items that are neither done nor skipped."""
        return self.total - self.counts[Action.DONE] - self.counts[Action.SKIP]

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
        review = self.manifest.review
        unknown = sorted(review.items.keys() - self._reviewed)
        notes = self._stale[:_NOTES_SHOWN]
        if len(self._stale) > _NOTES_SHOWN:
            notes.append(f"{len(self._stale) - _NOTES_SHOWN:,} more decisions do not")
        if unknown:
            named = ", ".join(unknown[:_NOTES_SHOWN])
            named += ", …" if len(unknown) > _NOTES_SHOWN else ""
            notes.append(f"{review.path} has decisions about unknown items: {named}")
        return tuple(notes)

    def chosen_id(self, item_id: str) -> str:
        """The job id of an item's chosen take: ``hero`` → ``hero@2``.

        Args:
            item_id: As the user wrote it; an item that :meth:`entries` has passed.
        """
        return self._chosen.get(item_id, item_id)

    def entries(self) -> Iterator[PlannedItem]:
        """Every selected item, expanded again, in the order of the manifest.

        New items that may be renamed old ones come last: this is only known once the
        whole manifest has been seen. After them come items that use the outputs of
        others, each after the items that it needs.

        Raises:
            ManifestError: At the end, if the expansion found faults.
        """
        limit = Limit(self.selection.limit)
        yield from self.free_entries(limit)
        if self.lines:
            yield from self.line_entries(limit)

    def free_entries(self, limit: Limit | None = None) -> Iterator[PlannedItem]:
        """Those of :meth:`entries` that use no output of another item."""
        limit = limit or Limit(self.selection.limit)
        for group_id, group in groupby(self._expand(), key=_group_of):
            if self._is_counted and self._renames.is_late(group_id):
                continue
            items = list(group)
            present = self._look_at(items)
            yield from self._plan_group(items, present, limit)
        if self._renames.has_late:
            yield from self._late_entries(limit)

    def orphans(self) -> Iterator[Orphan]:
        """Items that have files and are gone from the manifest, sorted by id.

        Call it only while the ledger is open. A renamed item is not an orphan.
        """
        for item_id in self.orphan_ids():
            assert self._ledger is not None
            assets = tuple(
                asset
                for _, asset in self._ledger.find_assets_of(item_id)
                if _exists(self.output / asset.path)
                or _exists(self.output / (asset.path + SIDECAR_SUFFIX))
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

    def note_counted(self, on_orphan: Callable[[Orphan], None] | None) -> None:
        """Note that every item has been seen: renamed and gone ones are now known."""
        self._is_counted = True
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

    def _expand(self) -> Iterator[Item]:
        return expand(self.manifest, was=self._renames.implied)

    def _look_at(self, items: Sequence[Item]) -> list[_Asked]:
        """The takes of an item that this command is about; none if decided later."""
        if items[0].parents:
            self._note_children(items)
            return []
        meant = [item for item in items if self.selection.includes(item.item_id)]
        if self._is_counted:
            return [self._ask(item) for item in meant]
        base_id = items[0].base
        if ".old" in base_id.casefold():
            self._kept_alikes.add(base_id.casefold())
        if not items[0].decided_as and not self._review_of(items[0]).is_empty:
            self._renames.note_reviewed(base_id)
        if self._renames.is_idle:
            return [self._ask(item) for item in meant]
        every = [self._ask(item) for item in items]
        for asked in every:
            self._renames.note(asked.attempts, asked.request)
        if not (self.selection.force and meant) and self._put_off(every):
            return []
        ids = {item.item_id for item in meant}
        return [asked for asked in every if asked.item.item_id in ids]

    def _note_children(self, items: Sequence[Item]) -> None:
        """Note items that use outputs of others; they are planned after all others."""
        if self._is_counted:
            return
        if not items[0].decided_as and not self._review_of(items[0]).is_empty:
            self._renames.note_reviewed(items[0].base)
        for item in items:
            self.lines.add(item)
            if self._ledger is not None:
                self._renames.note_kept(self._ledger.find_row_ids(item.item_id))

    def _put_off(self, every: Sequence[_Asked]) -> bool:
        """Whether an item may be a renamed old one; if so, it is decided last."""
        without = [asked for asked in every if not _has_results(asked)]
        named = [asked for asked in every if asked.item.was]
        if named:
            # It is told which one it was; that counts once that one is gone.
            may_be = [self._put_off_one(asked) for asked in named]
            return any(may_be)
        if not without or len(without) < len(every):
            return False
        return self._put_off_one(without[0])

    def _put_off_one(self, asked: _Asked) -> bool:
        item = asked.item
        return self._renames.put_off(
            item.base, asked.request, job_id=item.item_id, was=item.was
        )

    def _plan_group(
        self, items: Sequence[Item], present: Sequence[_Asked], limit: Limit
    ) -> Iterator[PlannedItem]:
        """Plan the takes of one item that are not renamed."""
        layout = self._lay_out(items, present)
        for asked in filter(self._is_meant, present):
            planned = self._plan_item(asked, layout)
            if planned is not None and limit.admits(planned.action):
                self._note_moves(layout)
                self._note_within(planned)
                yield planned

    def line_entries(self, limit: Limit | None = None) -> Iterator[PlannedItem]:
        """Those of :meth:`entries` that use an output of another item.

        Items that only these need, and that the selection does not include, come too.
        Call it only after every item of the manifest has been seen.
        """
        lines, limit = self.lines, limit or Limit(None)
        if lines and not lines.roots:
            lines.link(self.chosen_id, self._chosen_output)
            self._find_roots()
        chosen = {one for one in lines.children if self.selection.includes(one)}
        needed = lines.ancestors_of(chosen)
        wanted = chosen | needed
        for item in lines.roots.values():
            asked = self._with_decided(self._ask(item))
            decision = self._decide(asked)
            planned = self._entry_of(asked, decision, self._layout_of(item))
            is_coming = bool(asked.old_id) or self._concerns(decision)
            if self.selection.includes(item.item_id):
                is_coming = is_coming and self._is_within_limit(planned)
            else:
                is_coming = is_coming and item.item_id in needed
                is_coming = is_coming and planned.action is not Action.DONE
                is_coming = is_coming and self._admits(planned, limit)
                if is_coming:
                    yield planned
            lines.parents[item.item_id] = self._parent_of(planned, is_coming=is_coming)
        for item in lines.in_order():
            planned, is_coming = self._plan_child(item)
            is_coming = is_coming and item.item_id in wanted
            if item.item_id not in chosen and planned.action is Action.DONE:
                is_coming = False
            is_coming = is_coming and self._admits(planned, limit)
            if is_coming:
                self._note_moves(self._layout_of(item))
                yield planned
            self._note_renamed_child(planned, is_coming=is_coming)
            lines.parents[item.item_id] = self._parent_of(planned, is_coming=is_coming)

    def plan_child(self, item_id: str, made: Mapping[str, Job]) -> PlannedItem:
        """An item of which this run has made the parents.

        Args:
            item_id: The item.
            made: The attempts that made its parents, by their ids.
        """
        for parent, job in made.items():
            self.lines.parents[parent] = Parent(job=job)
        planned, _ = self._plan_child(self.lines.children[item_id])
        return planned

    def _plan_child(self, item: Item) -> tuple[PlannedItem, bool]:
        """An item that has parents, and whether this command applies to it."""
        layout = self._layout_of(item)
        parents = {parent: self.lines.parents[parent] for parent in item.parents}
        missing = [name for name, parent in parents.items() if parent.job is None]
        blocked = next((one.blocked for one in parents.values() if one.blocked), "")
        if not blocked and not missing:
            blocked = find_missing(item, parents)
        filled = with_parents(item, parents, self._find_content)
        asked = self._ask(filled, () if missing else self._asset_forms(filled))
        if blocked:
            decision = Decision(action=Action.SKIP, reason=blocked, failed=True)
        elif missing:
            reason = f"waits for {', '.join(missing)}"
            if any(job.status is JobStatus.SAVED for job in asked.attempts):
                reason += "; made again if that changes"
            decision = Decision(action=Action.WAIT, reason=reason)
        else:
            asked = self._with_old_child(asked)
            decision = self._decide(asked)
            planned = self._entry_of(asked, decision, layout)
            is_concerned = bool(asked.old_id) or self._concerns(decision)
            return planned, is_concerned and self._is_meant(asked)
        planned = self._entry_of(asked, decision, layout)
        planned = replace(planned, blocked=blocked)
        if not self._is_meant(asked):
            return planned, False
        if blocked:
            is_failure = not blocked.startswith(NOT_NEEDED)
            return planned, is_failure and not self.selection.only_fetch
        is_coming = all(parents[one].is_coming for one in missing)
        return planned, is_coming and not self.selection.only_fetch

    def _with_old_child(self, asked: _Asked) -> _Asked:
        """With the attempts of the item that it was, if it was another one."""
        item = asked.item
        if self._is_counted:
            return self._with_decided(asked)
        was = item.was
        if not was and item.take == 1 and not _has_results(asked):
            was = self._renames.claim(item.base, asked.request)
        elif not was and item.base in self._renames.implied:
            was = take_id(self._renames.implied[item.base], item.take)
        if not was:
            return asked
        found = self._with_old(replace(asked, item=replace(item, was=was)))
        if found.old_id:
            self._old_children[item.item_id] = found
        return found

    def _note_renamed_child(self, planned: PlannedItem, *, is_coming: bool) -> None:
        asked = self._old_children.pop(planned.item.item_id, None)
        if asked is None:
            return
        if is_coming:
            self._note_rename(asked, planned)
        else:
            self._renames.set_apart(asked.old_id)

    def _parent_of(self, planned: PlannedItem, *, is_coming: bool) -> Parent:
        """What is known of an item that others need."""
        item_id, blocked = planned.item.item_id, planned.blocked
        if planned.action is Action.SKIP and not blocked:
            blocked = f"blocked by {item_id}: {failure_word(planned.job.failure)}"
        return Parent(
            job=planned.job if planned.then in _MADE else None,
            blocked=blocked,
            is_coming=is_coming,
        )

    def _chosen_output(self, item_id: str) -> int:
        layout = self._layouts.get(item_id)
        return 0 if layout is None else layout.chosen_output

    def _layout_of(self, item: Item) -> Layout | None:
        return None if is_step(item.item_id) else self._layouts.get(item.base)

    def _find_content(self, asset_id: AssetId) -> str:
        return "" if self._ledger is None else self._ledger.find_content(asset_id)

    def _asset_forms(self, item: Item) -> Sequence[Mapping[str, ParamValue]]:
        if self._ledger is None:
            return ()
        return tuple(asset_forms(item, self._ledger.find_asset_ids))

    def _find_roots(self) -> None:
        ids = self.lines.root_ids()
        for item in expand(self.manifest):
            if item.item_id in ids:
                self.lines.roots[item.item_id] = item

    def _admits(self, planned: PlannedItem, limit: Limit) -> bool:
        """Whether an item of a line is within the limit, as it was when counted."""
        admitted = self.lines.admitted
        if self._is_counted:
            return planned.item.item_id in admitted
        if not limit.admits(planned.action):
            return False
        admitted.add(planned.item.item_id)
        return True

    def _is_within_limit(self, planned: PlannedItem) -> bool:
        if self.selection.limit is None or planned.action in _UNTOUCHED:
            return True
        return planned.item.item_id in self._within

    def _late_entries(self, limit: Limit) -> Iterator[PlannedItem]:
        self._renames.resolve()
        for base_id, group in groupby(self._expand(), key=_group_of):
            if self._renames.is_late(base_id):
                yield from self._late_group(list(group), limit)

    def _late_group(self, items: Sequence[Item], limit: Limit) -> Iterator[PlannedItem]:
        """Plan the takes of an item that may be a renamed one."""
        every = [self._with_old(self._ask(item)) for item in items]
        layout = self._lay_out(items, every)
        for asked in every:
            item_id = asked.item.item_id
            if self._is_counted and item_id in self._passed_over:
                continue
            planned = None
            if self.selection.includes(item_id) and self._is_meant(asked):
                planned = self._plan_item(asked, layout)
            if planned is None or not limit.admits(planned.action):
                # More may fit when the plan is carried out, but its folder was not
                # checked here.
                self._passed_over.add(item_id)
                if asked.old_id:
                    self._renames.set_apart(asked.old_id)
                continue
            self._note_moves(layout)
            self._note_within(planned)
            if not self._is_counted and asked.old_id:
                self._note_rename(asked, planned)
            yield planned
        if not self._is_counted:
            self._note_history(items)
        first = items[0]
        if first.decided_as and all(self._renames.is_gone(one.was) for one in items):
            self.renamed_reviews[first.base] = first.decided_as

    def _note_within(self, planned: PlannedItem) -> None:
        # With a limit, these are few.
        if self.selection.limit is not None and planned.action not in _UNTOUCHED:
            self._within.add(planned.item.item_id)

    def _note_history(self, items: Sequence[Item]) -> None:
        """Takes that a renamed item does not want any more go with it too."""
        was = {item.was for item in items}
        # Not if a single take has become an item of its own.
        moved = [
            item
            for item in items
            if item.item_id in self.old_ids and split_take(item.was)[1] == item.take
        ]
        if not moved or not self._has_takes or self._ledger is None:
            return
        base_id = moved[0].base
        for job_id in self._ledger.find_take_ids(split_take(moved[0].was)[0]):
            number = split_take(job_id)[1]
            new_id = take_id(base_id, number)
            jobs = self._ledger.find_jobs_of(job_id)
            if job_id in was or new_id in self.old_ids:
                continue
            self.reassigned[new_id] = Reassignment(
                new_id=new_id,
                old_id=job_id,
                stem=numbered_stem(base_id, number),
                rows=tuple(job.row_id for job in reversed(jobs)),
                newest=jobs[0].row_id,
                line=items[0].line,
            )

    def _with_old(self, asked: _Asked) -> _Asked:
        """With the attempts of the item that it was, if it was another one."""
        was = asked.item.was
        if self._is_counted:
            return self._with_decided(asked)
        movable = self._renames.find_movable(was, asked.request)
        if not movable:
            return asked
        if _has_results(asked) and not self._renames.is_gone(was):
            return asked
        is_whole = self._renames.is_gone(was) and not any(
            job.assets for job in asked.attempts
        )
        return replace(
            asked,
            attempts=[*movable, *asked.attempts],
            old_id=was,
            is_whole=is_whole,
        )

    def _with_decided(self, asked: _Asked) -> _Asked:
        """As :meth:`_with_old`, as it was decided while the items were counted."""
        item_id = asked.item.item_id
        old_id = self.old_ids.get(item_id, "")
        move = self.reassigned.get(item_id)
        if self._ledger is None:
            return asked
        if old_id:
            made = self._ledger.find_jobs_of(old_id)
            return replace(asked, attempts=[*made, *asked.attempts], old_id=old_id)
        if move is None:
            return asked
        jobs = self._ledger.find_jobs_of(move.old_id)
        made = [job for job in jobs if job.row_id in move.rows]
        if not made:  # they have moved
            return asked
        attempts = [*made, *asked.attempts]
        return replace(asked, attempts=attempts, old_id=move.old_id, is_whole=False)

    def _note_rename(self, asked: _Asked, planned: PlannedItem) -> None:
        if asked.is_whole:
            self._renames.fix(asked.item.item_id, asked.old_id)
            return
        self._renames.set_apart(asked.old_id)
        rows = [
            job
            for job in asked.attempts
            if job.item_id == asked.old_id and asked.request.is_of(job)
        ]
        self.reassigned[asked.item.item_id] = Reassignment(
            new_id=asked.item.item_id,
            old_id=asked.old_id,
            stem=planned.stem,
            rows=tuple(job.row_id for job in reversed(rows)),
            newest=rows[0].row_id,
            line=asked.item.line,
        )

    def _ask(
        self, item: Item, other_forms: Sequence[Mapping[str, ParamValue]] = ()
    ) -> _Asked:
        schema = self.manifest.models(item.model_id)
        keys = keys_of(item.model_id, item.params, schema)
        attempts = (
            [] if self._ledger is None else self._ledger.find_jobs_of(item.item_id)
        )
        review = self._review_of(item)
        return _Asked(
            item=item,
            schema=schema,
            request=Request(
                job_key=keys[0],
                request_key=keys[1],
                former=(
                    *(
                        keys_of(item.model_id, former, schema)
                        for former in (*item.former_params, *other_forms)
                    ),
                    *find_aliases(item, keys, attempts, review=review),
                ),
            ),
            attempts=attempts,
            reseeded=tuple(
                keys_of(item.model_id, params, schema)
                for params in equal_params(item, schema, attempts)
            ),
        )

    def _review_of(self, item: Item) -> ItemReview:
        return self.manifest.review.of_item(item)

    def _decide(self, asked: _Asked) -> Decision:
        keys, item = asked.request, asked.item
        decision = decide(
            asked.attempts,
            job_key=keys.job_key,
            request_key=keys.request_key,
            former=(*keys.former, *asked.reseeded),
            look=self._look_for_files,
            force=self.selection.force,
            insist=self.selection.only_failed,
        )
        if not item.is_saved and decision.action is Action.FETCH:
            # Its output stays at the service, where the next step finds it.
            assert decision.job is not None
            if decision.job.status is not JobStatus.FAILED:
                return replace(decision, action=Action.DONE, reason="made")
        if not asked.old_id or decision.action in MOVABLE:
            return decision
        # It has ended since the plan was made; collecting it finds out how.
        same = find_same(asked.attempts, keys.keys)
        return replace(decision, action=Action.COLLECT, job=same)

    def _lay_out(
        self, items: Sequence[Item], present: Sequence[_Asked]
    ) -> Layout | None:
        """Where the files of an item's takes belong; None for an item with one take.

        Args:
            items: Every take that the item wants.
            present: Those of them that this command looks at.
        """
        base_id = items[0].base
        if is_step(items[0].item_id):
            return None
        review = self._review_of(items[0])
        is_plain = len(items) == 1 and review.is_empty and not items[0].chooses
        is_plain = is_plain and not any(map(_are_numbered, present))
        if is_plain and not self._has_takes:
            return None
        known = [] if self._ledger is None else self._ledger.find_take_ids(base_id)
        if is_plain and known in ([], [base_id]):
            return None
        seen = {asked.item.item_id: asked for asked in present}
        asked_all = [seen.get(item.item_id) or self._ask(item) for item in items]
        takes = [self._take_of(asked) for asked in asked_all]
        jobs = {asked.item.item_id: asked.attempts for asked in asked_all}
        for job_id in known:
            if job_id not in jobs and self._ledger is not None:
                jobs[job_id] = self._ledger.find_jobs_of(job_id)
        layout = lay_out(
            base_id,
            review,
            takes,
            jobs,
            line=items[0].line,
            has_steps=items[0].has_steps,
            chooses=items[0].chooses,
        )
        self._layouts[base_id] = layout
        self._chosen.pop(base_id, None)
        if layout.chosen != base_id:
            self._chosen[base_id] = layout.chosen
        if not self._is_counted and not review.is_empty:
            self._reviewed.add(items[0].decided_as or base_id)
            self._stale += find_stale(base_id, review, takes)
        return layout

    def _take_of(self, asked: _Asked) -> Take:
        """What is known of a take, whatever the command is to do with it."""
        if asked.item.parents:  # what it asks for depends on what they will be
            saved = (job for job in asked.attempts if job.status is JobStatus.SAVED)
            made = next(saved, None)
            return Take(number=asked.item.take, made=made, is_paid=made is not None)
        decision = asked.request.decide(asked.attempts, lambda _job: Presence())
        is_made = decision.action is Action.DONE
        return Take(
            number=asked.item.take,
            made=decision.job if is_made else None,
            is_paid=decision.action in MOVABLE,
        )

    def _note_moves(self, layout: Layout | None) -> None:
        if layout is not None and layout.misplaced and not self._is_counted:
            self.moves[layout.base_id] = layout

    def _plan_item(self, asked: _Asked, layout: Layout | None) -> PlannedItem | None:
        decision = self._decide(asked)
        if not asked.old_id and not self._concerns(decision):
            return None
        return self._entry_of(asked, decision, layout)

    def _entry_of(
        self, asked: _Asked, decision: Decision, layout: Layout | None
    ) -> PlannedItem:
        item, schema, attempts = asked.item, asked.schema, asked.attempts
        old_id = asked.old_id
        seed, is_derived = seed_of(item, schema, attempts)
        params = dict(item.params)
        if seed is not None:
            params["seed"] = seed
        if attempts and decision.action is Action.SUBMIT and not self._is_counted:
            same = (*asked.request.keys, *asked.reseeded)
            self.repeats.note(item.item_id, attempts, same, seed=seed)
        known = find_same(attempts, asked.request.former)
        keys = asked.request if known is None else known  # as the ledger knows it
        job = decision.job or Job(
            item_id=item.item_id,
            attempt=1 + max((job.attempt for job in attempts), default=0),
            job_key=keys.job_key,
            request_key=keys.request_key,
            model_id=item.model_id,
            seed=seed,
            derived_seed=is_derived,
        )
        stem = _stem_of(item)
        siblings: tuple[str, ...] = ()
        is_moved = False
        if layout is not None:
            stem = layout.stems[item.item_id]
            siblings = tuple(one for one in layout.stems if one != item.item_id)
            is_misplaced = item.item_id in layout.misplaced
            is_moved = is_misplaced and decision.action is Action.DONE
        reason = self._reason(asked, decision)
        if self._is_unclear(asked, decision):
            reason = self._question(item)
            decision = replace(decision, action=Action.ASK, changed=False)
        if is_moved:
            why = "chosen" if stem == item.base else "not chosen"
            reason = f"{why}: its files move to {stem}"
            reason = "another output is chosen" if item.chooses else reason
        return PlannedItem(
            item=item,
            action=Action.RENAME if old_id or is_moved else decision.action,
            then=decision.action,
            sign=_sign_of(decision, is_moved=bool(old_id) or is_moved),
            reason=reason,
            steps_left=self.lines.steps_left(item.item_id) if item.parents else 0,
            old_id=old_id if asked.is_whole else "",
            stem=stem,
            chosen_output=0 if layout is None else layout.chosen_output,
            siblings=siblings,
            job=replace(job, item_id=item.item_id) if old_id else job,
            params=params,
            priced_as=price_forms(params, schema) if item.parents else (params,),
            derived_seed=is_derived,
            outputs=output_count(item, schema),
            kind="" if schema is None else schema.makes,
            cost_key=cost_key(item, schema) if decision.action in MAY_BE_PAID else "",
        )

    def _is_meant(self, asked: _Asked) -> bool:
        """Whether ``--only`` includes a take, by the decision about its files."""
        if not self.selection.only:
            return True
        review = self._review_of(asked.item)
        is_rejected = self.selection.only == "rejected"
        verdicts = review.rejected if is_rejected else review.approved
        return any(
            verdict.take == asked.item.take and stands(verdict, asked.attempts)
            for verdict in verdicts
        )

    def _is_unclear(self, asked: _Asked, decision: Decision) -> bool:
        """Whether the user has to say which old item this is, before it is paid for."""
        is_new = decision.action is Action.SUBMIT and not asked.old_id
        may_be_old = asked.item.base in self._renames.unclear
        return is_new and may_be_old and not self.selection.as_new

    def _question(self, item: Item) -> str:
        names = self._renames.unclear[item.base]
        shown = ", ".join(names[:_NAMES_ASKED])
        more = len(names) - _NAMES_ASKED
        shown += f" or {more:,} more" if more > 0 else ""
        return f"may be one of {shown}: say which with 'was: ID', or pay: --as-new"

    def _concerns(self, decision: Decision) -> bool:
        """Whether this command applies to an item."""
        if self.selection.only_failed:
            return decision.failed or decision.action in {Action.SETTLE, Action.COLLECT}
        return not self.selection.only_fetch or decision.action is not Action.SUBMIT

    def _reason(self, asked: _Asked, decision: Decision) -> str:
        if asked.old_id:
            return f"renamed from {asked.old_id}"
        if not decision.changed:
            is_new = decision.action is Action.SUBMIT and not asked.attempts
            if is_new and asked.item.was:
                return f"new: {asked.item.was} has made nothing that it asks for"
            return decision.reason
        item, before = asked.item, asked.attempts[0]
        names = find_changes(
            item.params,
            before,
            schema=asked.schema,
            sent_schema=self.manifest.models(before.model_id),
            uploads=self._uploads_of(before.project_id),
        )
        if before.model_id != item.model_id:
            names.insert(0, MODEL)
        elif names and set(names) <= {path[0] for path, _ in outputs_in(item.params)}:
            return f"{', '.join(item.parents)} changed"
        line = find_line(self.manifest, item, names[0]) if names else item.line
        return describe_changes(names, line)

    def _uploads_of(self, project_id: str) -> Mapping[str, AssetId]:
        if project_id not in self._uploads and self._ledger is not None:
            self._uploads[project_id] = self._ledger.find_uploads(project_id)
        return self._uploads.get(project_id, {})

    def _look_for_files(self, job: Job) -> Presence:
        return find_presence(self.output, job, by_hash=self.selection.verify)


def make_plan(
    manifest: Manifest,
    output: Path,
    *,
    ledger: Ledger | None,
    selection: Selection,
    on_item: Callable[[PlannedItem], None] | None = None,
    on_orphan: Callable[[Orphan], None] | None = None,
) -> Plan:
    """Go through every item once: find every fault, count every action.

    Args:
        manifest: The manifest to plan.
        output: The output folder.
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
    plan = Plan(
        manifest,
        output,
        ledger=ledger,
        selection=selection,
        is_shared=facts.is_shared_by(manifest.name) or is_shared(output),
    )
    check_folder = lru_cache(_FOLDERS_KEPT)(partial(_check_folder, output))
    for planned in plan.entries():
        plan.counts[planned.action] += 1
        if planned.action not in _UNTOUCHED:
            check_folder(planned.item.item_id.rpartition("/")[0])
        if on_item is not None:
            on_item(planned)
    plan.note_counted(on_orphan)
    is_filter = selection.only_failed or selection.only
    if selection.globs and not plan.total and not is_filter:
        raise UsageError(
            f"--select matches none of the {plural(manifest.item_count, 'item')}",
            hint="patterns are matched against whole item ids: 'tree-*'",
        )
    return plan


def _are_numbered(asked: _Asked) -> bool:
    """Whether files have names of takes."""
    return any(
        TAKE_MARK in asset.path for job in asked.attempts for asset in job.assets
    )


def _has_results(asked: _Asked) -> bool:
    """Whether an item has results of what it asks for, or something in flight."""
    decision = asked.request.decide(asked.attempts, lambda _job: Presence())
    return decision.action not in {Action.SUBMIT, Action.SKIP}


def _group_of(item: Item) -> str:
    """Equal for the takes of an item; a step is alone."""
    return item.item_id if is_step(item.item_id) else item.base


def _stem_of(item: Item) -> str:
    """The name of the files of an item of which there is one take."""
    if item.is_last_step:
        return item.base
    return numbered_stem(item.item_id, 1) if item.has_steps else item.item_id


def _sign_of(decision: Decision, *, is_moved: bool) -> str:
    if is_moved:
        return SIGNS[Action.RENAME]
    return CHANGED_SIGN if decision.changed else SIGNS[decision.action]


def _check_folder(output: Path, folder: str) -> None:
    """Refuse an item folder that a link leads outside, before anything is paid for."""
    if folder and leads_outside(output, output / folder):
        raise OutputError(
            f"{output / folder} leads outside of the output folder, through a link",
            hint="remove the link, or rename the items; then run again",
        )


def _exists(path: Path) -> bool:
    return os.path.lexists(path)
