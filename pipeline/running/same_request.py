"""A request ↔ the inputs that a listed job shows: whether they are the same. Pure.

An earlier job may replace a submit only if it was made from the very same request. So
nothing is guessed here, unlike for a lost submit (``api.echo``), where a job of ours is
known to be missing: whatever the service hides, rounds or rewrites does not fit.
"""

import hashlib
from collections.abc import Mapping

from pipeline.api.echo import is_archived, same_value
from pipeline.job import AssetId, ItemOutput, JsonValue, ParamValue, ReferenceAsset

_ABSENT: tuple[object, ...] = (None, "", [])


def find_unproved(
    params: Mapping[str, ParamValue],
    echo: Mapping[str, JsonValue],
    *,
    defaults: Mapping[str, object],
    uploads: Mapping[str, AssetId],
) -> dict[AssetId, str] | None:
    """What is left to prove before a job counts as made from this request.

    Inputs that equal the model's default may be shown or left out. If the request has
    no seed, any seed may be shown, because the service adds the one that it used.

    Args:
        params: What would be sent, with the derived seed, and with references in place
            of their asset ids.
        echo: The inputs that the job shows.
        defaults: The model's defaults by input; empty if they are not known.
        uploads: SHA-256 of a content → the asset id under which the service holds it.

    Returns:
        None if the requests differ. Else the assets that have to have a certain
        content, by its SHA-256: archived texts, and reference files that were uploaded
        elsewhere. Empty if the requests are the same.
    """
    if not echo:
        return None
    unproved: dict[AssetId, str] = {}
    for name, value in params.items():
        if name not in echo:
            if not _is_default(defaults, name, value):
                return None
        elif not _agrees(value, echo[name], uploads, unproved):
            return None
    for name, shown in echo.items():
        if name in params or shown in _ABSENT or name == "seed":
            continue
        if not _is_default(defaults, name, shown):
            return None
    return unproved


def _agrees(
    value: object,
    shown: object,
    uploads: Mapping[str, AssetId],
    unproved: dict[AssetId, str],
) -> bool:
    if isinstance(value, list):
        return (
            isinstance(shown, list)
            and len(shown) == len(value)
            and all(
                _agrees(mine, theirs, uploads, unproved)
                for mine, theirs in zip(value, shown, strict=True)
            )
        )
    if isinstance(value, ReferenceAsset):
        return isinstance(shown, str) and (
            uploads.get(value.sha256) == shown
            or _must_hold(AssetId(shown), value.sha256, unproved)
        )
    if isinstance(value, ItemOutput):
        return isinstance(shown, str) and (
            shown == value.asset_id
            or (
                bool(value.sha256)
                and _must_hold(AssetId(shown), value.sha256, unproved)
            )
        )
    if isinstance(value, str) and is_archived(value, shown):
        digest = hashlib.sha256(value.encode()).hexdigest()
        return _must_hold(AssetId(str(shown)), digest, unproved)
    return same_value(value, shown)


def _must_hold(asset_id: AssetId, sha256: str, unproved: dict[AssetId, str]) -> bool:
    """Note the content that an asset must have; False if it must have another too."""
    return unproved.setdefault(asset_id, sha256) == sha256


def _is_default(defaults: Mapping[str, object], name: str, value: object) -> bool:
    return name in defaults and same_value(defaults[name], value)
