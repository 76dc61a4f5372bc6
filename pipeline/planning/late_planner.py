"""Items that may be renamed old ones: put off until the whole manifest is seen."""

from collections.abc import Iterator, Sequence

from pipeline.job import Item
from pipeline.naming import numbered_stem, split_take, take_id
from pipeline.planning.context import Context
from pipeline.planning.item_planner import Asked, ItemPlanner
from pipeline.planning.layouts import Layouts
from pipeline.planning.planned import PlannedItem
from pipeline.planning.rename import Reassignment, Renames
from pipeline.planning.selection import Limit
from pipeline.record import replace


class LatePlanner:
    """Plans items that may be renamed old ones.

    Args:
        context: What every part of the plan reads.
        renames: Which items may be renamed ones.
        planner: Decides what will be done with each.
        layouts: Where the files of their takes belong.

    Attributes:
        reassigned: By new job id: attempts that belong to another item now, because ids
            were swapped or shifted.
        reviews: New item id to old one, where the decisions go with a rename.
    """

    def __init__(
        self,
        context: Context,
        renames: Renames,
        planner: ItemPlanner,
        layouts: Layouts,
    ) -> None:
        self.reassigned: dict[str, Reassignment] = {}
        self.reviews: dict[str, str] = {}
        self._context = context
        self._selection = context.selection
        self._renames = renames
        self._planner = planner
        self._layouts = layouts
        self._passed_over: set[str] = set()  # beyond the limit
        self._children: dict[str, Asked] = {}  # with parents, and renamed

    def put_off(self, every: Sequence[Asked]) -> bool:
        """Whether an item may be a renamed old one; if so, it is decided last."""
        without = [asked for asked in every if not asked.has_results]
        named = [asked for asked in every if asked.item.was]
        if named:
            # It is told which one it was; that counts once that one is gone.
            may_be = [self._put_off_one(asked) for asked in named]
            return any(may_be)
        if not without or len(without) < len(every):
            return False
        return self._put_off_one(without[0])

    def _put_off_one(self, asked: Asked) -> bool:
        item = asked.item
        return self._renames.put_off(
            item.base, asked.request, job_id=item.item_id, was=item.was
        )

    def plan_group(self, items: Sequence[Item], limit: Limit) -> Iterator[PlannedItem]:
        """Plan the takes of an item that may be a renamed one."""
        every = [self._with_old(self._planner.ask(item)) for item in items]
        layout = self._layouts.lay_out(items, every)
        for asked in every:
            item_id = asked.item.item_id
            if self._context.is_counted and item_id in self._passed_over:
                continue
            planned = None
            if self._selection.includes(item_id) and self._planner.is_meant(asked):
                planned = self._planner.plan(asked, layout)
            if planned is None or not limit.admits(planned.action):
                # More may fit when the plan is carried out, but its folder was not
                # checked here.
                self._passed_over.add(item_id)
                if asked.old_id:
                    self._renames.set_apart(asked.old_id)
                continue
            self._layouts.note_move(layout)
            if not self._context.is_counted and asked.old_id:
                self._note_rename(asked, planned)
            yield planned
        if not self._context.is_counted:
            self._note_history(items)
        first = items[0]
        if first.decided_as and all(self._renames.is_gone(one.was) for one in items):
            self.reviews[first.base] = first.decided_as

    def _note_history(self, items: Sequence[Item]) -> None:
        """Takes that a renamed item does not want any more go with it too."""
        was = {item.was for item in items}
        # Not if a single take has become an item of its own.
        moved = [
            item
            for item in items
            if item.item_id in self._renames.old_ids
            and split_take(item.was)[1] == item.take
        ]
        if not moved or not self._layouts.has_takes or self._context.ledger is None:
            return
        base_id = moved[0].base
        for job_id in self._context.ledger.find_take_ids(split_take(moved[0].was)[0]):
            number = split_take(job_id)[1]
            new_id = take_id(base_id, number)
            jobs = self._context.ledger.find_jobs_of(job_id)
            if job_id in was or new_id in self._renames.old_ids:
                continue
            self.reassigned[new_id] = Reassignment(
                new_id=new_id,
                old_id=job_id,
                stem=numbered_stem(base_id, number),
                rows=tuple(job.row_id for job in reversed(jobs)),
                newest=jobs[0].row_id,
                line=items[0].line,
            )

    def _with_old(self, asked: Asked) -> Asked:
        """With the attempts of the item that it was, if it was another one."""
        was = asked.item.was
        if self._context.is_counted:
            return self.with_decided(asked)
        movable = self._renames.find_movable(was, asked.request)
        if not movable:
            return asked
        if asked.has_results and not self._renames.is_gone(was):
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

    def with_decided(self, asked: Asked) -> Asked:
        """With the attempts of the item that it was, as decided while counting."""
        item_id = asked.item.item_id
        old_id = self._renames.old_ids.get(item_id, "")
        move = self.reassigned.get(item_id)
        if self._context.ledger is None:
            return asked
        if old_id:
            made = self._context.ledger.find_jobs_of(old_id)
            return replace(asked, attempts=[*made, *asked.attempts], old_id=old_id)
        if move is None:
            return asked
        jobs = self._context.ledger.find_jobs_of(move.old_id)
        made = [job for job in jobs if job.row_id in move.rows]
        if not made:  # they have moved
            return asked
        attempts = [*made, *asked.attempts]
        return replace(asked, attempts=attempts, old_id=move.old_id, is_whole=False)

    def with_old_child(self, asked: Asked) -> Asked:
        """As :meth:`_with_old`, for an item whose parents are made now."""
        item = asked.item
        if self._context.is_counted:
            return self.with_decided(asked)
        was = item.was
        if not was and item.take == 1 and not asked.has_results:
            was = self._renames.claim(item.base, asked.request)
        elif not was and item.base in self._renames.implied:
            was = take_id(self._renames.implied[item.base], item.take)
        if not was:
            return asked
        found = self._with_old(replace(asked, item=replace(item, was=was)))
        if found.old_id:
            self._children[item.item_id] = found
        return found

    def note_renamed_child(self, planned: PlannedItem, *, is_coming: bool) -> None:
        """Note what became of an item that :meth:`with_old_child` found to be another.

        Args:
            planned: The item.
            is_coming: Whether this command applies to it.
        """
        asked = self._children.pop(planned.item.item_id, None)
        if asked is None:
            return
        if is_coming:
            self._note_rename(asked, planned)
        else:
            self._renames.set_apart(asked.old_id)

    def _note_rename(self, asked: Asked, planned: PlannedItem) -> None:
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
