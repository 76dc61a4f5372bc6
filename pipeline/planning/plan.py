"""Plan: what a run would do to each item, before any effect.

A plan does not keep its items: it counts them once and expands the manifest again when
it is carried out, so that a million rows are not a million records in memory.
"""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path

from pipeline.errors import OutputError, UsageError
from pipeline.fingerprint import job_key
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
from pipeline.manifest.lines import MODEL, find_line
from pipeline.models.schema import ModelSchema
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
from pipeline.planning.inputs import cost_key, output_count, seed_of
from pipeline.planning.presence import find_presence
from pipeline.planning.rename import MOVABLE, Renames, Request
from pipeline.planning.selection import Limit, Selection
from pipeline.record import Struct, replace
from pipeline.storage.files import is_shared
from pipeline.storage.regular_file import leads_outside

_UNTOUCHED = frozenset({Action.DONE, Action.SKIP})
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
        derived_seed: Whether the seed in ``params`` is derived from the item's id.
        outputs: How many files it asks for, at least 1.
        kind: ``image`` if the model makes only images, else "".
        cost_key: Equal for items that certainly have the same price; "" for items that
            cannot cost anything.
        old_id: The ledger's id of a renamed item; else "".
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


class Plan:
    """What a run would do; made by :func:`make_plan`.

    Attributes:
        manifest: The manifest it was made from.
        output: The output folder.
        counts: Items by action, without those that this command does not apply to.
        orphan_count: Items that have files in the ledger but are gone from the
            manifest.
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
        self._ledger = ledger
        self._renames = Renames(None if is_shared else ledger)
        self._is_counted = False
        self._late: set[str] = set()  # ids of items that may be renamed: decided last
        self._passed_over: set[str] = set()  # those of them that are beyond the limit
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

    def entries(self) -> Iterator[PlannedItem]:
        """Every selected item, expanded again, in the order of the manifest.

        New items that may be renamed old ones come last: this is only known once the
        whole manifest has been seen.

        Raises:
            ManifestError: At the end, if the expansion found faults.
        """
        limit = Limit(self.selection.limit)
        for item in expand(self.manifest):
            asked = self._look_at(item)
            planned = None if asked is None else self._plan_item(asked)
            if planned is not None and limit.admits(planned.action):
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
            planned = self._plan_item(asked, old_id=old_id)
            if planned is None or not limit.admits(planned.action):
                # More may fit when the plan is carried out, but its folder was not
                # checked here.
                self._passed_over.add(item.item_id)
                self._renames.set_apart(old_id)
                continue
            if old_id:
                self._renames.fix(item.item_id, old_id)
            yield planned

    def _find_old_id(self, asked: _Asked) -> str:
        item_id = asked.item.item_id
        if self._is_counted:
            return self.old_ids.get(item_id, "")
        return self._renames.find_old_id(item_id, asked.request) or ""

    def _ask(self, item: Item) -> _Asked:
        schema = self.manifest.models(item.model_id)
        key, request_key = _keys_of(item.model_id, item.params, schema)
        return _Asked(
            item=item,
            schema=schema,
            request=Request(
                job_key=key,
                request_key=request_key,
                former=tuple(
                    _keys_of(item.model_id, former, schema)
                    for former in item.former_params
                ),
            ),
            attempts=[]
            if self._ledger is None
            else self._ledger.find_jobs_of(item.item_id),
        )

    def _decide(self, asked: _Asked, old_id: str) -> Decision:
        keys = asked.request
        decision = decide(
            asked.attempts,
            job_key=keys.job_key,
            request_key=keys.request_key,
            former=keys.former,
            look=partial(self._look_for_files, asked.item),
            force=self.selection.force,
            insist=self.selection.only_failed,
        )
        if not old_id or decision.action in MOVABLE:
            return decision
        # It has ended since the plan was made; collecting it finds out how.
        same = find_same(asked.attempts, keys.keys)
        return replace(decision, action=Action.COLLECT, job=same)

    def _plan_item(self, asked: _Asked, *, old_id: str = "") -> PlannedItem | None:
        item, schema, attempts = asked.item, asked.schema, asked.attempts
        decision = self._decide(asked, old_id)
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
        return PlannedItem(
            item=item,
            action=Action.RENAME if old_id else decision.action,
            then=decision.action,
            sign=_sign_of(decision, old_id),
            reason=self._reason(asked, decision, old_id),
            old_id=old_id,
            job=replace(job, item_id=item.item_id) if old_id else job,
            params=params,
            derived_seed=is_derived,
            outputs=output_count(item, schema),
            kind="" if schema is None else schema.makes,
            cost_key=cost_key(item, schema) if decision.action in MAY_BE_PAID else "",
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
        line = find_line(self.manifest, item, names[0]) if names else item.line
        return describe_changes(names, line)

    def _uploads_of(self, project_id: str) -> Mapping[str, AssetId]:
        if project_id not in self._uploads and self._ledger is not None:
            self._uploads[project_id] = self._ledger.find_uploads(project_id)
        return self._uploads.get(project_id, {})

    def _look_for_files(self, item: Item, job: Job) -> Presence:
        recipe, by_hash = item.saving.save.recipe, self.selection.verify
        return find_presence(self.output, job, recipe=recipe, by_hash=by_hash)


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
    if selection.globs and not plan.total and not selection.only_failed:
        raise UsageError(
            f"--select matches none of the {manifest.item_count} items",
            hint="patterns are matched against whole item ids: 'tree-*'",
        )
    return plan


def _keys_of(
    model_id: str, params: Mapping[str, ParamValue], schema: ModelSchema | None
) -> tuple[JobKey, JobKey]:
    """A request's job key and request key."""
    normal = dict(params) if schema is None else schema.normalised(params)
    return job_key(model_id, normal), job_key(model_id, params)


def _sign_of(decision: Decision, old_id: str) -> str:
    if old_id:
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
