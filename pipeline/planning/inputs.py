"""An item's inputs and its model's table → its seed, price key and output count.

For a model without a known table, the manifest's own inputs decide.
"""

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from pipeline.fingerprint import derived_seed, job_key
from pipeline.job import Item, ItemOutput, Job, JobKey, ParamValue, ReferenceAsset
from pipeline.manifest.chain import outputs_in, with_outputs
from pipeline.models.schema import ModelSchema

_NOT_MADE = ItemOutput(item_id="")


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
    """A key that is equal for items that certainly have the same price.

    Outputs of other items that are not made yet count alike.
    """
    params = item.params
    if item.parents:
        params = with_outputs(params, lambda one: one if one.asset_id else _NOT_MADE)
    priced = params if schema is None else schema.priced(params)
    return job_key(item.model_id, priced)


def price_forms(
    params: Mapping[str, ParamValue], schema: ModelSchema | None
) -> tuple[Mapping[str, ParamValue], ...]:
    """The inputs for asking a price, although some may not be made yet.

    Outputs that are not made yet are left out, unless the model needs the input or says
    that it changes the price. The other form, for a service that refuses the first,
    has a picture in their place where the input takes pictures.

    Returns:
        One form or two, in the order to ask with.
    """
    missing = {str(path[0]) for path, one in outputs_in(params) if not one.asset_id}
    if not missing:
        return (params,)
    filled: dict[str, ParamValue] = {}
    short: dict[str, ParamValue] = {}
    needs_all = False
    for name, value in params.items():
        known = None if schema is None else schema.inputs.get(name)
        if name not in missing:
            filled[name] = short[name] = value
            continue
        if known is None or known.kind in {"image", ""}:
            filled |= with_outputs({name: value}, _with_placeholder)
        made = _without_missing(value)
        if made not in (None, []):
            short[name] = made
        needs_all = needs_all or (
            known is not None and (known.required or known.cost_impact is True)
        )
    return (filled,) if needs_all else (short, filled)


def _with_placeholder(output: ItemOutput) -> ParamValue:
    return output if output.asset_id else _placeholder()


def _without_missing(value: ParamValue) -> ParamValue:
    """A value without the outputs that are not made yet; None if nothing is left."""
    if isinstance(value, ItemOutput):
        return value if value.asset_id else None
    if isinstance(value, list):
        found = [_without_missing(inner) for inner in value]
        kept: list[ParamValue] = [inner for inner in found if inner is not None]
        return kept
    return value if not any(outputs_in({"": value})) else None


@cache
def _placeholder() -> ReferenceAsset:
    """A picture of 512 by 512 pixels in one grey."""
    path = Path(__file__).with_name("placeholder.png")
    content = path.read_bytes()
    return ReferenceAsset(
        name="placeholder",
        path=path,
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        media_type="image/png",
    )


def output_count(item: Item, schema: ModelSchema | None) -> int:
    """How many outputs the inputs ask for; at least 1."""
    if schema is not None:
        return schema.output_count(item.params)
    count = item.params.get("numOutputs")
    is_count = isinstance(count, int) and not isinstance(count, bool)
    return max(1, count) if is_count and isinstance(count, int) else 1
