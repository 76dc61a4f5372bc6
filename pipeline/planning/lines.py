"""Lines: items that use the outputs of other items, in the order they can be made.

Only these items and the ones they need are kept in memory; all others pass through.
"""

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

from pipeline.counting import plural
from pipeline.job import AssetId, Item, ItemOutput, Job, ParamValue
from pipeline.manifest.chain import outputs_in, with_outputs
from pipeline.record import Struct, replace

NOT_NEEDED = "not needed: "  # of an item whose parent made fewer outputs than asked
_ALIASES = 8  # asset ids of one content that a row may name it by
_MOST_FORMS = 64


class Parent(Struct, frozen=True, kw_only=True):
    """What is known of an item that others need.

    Attributes:
        job: The attempt that made it, or None if there is none yet.
        blocks: Why what needs it cannot be made, or "".
        is_tried_again: Whether a run tries what failed once more.
        is_coming: Whether this command makes it.
    """

    job: Job | None = None
    blocks: str = ""
    is_tried_again: bool = False
    is_coming: bool = False


class Lines:
    """The items of a manifest that have parents, and those parents.

    Attributes:
        children: By id, in the order of the manifest.
        roots: Parents that have no parents themselves, by id.
        parents: What is known of each parent.
        admitted: Children that this command applies to.
    """

    def __init__(self) -> None:
        self.children: dict[str, Item] = {}
        self.roots: dict[str, Item] = {}
        self.parents: dict[str, Parent] = {}
        self.admitted: set[str] = set()
        self._children_of: defaultdict[str, list[str]] = defaultdict(list)
        self._steps_left: dict[str, int] = {}
        self._ordered: list[str] = []

    def __bool__(self) -> bool:
        return bool(self.children)

    def add(self, item: Item) -> None:
        """Add an item that has parents; :meth:`link` follows the last one."""
        self.children[item.item_id] = item

    def link(
        self,
        find_chosen: Callable[[str], str],
        find_output: Callable[[str], int],
    ) -> None:
        """Find out who needs whom, once every child is known.

        Who names an item means its chosen take; or its last step, if it has steps.

        Args:
            find_chosen: An item's id → the job id of its chosen take.
            find_output: An item's id → the number of its chosen output, or 0 if all
                of them are wanted.
        """
        last = {
            item.base: item.item_id
            for item in self.children.values()
            if item.is_last_step
        }
        for item in self.children.values():
            linked = _with_jobs(item, last, find_chosen, find_output)
            self.children[item.item_id] = linked
            for parent in linked.parents:
                self._children_of[parent].append(item.item_id)
        self._sort()

    def children_of(self, item_id: str) -> Sequence[str]:
        """The items that use an output of this one."""
        return self._children_of.get(item_id, ())

    def is_parent(self, item_id: str) -> bool:
        """Whether any item uses an output of this one."""
        return item_id in self._children_of

    def find(self, item_id: str) -> Item | None:
        """An item that has parents or children, or None."""
        return self.children.get(item_id) or self.roots.get(item_id)

    def is_saved(self, item_id: str) -> bool:
        """Whether the files of an item are saved."""
        item = self.find(item_id)
        return item is None or item.is_saved

    def root_ids(self) -> set[str]:
        """Parents that are not children."""
        return self._children_of.keys() - self.children.keys()

    def in_order(self) -> Iterator[Item]:
        """The children, each after its parents."""
        return (self.children[item_id] for item_id in self._ordered)

    def steps_left(self, item_id: str) -> int:
        """Jobs from this item to the end of its longest line, its own included."""
        return self._steps_left.get(item_id, 1)

    def ancestors_of(self, item_ids: Iterable[str]) -> set[str]:
        """Every item that any of these needs, directly or not."""
        found: set[str] = set()
        open_ids = list(item_ids)
        while open_ids:
            item = self.children.get(open_ids.pop())
            for parent in item.parents if item is not None else ():
                if parent not in found:
                    found.add(parent)
                    open_ids.append(parent)
        return found

    def _sort(self) -> None:
        waits_for = {
            item.item_id: sum(parent in self.children for parent in item.parents)
            for item in self.children.values()
        }
        self._ordered = [item_id for item_id, count in waits_for.items() if not count]
        for item_id in self._ordered:  # grows
            for child in self._children_of.get(item_id, ()):
                waits_for[child] -= 1
                if not waits_for[child]:
                    self._ordered.append(child)
        for item_id in reversed([*self.root_ids(), *self._ordered]):
            below = (self._steps_left[c] for c in self._children_of.get(item_id, ()))
            self._steps_left[item_id] = 1 + max(below, default=0)


def _with_jobs(
    item: Item,
    last: Mapping[str, str],
    find_chosen: Callable[[str], str],
    find_chosen_output: Callable[[str], int],
) -> Item:
    """The item with the job ids of its parents in the place of item ids."""

    def link(output: ItemOutput) -> ItemOutput:
        parent = output.item_id
        if parent in last and parent != item.base:
            return replace(output, item_id=last[parent])
        index = find_chosen_output(parent) or output.index
        return replace(output, item_id=find_chosen(parent), index=index)

    params = with_outputs(item.params, link)
    parents = dict.fromkeys(output.item_id for _, output in outputs_in(params))
    former = tuple(with_outputs(one, link) for one in item.former_params)
    return replace(item, params=params, parents=tuple(parents), former_params=former)


def find_output(job: Job, index: int) -> ItemOutput | None:
    """The output of a job with this number; None if the job did not make it."""
    for asset in job.outputs:
        if asset.output_index == index:
            return ItemOutput(
                item_id=job.item_id,
                index=index,
                asset_id=asset.asset_id,
                sha256=asset.content_sha256,
            )
    if job.assets or index > len(job.remote_assets):
        return None
    asset_id = job.remote_assets[index - 1]
    return ItemOutput(item_id=job.item_id, index=index, asset_id=asset_id)


def find_missing(item: Item, parents: Mapping[str, Parent]) -> str:
    """Which output an item needs although its parent did not make it, or ""."""
    for output in _outputs_of(item):
        job = parents[output.item_id].job
        if job is not None and find_output(job, output.index) is None:
            made = len(job.assets or job.remote_assets)
            outputs = plural(made, "output")
            if item.may_be_missing:
                return f"{NOT_NEEDED}{output.item_id} made {outputs}"
            return f"blocked by {output.item_id}: it made {outputs}, not {output.index}"
    return ""


def with_parents(
    item: Item,
    parents: Mapping[str, Parent],
    find_content: Callable[[AssetId], str],
) -> Item:
    """The item with the asset ids and contents of its parents' outputs filled in.

    Outputs of parents that are not made yet stay as they are. If the content of one
    is not known, all of them count by their asset ids.

    Args:
        item: The item.
        parents: What is known of each of its parents.
        find_content: Asset id → SHA-256, or "" if it is not known.
    """
    outputs = _outputs_of(item)
    made = {
        (one.item_id, one.index): replace(
            found, sha256=found.sha256 or find_content(found.asset_id)
        )
        for one in outputs
        if (job := parents[one.item_id].job) is not None
        and (found := find_output(job, one.index)) is not None
    }
    are_known = all(found.sha256 for found in made.values())

    def fill(output: ItemOutput) -> ItemOutput:
        found = made.get((output.item_id, output.index))
        if found is None:
            return output
        sha256 = found.sha256 if are_known else ""
        return replace(output, asset_id=found.asset_id, sha256=sha256)

    return replace(
        item,
        params=with_outputs(item.params, fill),
        former_params=tuple(with_outputs(one, fill) for one in item.former_params),
    )


def asset_forms(
    item: Item, find_asset_ids: Callable[[str], Sequence[AssetId]]
) -> Iterator[dict[str, ParamValue]]:
    """The inputs with outputs named by asset id instead of content.

    The row of an item that was submitted before its parent's file was downloaded has
    its key from such a form. A parent made again with the same content has another
    asset id, so there is one form for each of the ids of this content.

    Args:
        item: With the outputs of its parents filled in.
        find_asset_ids: SHA-256 → the ids of the assets with this content.
    """
    outputs = _outputs_of(item)
    if not all(output.sha256 for output in outputs):
        return
    choices = [
        list(dict.fromkeys((one.asset_id, *find_asset_ids(one.sha256))))[:_ALIASES]
        for one in outputs
    ]
    for ids in itertools.islice(itertools.product(*choices), _MOST_FORMS):
        by_output = dict(zip(outputs, ids, strict=True))

        def name(output: ItemOutput, known: Mapping[ItemOutput, AssetId]) -> ItemOutput:
            return replace(output, asset_id=known[output], sha256="")

        yield with_outputs(item.params, partial(name, known=by_output))


def find_used(
    params: Mapping[str, ParamValue],
) -> Iterator[tuple[str, ItemOutput]]:
    """The outputs of other items among the inputs, each with the input's name."""
    for path, output in outputs_in(params):
        yield str(path[0]), output


def _outputs_of(item: Item) -> list[ItemOutput]:
    return [output for _, output in outputs_in(item.params)]
