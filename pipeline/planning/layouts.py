"""Where the files of all items with takes belong, and which takes are chosen."""

from collections.abc import Sequence

from pipeline.job import Item, Job, JobStatus
from pipeline.naming import TAKE_MARK, is_step
from pipeline.planning.context import Context
from pipeline.planning.decision import Action, Presence
from pipeline.planning.item_planner import Asked, ItemPlanner
from pipeline.planning.rename import MOVABLE
from pipeline.planning.takes import Layout, Take, find_stale, lay_out

_NOTES_SHOWN = 20


class Layouts:
    """The layouts of all items that have takes or decisions about them.

    Args:
        context: What every part of the plan reads.
        planner: Asks the ledger about takes that the command is not about.

    Attributes:
        moves: By item id: where the files of its takes belong, for items whose files
            have to move because another take is chosen.
        has_takes: Whether the ledger has items with more than one take.
    """

    def __init__(self, context: Context, planner: ItemPlanner) -> None:
        self.moves: dict[str, Layout] = {}
        self._context = context
        self._planner = planner
        ledger = context.ledger
        self.has_takes = ledger is not None and ledger.has_takes()
        self._layouts: dict[str, Layout] = {}  # by item id
        self._chosen: dict[str, str] = {}  # only those that are not take 1
        self._reviewed: set[str] = set()  # items that have decisions
        self._stale: list[str] = []

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know about the decisions in the review file."""
        review = self._context.manifest.review
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
            item_id: As the user wrote it; an item that the plan has passed.
        """
        return self._chosen.get(item_id, item_id)

    def chosen_output(self, item_id: str) -> int:
        """The number of an item's chosen output; 0 unless it has ``choose: one``."""
        layout = self._layouts.get(item_id)
        return 0 if layout is None else layout.chosen_output

    def find(self, item: Item) -> Layout | None:
        """Where the files of an item belong, once :meth:`lay_out` has been called."""
        return None if is_step(item.item_id) else self._layouts.get(item.base)

    def lay_out(self, items: Sequence[Item], present: Sequence[Asked]) -> Layout | None:
        """Where the files of an item's takes belong; None for an item with one take.

        Args:
            items: Every take that the item wants.
            present: Those of them that this command looks at.
        """
        base_id = items[0].base
        if is_step(items[0].item_id):
            return None
        review = self._context.review_of(items[0])
        is_plain = len(items) == 1 and review.is_empty and not items[0].chooses
        is_plain = is_plain and not any(map(_are_numbered, present))
        if is_plain and not self.has_takes:
            return None
        known = (
            []
            if self._context.ledger is None
            else self._context.ledger.find_take_ids(base_id)
        )
        if is_plain and known in ([], [base_id]):
            return None
        seen = {asked.item.item_id: asked for asked in present}
        asked_all = [
            seen.get(item.item_id) or self._planner.ask(item) for item in items
        ]
        takes = [self._take_of(asked) for asked in asked_all]
        jobs = {asked.item.item_id: asked.attempts for asked in asked_all}
        for job_id in known:
            if job_id not in jobs and self._context.ledger is not None:
                jobs[job_id] = self._context.ledger.find_jobs_of(job_id)
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
        if not self._context.is_counted and not review.is_empty:
            self._reviewed.add(items[0].decided_as or base_id)
            self._stale += find_stale(base_id, review, takes)
        return layout

    def note_move(self, layout: Layout | None) -> None:
        """Note an item whose files have to move, if they have to."""
        if layout is not None and layout.misplaced and not self._context.is_counted:
            self.moves[layout.base_id] = layout

    def _take_of(self, asked: Asked) -> Take:
        """What is known of a take, whatever the command is to do with it."""
        if asked.item.parents:  # what it asks for depends on what they will be
            ready = {JobStatus.SAVED}
            if not asked.item.is_saved:  # only its steps have files
                ready.add(JobStatus.SUCCEEDED)
            made = next((job for job in asked.attempts if job.status in ready), None)
            return self._made_take(asked, made, is_paid=made is not None)
        decision = asked.request.decide(asked.attempts, lambda _job: Presence())
        is_made = decision.action is Action.DONE
        return self._made_take(
            asked,
            decision.job if is_made else None,
            is_paid=decision.action in MOVABLE,
        )

    def _made_take(self, asked: Asked, made: Job | None, *, is_paid: bool) -> Take:
        return Take(
            number=asked.item.take,
            made=made,
            finished=self._context.find_finished(asked.item) if made else (),
            is_paid=is_paid,
        )


def _are_numbered(asked: Asked) -> bool:
    """Whether files have names of takes."""
    return any(
        TAKE_MARK in asset.path for job in asked.attempts for asset in job.assets
    )
