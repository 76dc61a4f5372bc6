"""An item's inputs and its model's table → its seed, price key and output count.

For a model without a known table, the manifest's own inputs decide.
"""

import math
from collections.abc import Sequence

from pipeline.fingerprint import SEED_MAX, derived_seed, job_key
from pipeline.job import Item, Job
from pipeline.models.schema import ModelSchema


def seed_of(
    item: Item, schema: ModelSchema | None, attempts: Sequence[Job]
) -> tuple[int | None, bool]:
    """The seed to send, and whether it is derived; the first one ever sent is kept."""
    explicit = item.params.get("seed")
    if isinstance(explicit, int):
        return explicit, False
    if schema is None or not schema.has_seed:
        return None, False
    seed_input = schema.find_input("seed")
    low, high = 0, SEED_MAX
    if seed_input is not None and seed_input.minimum is not None:
        low = math.ceil(min(seed_input.minimum, SEED_MAX))
    if seed_input is not None and seed_input.maximum is not None:
        high = math.floor(min(seed_input.maximum, SEED_MAX))
    if low > high:
        return None, False
    sent = (job.seed for job in reversed(attempts) if job.derived_seed)
    first = next((seed for seed in sent if seed is not None), None)
    if first is not None and low <= first <= high:
        return first, True
    return derived_seed(item.item_id, low=low, high=high), True


def cost_key(item: Item, schema: ModelSchema | None) -> str:
    """A key that is equal for items that certainly have the same price."""
    priced = dict(item.params) if schema is None else schema.priced(item.params)
    return job_key(item.model_id, priced)


def output_count(item: Item, schema: ModelSchema | None) -> int:
    """How many outputs the inputs ask for; at least 1."""
    if schema is not None:
        return schema.output_count(item.params)
    count = item.params.get("numOutputs")
    is_count = isinstance(count, int) and not isinstance(count, bool)
    return max(1, count) if is_count and isinstance(count, int) else 1
