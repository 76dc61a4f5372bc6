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

from pipeline.errors import OutputError, UsageError
from pipeline.job import (
    SIDECAR_SUFFIX,
    Asset,
    AssetId,
    Item,
    Job,
    ParamValue,
)
from pipeline.ledger.facts import Facts
from pipeline.ledger.ledger import Ledger
from pipeline.manifest import Manifest, expand
from pipeline.manifest.lines import MODEL, find_line
from pipeline.manifest.review import ItemReview
from pipeline.models.schema import ModelSchema
from pipeline.naming import TAKE_MARK, numbered_stem, split_take, take_id
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
    find_same,
)
from pipeline.planning.inputs import cost_key, keys_of, output_count, seed_of
from pipeline.planning.presence import find_presence
from pipeline.planning.rename import MOVABLE, Reassignment, Renames, Request
from pipeline.planning.selection import Limit, Selection
from pipeline.planning.takes import Layout, Take, find_stale, lay_out, stands
from pipeline.record import Struct, replace
from pipeline.storage.files import is_shared
from pipeline.storage.regular_file import leads_outside

_UNTOUCHED = frozenset({Action.DONE, Action.SKIP})
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
        derived_seed: Whether the seed in ``params`` is derived from the item's id.
        outputs: How many files it asks for, at least 1.
        kind: ``image`` if the model makes only images, else "".
        cost_key: Equal for items that certainly have the same price; "" for items that
            cannot cost anything.
        old_id: The ledger's id of a renamed item; else "".
        stem: The name of its files without number and extension.
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
    derived_seed: bool
    outputs: int
    kind: str
    cost_key: str = ""
    old_id: str = ""
    stem: str
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
    old_id: str = ""  # the job id whose attempts come first, because it was renamed
    is_whole: bool = True  # with every attempt, not only those of the same request


class Plan:
    """What a run would do; made by :func:`make_plan`.

    Attributes:
        manifest: The manifest it was made from.
        output: The output folder.
        counts: Items by action, without those that this command does not apply to.
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
        self.orphan_count = 0
        self.moves: dict[str, Layout] = {}
        self.reassigned: dict[str, Reassignment] = {}
        self.renamed_reviews: dict[str, str] = {}
        self._ledger = ledger
        self._has_takes = ledger is not None and ledger.has_takes()
        self._chosen: dict[str, str] = {}  # only those that are not take 1
        self._reviewed: set[str] = set()  # items that have decisions
        self._stale: list[str] = []
        self._renames = Renames(None if is_shared else ledger, self._look_for_files)
        self._is_counted = False
        self._passed_over: set[str] = set()  # renamed ones that are beyond the limit
        self._kept_alikes: set[str] = set()
        self._uploads: dict[str, Mapping[str, AssetId]] = {}

    def refunds(self, model_id: str) -> bool:
        """Whether the service refunds the failed jobs of a model."""
        schema = self.manifest.models(model_id)
        return schema is None or schema.refunds

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
        whole manifest has been seen.

        Raises:
            ManifestError: At the end, if the expansion found faults.
        """
        limit = Limit(self.selection.limit)
        for base_id, group in groupby(self._expand(), key=_base_of):
            if self._is_counted and self._renames.is_late(base_id):
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
                yield planned

    def _late_entries(self, limit: Limit) -> Iterator[PlannedItem]:
        self._renames.resolve()
        for base_id, group in groupby(self._expand(), key=_base_of):
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
            if not self._is_counted and asked.old_id:
                self._note_rename(asked, planned)
            yield planned
        if not self._is_counted:
            self._note_history(items)
        first = items[0]
        if first.decided_as and all(self._renames.is_gone(one.was) for one in items):
            self.renamed_reviews[first.base] = first.decided_as

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

    def _ask(self, item: Item) -> _Asked:
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
                        for former in item.former_params
                    ),
                    *find_aliases(item, keys, attempts, schema=schema, review=review),
                ),
            ),
            attempts=attempts,
        )

    def _review_of(self, item: Item) -> ItemReview:
        return self.manifest.review.of_item(item)

    def _decide(self, asked: _Asked) -> Decision:
        keys = asked.request
        decision = decide(
            asked.attempts,
            job_key=keys.job_key,
            request_key=keys.request_key,
            former=keys.former,
            look=self._look_for_files,
            force=self.selection.force,
            insist=self.selection.only_failed,
        )
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
            chooses=items[0].chooses,
        )
        self._chosen.pop(base_id, None)
        if layout.chosen != base_id:
            self._chosen[base_id] = layout.chosen
        if not self._is_counted and not review.is_empty:
            self._reviewed.add(items[0].decided_as or base_id)
            self._stale += find_stale(base_id, review, takes)
        return layout

    def _take_of(self, asked: _Asked) -> Take:
        """What is known of a take, whatever the command is to do with it."""
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
        item, schema, attempts = asked.item, asked.schema, asked.attempts
        old_id = asked.old_id
        decision = self._decide(asked)
        if not old_id and not self._concerns(decision):
            return None
        seed, is_derived = seed_of(item, schema, attempts)
        params = dict(item.params)
        if seed is not None:
            params["seed"] = seed
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
        stem = item.item_id
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
            old_id=old_id if asked.is_whole else "",
            stem=stem,
            chosen_output=0 if layout is None else layout.chosen_output,
            siblings=siblings,
            job=replace(job, item_id=item.item_id) if old_id else job,
            params=params,
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
            f"--select matches none of the {manifest.item_count} items",
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


def _base_of(item: Item) -> str:
    return item.base


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
