"""A pinned seed and the same one derived from the item's id → one request. Pure.

A derived seed is not part of a job key, an explicit one is. So whoever writes down the
very seed that was used, or removes it again, asks for nothing new; without this, it
would be paid for once more.
"""

from collections.abc import Iterator, Mapping, Sequence

from pipeline.job import Item, Job, ParamValue
from pipeline.models.schema import ModelSchema
from pipeline.planning.inputs import seed_of


def equal_params(
    item: Item, schema: ModelSchema | None, attempts: Sequence[Job]
) -> Iterator[Mapping[str, ParamValue]]:
    """The params of the same request with its seed written the other way.

    Args:
        item: The item.
        schema: The inputs of its model.
        attempts: Its rows in the ledger.

    Yields:
        Without the pinned seed, if it is the one that all attempts derived; or with the
        derived seed pinned.
    """
    if not attempts:
        return
    seed, is_derived = seed_of(item, schema, attempts)
    if seed is None:
        return
    if is_derived:
        yield {**item.params, "seed": seed}
        return
    derived = {job.seed for job in attempts if job.derived_seed}
    if derived == {seed}:
        yield {name: value for name, value in item.params.items() if name != "seed"}
