"""Items that use the outputs of others, each planned after the items it needs."""

from collections.abc import Iterator, Mapping, Sequence

from pipeline.job import AssetId, Item, Job, JobStatus, ParamValue
from pipeline.manifest import expand
from pipeline.planning.context import Context
from pipeline.planning.decision import UNTOUCHED, Action, Decision, failure_word
from pipeline.planning.item_planner import Asked, ItemPlanner
from pipeline.planning.late_planner import LatePlanner
from pipeline.planning.layouts import Layouts
from pipeline.planning.lines import (
    NOT_NEEDED,
    Lines,
    Parent,
    asset_forms,
    find_missing,
    with_parents,
)
from pipeline.planning.planned import PlannedItem
from pipeline.planning.selection import Limit
from pipeline.planning.takes import Layout
from pipeline.record import replace

_MADE = frozenset({Action.DONE, Action.FETCH})


class LinePlanner:
    """Plans items that use the outputs of others.

    Args:
        context: What every part of the plan reads.
        planner: Decides what will be done with each.
        layouts: Where the files of their takes belong.
        late: Finds those that are renamed.

    Attributes:
        lines: The items, and what is known of those that they need.
    """

    def __init__(
        self,
        context: Context,
        planner: ItemPlanner,
        layouts: Layouts,
        late: LatePlanner,
    ) -> None:
        self.lines = Lines()
        self._context = context
        self._selection = context.selection
        self._planner = planner
        self._layouts = layouts
        self._late = late
        self._within: set[str] = set()  # ids of items with work to do, with a limit

    def entries(self, limit: Limit) -> Iterator[PlannedItem]:
        """Every selected item that uses an output of another item.

        Items that only these need, and that the selection does not include, come too.
        Call it only after every item of the manifest has been seen.
        """
        lines = self.lines
        if lines and not lines.roots:
            lines.link(self._layouts.chosen_id, self._layouts.chosen_output)
            self._find_roots()
        chosen = {one for one in lines.children if self._selection.includes(one)}
        needed = lines.ancestors_of(chosen)
        wanted = chosen | needed
        for item in lines.roots.values():
            asked = self._late.with_decided(self._planner.ask(item))
            decision = self._planner.decide(asked)
            planned = self._planner.entry_of(asked, decision, self._layouts.find(item))
            is_coming = bool(asked.old_id) or self._planner.concerns(decision)
            if self._selection.includes(item.item_id):
                is_coming = is_coming and self._is_within_limit(planned)
            else:
                is_coming = is_coming and item.item_id in needed
                is_coming = is_coming and planned.action is not Action.DONE
                is_coming = is_coming and self._admits(planned, limit)
                if is_coming:
                    yield planned
            lines.parents[item.item_id] = self._parent_of(
                planned, _failure_of(asked, decision), is_coming=is_coming
            )
        for item in lines.in_order():
            planned, is_coming, failure = self._plan_child(item)
            is_coming = is_coming and item.item_id in wanted
            if item.item_id not in chosen and planned.action is Action.DONE:
                is_coming = False
            is_coming = is_coming and self._admits(planned, limit)
            if is_coming:
                self._layouts.note_move(self._layouts.find(item))
                yield planned
            self._late.note_renamed_child(planned, is_coming=is_coming)
            lines.parents[item.item_id] = self._parent_of(
                planned, failure, is_coming=is_coming
            )

    def plan_child(self, item_id: str, made: Mapping[str, Job]) -> PlannedItem:
        """An item of which this run has made the parents.

        Args:
            item_id: The item.
            made: The attempts that made its parents, by their ids.
        """
        for parent, job in made.items():
            self.lines.parents[parent] = Parent(job=job)
        planned, _, _ = self._plan_child(self.lines.children[item_id])
        return planned

    def _plan_child(self, item: Item) -> tuple[PlannedItem, bool, str]:
        """An item that has parents, and whether this command applies to it.

        Returns:
            Also why its newest attempt failed, or "".
        """
        layout = self._layouts.find(item)
        parents = {parent: self.lines.parents[parent] for parent in item.parents}
        missing = [name for name, parent in parents.items() if parent.job is None]
        blocking = sorted(
            (one for one in parents.values() if one.blocks),
            key=lambda one: one.is_tried_again,  # what is final decides
        )
        blocked = blocking[0].blocks if blocking else ""
        is_final = bool(blocking) and not blocking[0].is_tried_again
        if not blocked and not missing:
            blocked = find_missing(item, parents)
            is_final = bool(blocked)
        filled = with_parents(item, parents, self._find_content)
        asked = self._planner.ask(filled, () if missing else self._asset_forms(filled))
        is_made = any(job.status is JobStatus.SAVED for job in asked.attempts)
        if is_final:
            decision = Decision(action=Action.SKIP, reason=blocked, failed=True)
        elif missing:
            reason = blocked or f"waits for {', '.join(missing)}"
            if is_made and not blocked:
                reason += "; made again if that changes"
            decision = Decision(action=Action.WAIT, reason=reason)
        else:
            asked = self._late.with_old_child(asked)
            decision = self._planner.decide(asked)
            planned = self._entry_of(asked, decision, layout)
            is_concerned = bool(asked.old_id) or self._planner.concerns(decision)
            is_coming = is_concerned and self._planner.is_meant(asked)
            return planned, is_coming, _failure_of(asked, decision)
        planned = self._entry_of(asked, decision, layout)
        planned = replace(planned, blocked=blocked, is_made=is_made and bool(missing))
        if not self._planner.is_meant(asked):
            return planned, False, ""
        if is_final:
            is_coming = not blocked.startswith(NOT_NEEDED)
        else:
            is_coming = all(parents[one].is_coming for one in missing)
        return planned, is_coming and not self._selection.only_fetch, ""

    def _entry_of(
        self, asked: Asked, decision: Decision, layout: Layout | None
    ) -> PlannedItem:
        left = self.lines.steps_left(asked.item.item_id)
        return self._planner.entry_of(asked, decision, layout, steps_left=left)

    @staticmethod
    def _parent_of(planned: PlannedItem, failure: str, *, is_coming: bool) -> Parent:
        """What is known of an item that others need.

        Args:
            planned: The item.
            failure: Why its newest attempt failed, or "".
            is_coming: Whether this command makes it.
        """
        is_made = planned.then in _MADE
        blocks = planned.blocked
        if failure and not is_made:
            blocks = f"blocked by {planned.item.item_id}: {failure}"
        return Parent(
            job=planned.job if is_made else None,
            blocks=blocks,
            is_tried_again=planned.action is not Action.SKIP,
            is_coming=is_coming,
        )

    def _find_content(self, asset_id: AssetId) -> str:
        return (
            ""
            if self._context.ledger is None
            else self._context.ledger.find_content(asset_id)
        )

    def _asset_forms(self, item: Item) -> Sequence[Mapping[str, ParamValue]]:
        if self._context.ledger is None:
            return ()
        return tuple(asset_forms(item, self._context.ledger.find_asset_ids))

    def _find_roots(self) -> None:
        ids = self.lines.root_ids()
        for item in expand(self._context.manifest):
            if item.item_id in ids:
                self.lines.roots[item.item_id] = item

    def _admits(self, planned: PlannedItem, limit: Limit) -> bool:
        """Whether an item of a line is within the limit, as it was when counted."""
        admitted = self.lines.admitted
        if self._context.is_counted:
            return planned.item.item_id in admitted
        if not limit.admits(planned.action):
            return False
        admitted.add(planned.item.item_id)
        return True

    def _is_within_limit(self, planned: PlannedItem) -> bool:
        if self._selection.limit is None or planned.action in UNTOUCHED:
            return True
        return planned.item.item_id in self._within

    def note_within(self, planned: PlannedItem) -> None:
        """Note an item that uses no other: it is within the limit."""
        # With a limit, these are few.
        if self._selection.limit is not None and planned.action not in UNTOUCHED:
            self._within.add(planned.item.item_id)


def _failure_of(asked: Asked, decision: Decision) -> str:
    """Why the newest attempt of an item failed, in few words, or ""."""
    if not decision.failed:
        return ""
    failed = (job for job in asked.attempts if job.status is JobStatus.FAILED)
    return failure_word(next((job.failure for job in failed), None))
