"""Turns a contract into the fields of a profile, so that the emulator behaves like it.

A question that the contract does not answer keeps the emulator's default. The fields
are known here by their names only.
"""

from collections.abc import Callable, Iterator, Mapping

from pipeline.contract.contract_file import Contract
from pipeline.job import JsonValue

Knobs = Mapping[str, object]

# A step of seconds, and the step before it: the middle of the two is imitated.
_BEFORE = {2: 1.0, 5: 2.0, 10: 5.0, 30: 10.0, 60: 30.0, 120: 60.0, 600: 120.0}
_REFUSALS = range(400, 500)
_MOST = 1_000_000  # of anything that has a count or a price
_NO_LEAST: Mapping[str, object] = {"min": None}
_NO_MOST: Mapping[str, object] = {"max": None}


def _status_knob(
    name: str, words: Mapping[str, object]
) -> Callable[[JsonValue], Knobs]:
    """A knob that takes the observed status, or the value that a word stands for."""

    def knobs(seen: JsonValue) -> Knobs:
        if isinstance(seen, int) and seen in _REFUSALS:
            return {name: seen}
        return {name: words[seen]} if isinstance(seen, str) and seen in words else {}

    return knobs


def _word_knob(
    name: str, words: Mapping[object, object]
) -> Callable[[JsonValue], Knobs]:
    def knobs(seen: JsonValue) -> Knobs:
        is_known = isinstance(seen, str | int | float) and seen in words
        return {name: words[seen]} if is_known else {}

    return knobs


def _number_knob(
    name: str, *, least: float = 0, is_whole: bool = False
) -> Callable[[JsonValue], Knobs]:
    def knobs(seen: JsonValue) -> Knobs:
        kind = int if is_whole else int | float
        is_fit = isinstance(seen, kind) and least <= seen <= _MOST
        return {name: seen} if is_fit and not isinstance(seen, bool) else {}

    return knobs


def _seconds_knob(name: str) -> Callable[[JsonValue], Knobs]:
    def knobs(seen: JsonValue) -> Knobs:
        if not isinstance(seen, int) or seen not in {0, *_BEFORE}:
            return {}
        return {name: (_BEFORE[seen] + seen) / 2 if seen else 0.0}

    return knobs


def _path_of(seen: JsonValue) -> Knobs:
    statuses = [word for word in str(seen).split(" > ") if word]
    before = statuses[:-1]
    if not before:
        return {}
    starts = [number / len(before) for number in range(len(before))]
    return {"status_path": tuple(zip(before, starts, strict=True))}


_KNOBS: Mapping[str, Callable[[JsonValue], Knobs]] = {
    "teams.seen": _word_knob("teams_status", {"one": 200, "refused": 403}),
    "limits.readable": _status_knob("limits_status", {"yes": 200}),
    "limits.ceiling": _number_knob("ceiling", least=1, is_whole=True),
    "model.latency": _word_knob("performance_stats", {"yes": True, "no": False}),
    "quote.unknown-field": _status_knob("unknown_field_status", {"accepted": 0}),
    "quote.bare-value": _word_knob("strict_arrays", {"accepted": False, 400: True}),
    "quote.unknown-asset": _status_knob("unknown_asset_status", {"accepted": 0}),
    "quote.reference": _number_knob("reference_surcharge_cu"),
    "list.order": _word_knob(
        "list_newest_first", {"newest first": True, "oldest first": False}
    ),
    "list.uploads": _word_knob(
        "small_upload_jobs", {"shown": True, "not shown": False}
    ),
    "list.lag": _seconds_knob("list_lag_s"),
    "list.upload-lag": _seconds_knob("list_lag_s"),
    "list.prompt": _word_knob("prompt_archived_s", {"ids": 0.0}),
    "list.seed": _word_knob("echo_seed", {"text": "text", "float": "float"}),
    "date.skew": _number_knob("date_skew_s", least=-_MOST),
    "upload.ready": _word_knob("upload_pending_s", {"success": 0.0, "pending": 5.0}),
    "upload.again": _word_knob("upload_deduplicates", {"new": False, "same": True}),
    "asset.url": _word_knob(
        "transformed_urls", {"transformed": True, "original": False}
    ),
    "asset.output-index": _word_knob(
        "output_index", {"null": "null", "number": "position"}
    ),
    "bulk.unknown": _word_knob("bulk_unknown", {"left out": "omit", "fails": "404"}),
    "cdn.range": _word_knob("cdn_ranges", {"obeyed": True, "ignored": False}),
    "cdn.length": _word_knob("cdn_content_length", {"said": True, "not said": False}),
    "cdn.altered": _word_knob("altered_url_status", {302: 302, 403: 403}),
    "submit.status": _word_knob("submit_status", {200: 200, 201: 201, 202: 202}),
    "submit.author": _word_knob(
        "submit_author_differs", {"same": False, "differs": True}
    ),
    "job.visible": _seconds_knob("hidden_job_s"),
    "job.path": _path_of,
    "job.assets": _seconds_knob("asset_ids_delay_s"),
    "job.listed-assets": _word_knob(
        "list_omits_asset_ids", {"shown": False, "not shown": True}
    ),
    "asset.ready": _seconds_knob("asset_pending_s"),
    "echo.prompt": _word_knob(
        "echo_prompt",
        {form: form for form in ("same", "trimmed", "nfc", "rewritten")},
    ),
    "echo.seed": _word_knob(
        "echo_seed",
        {
            "number": "number",
            "text": "text",
            "float": "float",
            "another": "replaced",
        },
    ),
    "echo.size": _word_knob("echo_size_sign", {"same": "*", "with x": "x"}),
    "ceiling.refusal": _word_knob(
        "announce_ceiling", {"429 with details": True, "429": False}
    ),
    "wan.format": _word_knob(
        "image_format",
        {f"image/{name}": name for name in ("png", "jpeg", "webp")},
    ),
    "wan.set": _number_knob("image_set_outputs", is_whole=True),
}


def knobs_of(contract: Contract) -> dict[str, object]:
    """The fields of a profile that a contract determines, by name; may be empty."""
    knobs: dict[str, object] = {}
    for key, make in _KNOBS.items():
        seen = contract.value(key)
        if seen is not None:
            knobs.update(make(seen))
    knobs.update(_prices(contract))
    knobs.update(_models(contract))
    return knobs


def _prices(contract: Contract) -> Iterator[tuple[str, object]]:
    price = contract.value("quote.price")
    if isinstance(price, int | float) and 0 <= price <= _MOST:
        yield "unit_prices_cu", {contract.model_id: price}
    by_size = contract.value("quote.by-size")
    if isinstance(by_size, int | float) and 0 <= by_size <= _MOST:
        yield "size_factors", {"2K": by_size}


def _models(contract: Contract) -> Iterator[tuple[str, object]]:
    models = {
        model_id: record
        for model_id, record in contract.models.items()
        if _has_inputs(record)
    }
    if models:
        yield "extra_models", models
        yield "cost_impact", {}  # as the records have it
    plan = contract.value("model.plan")
    if isinstance(plan, str) and plan != "allowed":
        yield "restricted_models", (contract.model_id,)
        yield "required_plan", plan
    least = contract.value("quote.seed-negative") == "accepted"
    most = contract.value("quote.seed-large") == "accepted"
    changes = {**(_NO_LEAST if least else {}), **(_NO_MOST if most else {})}
    if changes:
        yield "input_changes", {"seed": changes}


def _has_inputs(record: Mapping[str, object]) -> bool:
    inputs = record.get("inputs")
    return isinstance(inputs, list) and all(
        isinstance(item, dict)
        and isinstance(item.get("name"), str)
        and isinstance(item.get("type"), str)
        for item in inputs
    )
