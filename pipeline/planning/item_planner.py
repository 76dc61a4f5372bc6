"""One item, and what the ledger knows about it → what will be done with it."""

from collections.abc import Mapping, Sequence
from functools import partial

from pipeline.job import AssetId, Item, Job, JobKey, JobStatus, ParamValue
from pipeline.manifest.chain import outputs_in
from pipeline.manifest.lines import MODEL, find_line
from pipeline.models.schema import ModelSchema
from pipeline.naming import is_step, numbered_stem, take_id
from pipeline.planning.aliases import find_aliases
from pipeline.planning.change import describe_changes, find_changes
from pipeline.planning.context import Context
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
from pipeline.planning.inputs import (
    cost_key,
    keys_of,
    output_count,
    price_forms,
    seed_of,
)
from pipeline.planning.planned import PlannedItem
from pipeline.planning.rename import MOVABLE, Renames, Request
from pipeline.planning.repeats import Repeats
from pipeline.planning.seeds import equal_params
from pipeline.planning.takes import Layout, newest_made, stands
from pipeline.record import Struct, replace

_NAMES_ASKED = 3  # of items that a new one may have been


class Asked(Struct, frozen=True, kw_only=True):
    """An item, and what the ledger knows about it."""

    item: Item
    schema: ModelSchema | None
    request: Request
    attempts: Sequence[Job]
    reseeded: tuple[tuple[JobKey, JobKey], ...] = ()  # the seed written the other way
    old_id: str = ""  # the job id whose attempts come first, because it was renamed
    is_whole: bool = True  # with every attempt, not only those of the same request

    @property
    def has_results(self) -> bool:
        """Whether it has results of what it asks for, or something in flight."""
        decision = self.request.decide(self.attempts, lambda _job: Presence())
        return decision.action not in {Action.SUBMIT, Action.SKIP}


class ItemPlanner:
    """Decides what will be done with one item.

    Args:
        context: What every part of the plan reads.
        renames: Which items may be renamed ones.

    Attributes:
        repeats: Finished items that would be paid for again with the same seed.
    """

    def __init__(self, context: Context, renames: Renames) -> None:
        self.repeats = Repeats()
        self._context = context
        self._selection = context.selection
        self._renames = renames
        self._uploads: dict[str, Mapping[str, AssetId]] = {}

    def ask(
        self, item: Item, other_forms: Sequence[Mapping[str, ParamValue]] = ()
    ) -> Asked:
        """Ask the ledger about an item.

        Args:
            item: As the manifest has it.
            other_forms: Its inputs in other forms that a row may have been made from.
        """
        schema = self._context.manifest.models(item.model_id)
        keys = keys_of(item.model_id, item.params, schema)
        attempts = self._context.find_jobs_of(item.item_id)
        review = self._context.review_of(item)
        return Asked(
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

    def plan(self, asked: Asked, layout: Layout | None) -> PlannedItem | None:
        """What will be done with an item; None if this command does not apply to it."""
        decision = self.decide(asked)
        if not asked.old_id and not self.concerns(decision):
            return None
        return self.entry_of(asked, decision, layout)

    def decide(self, asked: Asked) -> Decision:
        """Decide about an item, whether this command applies to it or not."""
        keys, item = asked.request, asked.item
        decision = decide(
            asked.attempts,
            job_key=keys.job_key,
            request_key=keys.request_key,
            former=(*keys.former, *asked.reseeded),
            look=partial(self._look_for_files, asked.item),
            force=self._selection.force,
            insist=self._selection.only_failed,
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

    def entry_of(
        self,
        asked: Asked,
        decision: Decision,
        layout: Layout | None,
        *,
        steps_left: int = 0,
    ) -> PlannedItem:
        """What a decision about an item means for it.

        Args:
            asked: The item.
            decision: What will be done with it.
            layout: Where the files of its takes belong; None if it has one take.
            steps_left: See :class:`PlannedItem`.
        """
        item, schema, attempts = asked.item, asked.schema, asked.attempts
        old_id = asked.old_id
        seed, is_derived = seed_of(item, schema, attempts)
        params = dict(item.params)
        if seed is not None:
            params["seed"] = seed
        if (
            attempts
            and decision.action is Action.SUBMIT
            and not self._context.is_counted
        ):
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
            steps_left=steps_left,
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

    def concerns(self, decision: Decision) -> bool:
        """Whether this command applies to an item."""
        if self._selection.only_failed:
            return decision.failed or decision.action in {Action.SETTLE, Action.COLLECT}
        return not self._selection.only_fetch or decision.action is not Action.SUBMIT

    def is_meant(self, asked: Asked) -> bool:
        """Whether ``--only`` includes a take, by the decision about its files."""
        if not self._selection.only:
            return True
        review = self._context.review_of(asked.item)
        is_rejected = self._selection.only == "rejected"
        verdicts = review.rejected if is_rejected else review.approved
        own = [one for one in verdicts if one.take == asked.item.take]
        made = self._find_made(asked) if own else []
        return any(stands(verdict, made) for verdict in own)

    def _find_made(self, asked: Asked) -> list[Job]:
        """The newest job with files of a take, and of each step that follows it."""
        item, attempts = asked.item, asked.attempts
        if is_step(item.item_id):
            attempts = self._context.find_jobs_of(take_id(item.base, item.take))
        made = (newest_made(attempts), *self._context.find_finished(item))
        return [job for job in made if job is not None]

    def _is_unclear(self, asked: Asked, decision: Decision) -> bool:
        """Whether the user has to say which old item this is, before it is paid for."""
        is_new = decision.action is Action.SUBMIT and not asked.old_id
        may_be_old = asked.item.base in self._renames.unclear
        return is_new and may_be_old and not self._selection.as_new

    def _question(self, item: Item) -> str:
        names = self._renames.unclear[item.base]
        shown = ", ".join(names[:_NAMES_ASKED])
        more = len(names) - _NAMES_ASKED
        shown += f" or {more:,} more" if more > 0 else ""
        return f"may be one of {shown}: say which with 'was: ID', or pay: --as-new"

    def _reason(self, asked: Asked, decision: Decision) -> str:
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
            sent_schema=self._context.manifest.models(before.model_id),
            uploads=self._uploads_of(before.project_id),
        )
        if before.model_id != item.model_id:
            names.insert(0, MODEL)
        elif names and set(names) <= {path[0] for path, _ in outputs_in(item.params)}:
            return f"{', '.join(item.parents)} changed"
        line = find_line(self._context.manifest, item, names[0]) if names else item.line
        return describe_changes(names, line)

    def _uploads_of(self, project_id: str) -> Mapping[str, AssetId]:
        if project_id not in self._uploads and self._context.ledger is not None:
            self._uploads[project_id] = self._context.ledger.find_uploads(project_id)
        return self._uploads.get(project_id, {})

    def _look_for_files(self, item: Item, job: Job) -> Presence:
        return self._context.find_presence(job, recipe=item.saving.save.recipe)


def _stem_of(item: Item) -> str:
    """The name of the files of an item of which there is one take."""
    if item.is_last_step:
        return item.base
    return numbered_stem(item.item_id, 1) if item.has_steps else item.item_id


def _sign_of(decision: Decision, *, is_moved: bool) -> str:
    if is_moved:
        return SIGNS[Action.RENAME]
    return CHANGED_SIGN if decision.changed else SIGNS[decision.action]
