"""One item → one of its takes: the same request with a seed of its own. Pure.

Without a seed in the manifest, a take needs no seed here: it is derived from the take's
job id, as for any item. A model without a seed makes plain repeats.
"""

from pipeline.fingerprint import SEED_MAX, derived_seed
from pipeline.job import Item, ParamValue
from pipeline.manifest.review import ItemReview
from pipeline.models.schema import ModelSchema
from pipeline.naming import take_id
from pipeline.record import replace


def make_take(
    item: Item, number: int, review: ItemReview, schema: ModelSchema | None
) -> Item:
    """One take of an item.

    Args:
        item: Take 1, as the manifest has it.
        number: The number of the take.
        review: What was decided about the item: the seeds of takes that ``redo`` added.
        schema: The inputs of its model; None if they are unknown.
    """
    seed = find_seed(item.params.get("seed"), number, review, schema)

    def seeded(params: dict[str, ParamValue]) -> dict[str, ParamValue]:
        return params if seed is None else {**params, "seed": seed}

    return replace(
        item,
        item_id=take_id(item.item_id, number),
        base_id=item.item_id,
        take=number,
        was=take_id(item.was, number) if item.was and number > 1 else item.was,
        params=seeded(dict(item.params)),
        former_params=tuple(seeded(dict(former)) for former in item.former_params),
    )


def find_seed(
    pinned: ParamValue, number: int, review: ItemReview, schema: ModelSchema | None
) -> int | None:
    """The explicit seed of a take; None if it has none, or a derived one.

    Args:
        pinned: The seed that the manifest gives the item, or None.
        number: The number of the take.
        review: What was decided about the item.
        schema: The inputs of its model; None if they are unknown.
    """
    given = pinned if type(pinned) is int else None
    seeds = (0, SEED_MAX) if schema is None else schema.seed_range
    if seeds is None or (schema is None and given is None):
        return None
    low, high = seeds
    added = review.find_added(number)
    if added is not None and added.seed is not None:
        is_current = given in {added.pinned, added.seed}
        if is_current and low <= added.seed <= high:
            return added.seed
    root = review.root_of(number)
    if given is None or root == 1:
        return given
    return derived_seed(f"{given}@{root}", low=low, high=high)
