"""Content → identity: canonical JSON, job keys and derived seeds. Pure.

The standard library's ``json`` is used on purpose: faster encoders write NaN and
infinity as ``null``, so different requests would get the same key.
"""

import hashlib
import json
from collections.abc import Mapping

from pipeline.job import ItemOutput, JobKey, ParamValue, ReferenceAsset

SEED_MAX = 2_147_483_647  # the provider's range; scenario API sheet, section 9.1


def canonical_json(value: object) -> str:
    """JSON that is identical for equal values: sorted keys, no spaces, no NaN.

    Raises:
        ValueError: ``value`` holds NaN or infinity.
        TypeError: ``value`` holds something that is not JSON.
    """
    return json.dumps(value, sort_keys=True, allow_nan=False, separators=(",", ":"))


def job_key(model_id: str, params: Mapping[str, ParamValue]) -> JobKey:
    """The identity of a request: a SHA-256 in hex.

    Files count by their content, so moving or renaming a file does not change the
    request. So do the outputs of other items; while the content is not known, they
    count by their asset id, and before they are made by the item's id. The item's own
    id, positions and derived seeds do not count.

    Args:
        model_id: The service's id of the model.
        params: Normalised inputs, including an explicit seed.
    """
    asked = {"model": model_id, "params": _by_content(dict(params))}
    return JobKey(hashlib.sha256(canonical_json(asked).encode()).hexdigest())


def derived_seed(item_id: str, *, low: int = 0, high: int = SEED_MAX) -> int:
    """A seed in ``low..high`` (both included) that depends only on the item id."""
    digest = hashlib.sha256(f"seed:{item_id}".encode()).digest()
    return low + int.from_bytes(digest[:8], "big") % (high - low + 1)


def _by_content(value: object) -> object:
    if isinstance(value, ItemOutput) and not value.sha256:
        asset_id = value.asset_id
        return asset_id or {"item": value.item_id, "output": value.index}
    if isinstance(value, ReferenceAsset | ItemOutput):
        return {"sha256": value.sha256}
    if isinstance(value, Mapping):
        return {key: _by_content(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_by_content(inner) for inner in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
