"""An item's inputs and its model's table → its seed, price key and output count.

For a model without a known table, the manifest's own inputs decide.
"""

from collections.abc import Mapping, Sequence

from pipeline.fingerprint import derived_seed, job_key
from pipeline.job import Item, Job, JobKey, ParamValue
from pipeline.models.schema import ModelSchema


def seed_of(
    item: Item, schema: ModelSchema | None, attempts: Sequence[Job]
) -> tuple[int | None, bool]:
    """The seed to send, and whether it is derived; the first one ever sent is kept."""
    explicit = item.params.get("seed")
    if isinstance(explicit, int):
        return explicit, False
    seeds = None if schema is None else schema.seed_range
    if seeds is None:
        return None, False
    low, high = seeds
    sent = (job.seed for job in reversed(attempts) if job.derived_seed)
    first = next((seed for seed in sent if seed is not None), None)
    if first is not None and low <= first <= high:
        return first, True
    return derived_seed(item.item_id, low=low, high=high), True


def keys_of(
    model_id: str, params: Mapping[str, ParamValue], schema: ModelSchema | None
) -> tuple[JobKey, JobKey]:
    """A request's job key and request key."""
    normal = dict(params) if schema is None else schema.normalised(params)
    return job_key(model_id, normal), job_key(model_id, params)


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
