"""Plan: what a run would do to each item, before any effect.

A plan does not hold its items: it counts them once and expands the manifest again
when it is carried out, so that a million rows need no million records.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.fingerprint import SEED_MAX, derived_seed, job_key
from pipeline.job import SIDECAR_SUFFIX, Item, Job, ParamValue
from pipeline.ledger.ledger import Ledger
from pipeline.manifest import Manifest, expand
from pipeline.model import ModelSchema
from pipeline.planning.decision import Action, Decision, decide

ModelTable = Callable[[str], ModelSchema | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which items a command is about.

    Attributes:
        globs: Patterns of item ids; empty for all.
        limit: At most so many items that are not done, or None.
        force: Make again what is finished.
        only_failed: ``rerun``: failed items, final failures too.
        only_fetch: ``fetch``: items that are paid for and whose files are missing.
    """

    globs: tuple[str, ...] = ()
    limit: int | None = None
    force: bool = False
    only_failed: bool = False
    only_fetch: bool = False

    def includes(self, item_id: str) -> bool:
        """Whether an item's id fits any of the patterns."""
        return not self.globs or any(fnmatchcase(item_id, glob) for glob in self.globs)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedItem:
    """One item and what will be done with it.

    Attributes:
        item: As the manifest has it.
        action: Where it enters the run.
        reason: Why, in a few words.
        job: The attempt to go on with, or a new one, PLANNED.
        params: Inputs to send: with the derived seed, references not yet uploaded.
        derived_seed: Whether the seed in ``params`` is one only this item has.
        outputs: How many files are asked for, at least 1.
        kind: ``image`` where the model makes images alone, else "".
    """

    item: Item
    action: Action
    reason: str
    job: Job
    params: Mapping[str, ParamValue]
    derived_seed: bool
    outputs: int
    kind: str


class Plan:
    """What a run would do; made by :func:`make_plan`.

    Attributes:
        manifest: What it was made of.
        output: The output folder.
        counts: Items by action, those of other commands' concern left out.
    """

    def __init__(
        self,
        manifest: Manifest,
        output: Path,
        *,
        ledger: Ledger | None,
        selection: Selection,
        models: ModelTable,
    ) -> None:
        self.manifest = manifest
        self.output = output
        self.selection = selection
        self.counts: Counter[Action] = Counter()
        self._ledger = ledger
        self._models = models

    @property
    def total(self) -> int:
        """Items this command is about."""
        return sum(self.counts.values())

    @property
    def to_submit(self) -> int:
        """Items that will be paid for."""
        return self.counts[Action.SUBMIT]

    @property
    def to_do(self) -> int:
        """Items that are neither done nor skipped."""
        return self.total - self.counts[Action.DONE] - self.counts[Action.SKIP]

    def entries(self) -> Iterator[PlannedItem]:
        """Every selected item in the order of the manifest, expanded anew.

        Raises:
            ManifestError: At the end, when the expansion found faults.
        """
        left = self.selection.limit
        for item in expand(self.manifest):
            if not self.selection.includes(item.item_id):
                continue
            planned = self._plan_item(item)
            if planned is None:
                continue
            if planned.action not in {Action.DONE, Action.SKIP}:
                if left == 0:
                    continue
                left = None if left is None else left - 1
            yield planned

    def _plan_item(self, item: Item) -> PlannedItem | None:
        schema = self._models(item.model_id)
        normal = dict(item.params) if schema is None else schema.normalised(item.params)
        key = job_key(item.model_id, normal)
        request_key = job_key(item.model_id, item.params)
        attempts = (
            [] if self._ledger is None else self._ledger.find_jobs_of(item.item_id)
        )
        decision = decide(
            attempts,
            job_key=key,
            request_key=request_key,
            has_files=self._has_files,
            force=self.selection.force,
            insist=self.selection.only_failed,
        )
        if self.selection.only_failed and not _concerns_rerun(decision):
            return None
        if self.selection.only_fetch and decision.action is Action.SUBMIT:
            return None
        seed, is_derived = _seed_of(item, schema)
        params = dict(item.params)
        if seed is not None:
            params["seed"] = seed
        job = decision.job or Job(
            item_id=item.item_id,
            attempt=1 + max((job.attempt for job in attempts), default=0),
            job_key=key,
            request_key=request_key,
            model_id=item.model_id,
            seed=seed,
            derived_seed=is_derived,
        )
        return PlannedItem(
            item=item,
            action=decision.action,
            reason=decision.reason,
            job=replace(job, failure=None) if decision.job is None else job,
            params=params,
            derived_seed=is_derived,
            outputs=output_count(item.params)
            if schema is None
            else schema.output_count(item.params),
            kind="" if schema is None else schema.makes,
        )

    def _has_files(self, job: Job) -> bool:
        return bool(job.assets) and all(
            _is_there(self.output / asset.path)
            and _is_there(self.output / (asset.path + SIDECAR_SUFFIX))
            for asset in job.assets
        )


def make_plan(
    manifest: Manifest,
    output: Path,
    *,
    ledger: Ledger | None,
    selection: Selection,
    models: ModelTable,
    on_item: Callable[[PlannedItem], None] | None = None,
) -> Plan:
    """Look at every item once: find every fault, count every action.

    Args:
        manifest: What is wanted.
        output: Where the files are.
        ledger: What is remembered; None when nothing is.
        selection: Which items the command is about.
        models: The input tables by model id.
        on_item: Called with each item as it is planned.

    Raises:
        ManifestError: Every fault that the expansion found.
        UsageError: ``--select`` matches no item.
    """
    plan = Plan(manifest, output, ledger=ledger, selection=selection, models=models)
    for planned in plan.entries():
        plan.counts[planned.action] += 1
        if on_item is not None:
            on_item(planned)
    if selection.globs and not plan.total and not selection.only_failed:
        raise UsageError(
            f"--select matches none of the {manifest.item_count} items",
            hint="patterns are matched against whole item ids: 'tree-*'",
        )
    return plan


def output_count(params: Mapping[str, ParamValue]) -> int:
    """How many outputs the inputs ask for, as far as they say."""
    count = params.get("numOutputs")
    is_count = isinstance(count, int) and not isinstance(count, bool)
    return max(1, count) if is_count and isinstance(count, int) else 1


def _seed_of(item: Item, schema: ModelSchema | None) -> tuple[int | None, bool]:
    explicit = item.params.get("seed")
    if isinstance(explicit, int):
        return explicit, False
    if schema is None or not schema.has_seed:
        return None, False
    seed_input = schema.find_input("seed")
    low, high = 0, SEED_MAX
    if seed_input is not None and seed_input.minimum is not None:
        low = int(seed_input.minimum)
    if seed_input is not None and seed_input.maximum is not None:
        high = int(seed_input.maximum)
    return derived_seed(item.item_id, low=low, high=high), True


def _concerns_rerun(decision: Decision) -> bool:
    return decision.failed or decision.action in {Action.SETTLE, Action.COLLECT}


def _is_there(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except OSError:
        return False
