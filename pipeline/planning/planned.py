"""Records of a plan: an item and what will be done with it, and an orphan."""

from collections.abc import Mapping

from pipeline.job import Asset, Item, Job, ParamValue
from pipeline.planning.decision import Action
from pipeline.record import Struct


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
        blocked: Why it is not made, if that is due to an item it needs; else "". With
            the action WAIT, a run tries that item again.
        chosen_output: With ``choose: one``, the output that has the stem alone if the
            take is the chosen one; else 0.
        siblings: The job ids of the item's other takes that have rows.
        then: The action that follows a RENAME, else the action itself.
        is_made: For WAIT: whether it is made already, and made again only if what it
            waits for changes.
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
    is_made: bool = False


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
