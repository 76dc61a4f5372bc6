"""What is asked for now, and what was sent before → which inputs differ. Pure."""

from collections.abc import Mapping, Sequence

from pipeline.job import AssetId, ItemOutput, Job, ParamValue, ReferenceAsset
from pipeline.models.schema import ModelSchema, json_equal

_NAMES_SHOWN = 3


def find_changes(
    params: Mapping[str, ParamValue],
    sent: Job,
    *,
    schema: ModelSchema | None,
    sent_schema: ModelSchema | None,
    uploads: Mapping[str, AssetId],
) -> list[str]:
    """The names of the inputs that differ, the prompt first.

    It does not matter whether defaults are written out, and a derived seed does not
    count. Empty if the ledger does not know what was sent.

    Args:
        params: Inputs as the manifest has them now.
        sent: The attempt to compare with, including its ``request``.
        schema: The model's inputs now.
        sent_schema: The inputs of the model used then.
        uploads: SHA-256 to asset id of the files the service has.
    """
    request = dict(sent.request or {})
    if not request:
        return []
    if sent.derived_seed:
        request.pop("seed", None)
    before = dict(request) if sent_schema is None else sent_schema.normalised(request)
    now = dict(params) if schema is None else schema.normalised(params)
    names = sorted({**now, **before}, key=lambda name: name != "prompt")
    return [
        name
        for name in names
        if (name in now) != (name in before)
        or not json_equal(
            _as_sent(now[name], before[name], uploads), _with_line_feeds(before[name])
        )
    ]


def describe_changes(names: Sequence[str], line: int) -> str:
    """``images and size changed (line 12)``; without names just ``changed``."""
    shown = list(names[:_NAMES_SHOWN])
    if len(names) > _NAMES_SHOWN:
        shown[-1:] = [f"{len(names) - _NAMES_SHOWN + 1} more"]
    *first, last = shown or [""]
    said = f"{', '.join(first)} and {last}" if first else last
    return f"{said} changed (line {line})".lstrip()


def _with_line_feeds(value: ParamValue) -> ParamValue:
    """A text as it is sent now: earlier versions sent line ends as they were."""
    if isinstance(value, str):
        return value.replace("\r\n", "\n").replace("\r", "\n")
    if isinstance(value, list):
        return [_with_line_feeds(inner) for inner in value]
    if isinstance(value, dict):
        return {name: _with_line_feeds(inner) for name, inner in value.items()}
    return value


def _as_sent(value: ParamValue, sent: object, uploads: Mapping[str, AssetId]) -> object:
    if isinstance(value, ReferenceAsset):
        # Null was sent as an asset id that a lock file did not tell.
        return None if sent is None else uploads.get(value.sha256, value)
    if isinstance(value, ItemOutput):
        return value.asset_id or value
    if isinstance(value, list):
        known = sent if isinstance(sent, list) and len(sent) == len(value) else value
        return [
            _as_sent(inner, one, uploads)
            for inner, one in zip(value, known, strict=True)
        ]
    if isinstance(value, dict):
        shown = sent if isinstance(sent, dict) else value
        return {
            name: _as_sent(inner, shown.get(name, inner), uploads)
            for name, inner in value.items()
        }
    return value
