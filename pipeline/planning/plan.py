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
from pipeline.models.schema import ModelSchema
from pipeline.naming import is_step, numbered_stem
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
    seed_of,
    with_placeholders,
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
from pipeline.planning.rename import MOVABLE, Renames, Request
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
_FRUITLESS = frozenset({JobStatus.PLANNED, JobStatus.FAILED})


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
        priced_as: ``params`` for asking the price: a placeholder stands for each
            output of another item that is not made yet.
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
        siblings: The job ids of the item's other takes that have rows.
        then: The action that follows a RENAME, else the action itself.
    """

    item: Item
    action: Action
    sign: str
    reason: str
    job: Job
    params: Mapping[str, ParamValue]
    priced_as: Mapping[str, ParamValue]
    derived_seed: bool
    outputs: int
    kind: str
    cost_key: str = ""
    stem: str
    steps_left: int = 0
    bound_key: str = ""
    old_id: str = ""
    blocked: str = ""
    siblings: tuple[str, ...] = ()
    then: Action


class Orphan(Struct, frozen=True, kw_only=True):
    """An item that is in the ledger but no longer in the manifest.

    Attributes:
        item_id: Its id in the ledger.
        assets: Its assets that still have a file or a sidecar.
    """

    item_id: str
    assets: tuple[Asset, ...]


class _Asked(Struct, frozen=True, kw_only=True):
    """An item, and what the ledger knows about it."""

    item: Item
    schema: ModelSchema | None
    request: Request
    attempts: Sequence[Job]
    reseeded: tuple[tuple[JobKey, JobKey], ...] = ()  # the seed written the other way


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
        self._ledger = ledger
        self._has_takes = ledger is not None and ledger.has_takes()
        self._chosen: dict[str, str] = {}  # only those that are not take 1
        self._reviewed: set[str] = set()  # items that have decisions
        self._stale: list[str] = []
        self._renames = Renames(ledger)
        if is_shared and ledger is not None:
            makers = Makers(manifest, output, ledger)
            self._renames = Renames(ledger, is_own=makers.is_own)
        self._is_counted = False
        self._late: set[str] = set()  # ids of items that may be renamed: decided last
        self._passed_over: set[str] = set()  # those of them that are beyond the limit
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
        for _, group in groupby(expand(self.manifest), key=_group_of):
            items = list(group)
            wanted = [self._look_at(item) for item in items]
            present = [asked for asked in wanted if asked is not None]
            layout = self._lay_out(items, present)
            if layout is not None:
                self._layouts[layout.base_id] = layout
            for asked in filter(self._is_meant, present):
                planned = self._plan_item(asked, layout)
                if planned is not None and limit.admits(planned.action):
                    self._note_moves(layout)
                    self._note_within(planned)
                    yield planned
        if self._late:
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
                yield Orphan(item_id=item_id, assets=assets)

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

    def _look_at(self, item: Item) -> _Asked | None:
        """The item's request; None if it is not for this command, or decided later."""
        if item.parents:
            if not self._is_counted:
                self.lines.add(item)
                self._renames.note_item(item.item_id)
            return None
        if self._is_counted and item.item_id in self._late:
            return None
        if not self._is_counted and ".old" in item.item_id.casefold():
            self._kept_alikes.add(item.item_id.casefold())
        if not self.selection.includes(item.item_id):
            if not self._is_counted and self._renames.note_item(item.item_id):
                self._put_off(self._ask(item))
            return None
        asked = self._ask(item)
        if self._is_counted:
            return asked
        self._renames.note_attempts(asked.attempts)
        if self.selection.force or not self._has_nothing(asked):
            return asked
        return None if self._put_off(asked) else asked

    def _has_nothing(self, asked: _Asked) -> bool:
        """Whether an item has no results and nothing in flight."""
        return not asked.attempts or (
            all(job.status in _FRUITLESS for job in asked.attempts)
            and self._decide(asked, "").action in {Action.SUBMIT, Action.SKIP}
        )

    def _put_off(self, asked: _Asked) -> bool:
        """Whether a new item may be a renamed old one; if so, it is decided last."""
        may_be = self._renames.may_be_renamed(asked.item.item_id, asked.request)
        if may_be:
            self._late.add(asked.item.item_id)
        return may_be

    def line_entries(self, limit: Limit | None = None) -> Iterator[PlannedItem]:
        """Those of :meth:`entries` that use an output of another item.

        Items that only these need, and that the selection does not include, come too.
        Call it only after every item of the manifest has been seen.
        """
        lines, limit = self.lines, limit or Limit(None)
        if lines and not lines.roots:
            lines.link(self.chosen_id)
            self._find_roots()
        chosen = {one for one in lines.children if self.selection.includes(one)}
        needed = lines.ancestors_of(chosen)
        wanted = chosen | needed
        for item in lines.roots.values():
            asked, old_id = self._with_old_id(self._ask(item))
            decision = self._decide(asked, old_id)
            planned = self._entry_of(asked, decision, self._layout_of(item), old_id)
            is_coming = bool(old_id) or self._concerns(decision)
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
            asked, old_id = self._with_old_id(asked)
            decision = self._decide(asked, old_id)
            planned = self._entry_of(asked, decision, layout, old_id)
            is_concerned = bool(old_id) or self._concerns(decision)
            return planned, is_concerned and self._is_meant(asked)
        planned = self._entry_of(asked, decision, layout, "")
        planned = replace(planned, blocked=blocked)
        if not self._is_meant(asked):
            return planned, False
        if blocked:
            is_failure = not blocked.startswith(NOT_NEEDED)
            return planned, is_failure and not self.selection.only_fetch
        is_coming = all(parents[one].is_coming for one in missing)
        return planned, is_coming and not self.selection.only_fetch

    def _with_old_id(self, asked: _Asked) -> tuple[_Asked, str]:
        """The item with the attempts under its old id, if it is renamed."""
        item_id = asked.item.item_id
        if not self._is_counted and asked.item.parents and self._has_nothing(asked):
            old_id = self._renames.find_old_id(item_id, asked.request) or ""
            if old_id and self.selection.includes(item_id):
                self._renames.fix(item_id, old_id)
            elif old_id:
                self._renames.set_apart(old_id)
        old_id = self.old_ids.get(item_id, "")
        if not old_id or self._ledger is None:
            return asked, ""
        made = self._ledger.find_jobs_of(old_id)
        return replace(asked, attempts=[*made, *asked.attempts]), old_id

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
        for item in expand(self.manifest):
            if item.item_id not in self._late:
                continue
            if self._is_counted and item.item_id in self._passed_over:
                continue
            asked = self._ask(item)
            old_id = self._find_old_id(asked)
            if not self.selection.includes(item.item_id):
                self._renames.set_apart(old_id)
                continue
            if old_id and self._ledger is not None:
                made = self._ledger.find_jobs_of(old_id)
                asked = replace(asked, attempts=[*made, *asked.attempts])
            if not self._is_meant(asked):
                self._renames.set_apart(old_id)
                continue
            planned = self._plan_item(asked, None, old_id=old_id)
            if planned is None or not limit.admits(planned.action):
                # More may fit when the plan is carried out, but its folder was not
                # checked here.
                self._passed_over.add(item.item_id)
                self._renames.set_apart(old_id)
                continue
            if old_id:
                self._renames.fix(item.item_id, old_id)
            self._note_within(planned)
            yield planned

    def _note_within(self, planned: PlannedItem) -> None:
        # With a limit, these are few.
        if self.selection.limit is not None and planned.action not in _UNTOUCHED:
            self._within.add(planned.item.item_id)

    def _find_old_id(self, asked: _Asked) -> str:
        item_id = asked.item.item_id
        if self._is_counted:
            return self.old_ids.get(item_id, "")
        return self._renames.find_old_id(item_id, asked.request) or ""

    def _ask(
        self, item: Item, other_forms: Sequence[Mapping[str, ParamValue]] = ()
    ) -> _Asked:
        schema = self.manifest.models(item.model_id)
        keys = keys_of(item.model_id, item.params, schema)
        attempts = (
            [] if self._ledger is None else self._ledger.find_jobs_of(item.item_id)
        )
        review = self.manifest.review.of(item.base)
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

    def _decide(self, asked: _Asked, old_id: str) -> Decision:
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
        if not old_id or decision.action in MOVABLE:
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
        review = self.manifest.review.of(base_id)
        if len(items) == 1 and review.is_empty and not self._has_takes:
            return None
        known = [] if self._ledger is None else self._ledger.find_take_ids(base_id)
        if len(items) == 1 and review.is_empty and known in ([], [base_id]):
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
        )
        self._chosen.pop(base_id, None)
        if layout.chosen != base_id:
            self._chosen[base_id] = layout.chosen
        if not self._is_counted and not review.is_empty:
            self._reviewed.add(base_id)
            self._stale += find_stale(base_id, review, takes)
        return layout

    def _take_of(self, asked: _Asked) -> Take:
        """What is known of a take, whatever the command is to do with it."""
        if asked.item.parents:  # what it asks for depends on what they will be
            saved = (job for job in asked.attempts if job.status is JobStatus.SAVED)
            made = next(saved, None)
            return Take(number=asked.item.take, made=made, is_paid=made is not None)
        decision = decide(
            asked.attempts,
            job_key=asked.request.job_key,
            request_key=asked.request.request_key,
            former=asked.request.former,
            look=lambda _job: Presence(),
        )
        is_made = decision.action is Action.DONE
        return Take(
            number=asked.item.take,
            made=decision.job if is_made else None,
            is_paid=decision.action in MOVABLE,
        )

    def _note_moves(self, layout: Layout | None) -> None:
        if layout is not None and layout.misplaced and not self._is_counted:
            self.moves[layout.base_id] = layout

    def _plan_item(
        self, asked: _Asked, layout: Layout | None, *, old_id: str = ""
    ) -> PlannedItem | None:
        decision = self._decide(asked, old_id)
        if not old_id and not self._concerns(decision):
            return None
        return self._entry_of(asked, decision, layout, old_id)

    def _entry_of(
        self, asked: _Asked, decision: Decision, layout: Layout | None, old_id: str
    ) -> PlannedItem:
        item, schema, attempts = asked.item, asked.schema, asked.attempts
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
        reason = self._reason(asked, decision, old_id)
        if is_moved:
            why = "chosen" if stem == item.base else "not chosen"
            reason = f"{why}: its files move to {stem}"
        return PlannedItem(
            item=item,
            action=Action.RENAME if old_id or is_moved else decision.action,
            then=decision.action,
            sign=_sign_of(decision, is_moved=bool(old_id) or is_moved),
            reason=reason,
            steps_left=self.lines.steps_left(item.item_id) if item.parents else 0,
            old_id=old_id,
            stem=stem,
            siblings=siblings,
            job=replace(job, item_id=item.item_id) if old_id else job,
            params=params,
            priced_as=with_placeholders(params, schema) if item.parents else params,
            derived_seed=is_derived,
            outputs=output_count(item, schema),
            kind="" if schema is None else schema.makes,
            cost_key=cost_key(item, schema) if decision.action in MAY_BE_PAID else "",
        )

    def _is_meant(self, asked: _Asked) -> bool:
        """Whether ``--only`` includes a take, by the decision about its files."""
        if not self.selection.only:
            return True
        review = self.manifest.review.of(asked.item.base)
        is_rejected = self.selection.only == "rejected"
        verdicts = review.rejected if is_rejected else review.approved
        return any(
            verdict.take == asked.item.take and stands(verdict, asked.attempts)
            for verdict in verdicts
        )

    def _concerns(self, decision: Decision) -> bool:
        """Whether this command applies to an item."""
        if self.selection.only_failed:
            return decision.failed or decision.action in {Action.SETTLE, Action.COLLECT}
        return not self.selection.only_fetch or decision.action is not Action.SUBMIT

    def _reason(self, asked: _Asked, decision: Decision, old_id: str) -> str:
        if old_id:
            return f"renamed from {old_id}"
        if not decision.changed:
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
