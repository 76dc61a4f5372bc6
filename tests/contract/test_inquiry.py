"""What an inquiry sees of a service, and that a rehearsal shows the same."""

from typing import Any

import pytest
from contract.conftest import MODEL

from pipeline.api.exchange import Exchange
from pipeline.contract.assumptions import ASSUMPTIONS, BY_KEY, verdict_on
from pipeline.contract.prober import date_of
from pipeline.contract.rehearsal import knobs_of

SHORT = {"job_seconds": (2.0, 2.0)}
FREE = {
    "limits_status": 403,
    "unknown_field_status": 422,
    "strict_arrays": True,
    "unknown_asset_status": 400,
    "list_newest_first": False,
    "transformed_urls": False,
    "altered_url_status": 403,
    "cdn_ranges": False,
    "cdn_content_length": False,
    "bulk_unknown": "404",
    "upload_pending_s": 5.0,
    "upload_deduplicates": True,
    "unit_prices_cu": {MODEL: 2.5},
    "size_factors": {"2K": 2},
    "reference_surcharge_cu": 1,
    "input_changes": {"seed": {"min": None, "max": None}},
    "cost_impact": {},
    "performance_stats": False,
}
PAID = {
    **SHORT,
    "ceiling": 2,
    "date_skew_s": -10_800.0,
    "submit_status": 201,
    "submit_author_differs": True,
    "status_path": (("pending", 0.0), ("processing", 0.5)),
    "hidden_job_s": 45.0,
    "asset_ids_delay_s": 90.0,
    "list_omits_asset_ids": True,
    "echo_seed": "text",
    "echo_prompt": "trimmed",
    "echo_size_sign": "x",
    "announce_ceiling": False,
    "output_index": "position",
    "image_format": "jpeg",
    "image_set_outputs": 3,
}
RESTRICTED = {"restricted_models": (MODEL,), "required_plan": "cu-galactic"}
TWISTS: dict[str, tuple[dict[str, Any], int]] = {
    "free": (FREE, 0),
    "paid": (PAID, 100),
    "uploads are no jobs": ({"small_upload_jobs": False}, 0),
    "above the plan": (RESTRICTED, 0),
    "archived": ({**SHORT, "prompt_archived_s": 0.0}, 6),
}


def seen_of(findings):
    return {key: value for key, (value, _) in findings.contract.seen.items()}


def differing(findings):
    seen = seen_of(findings)
    return {key for key, value in seen.items() if verdict_on(key, value) == "differ"}


async def test_service_that_is_as_we_think_differs_in_nothing(place_of):
    async with place_of(ceiling=2, **SHORT) as place:
        found = await place.ask(spend=100)

    assert differing(found) == set()
    open_ones = set(BY_KEY) - set(seen_of(found))
    assert open_ones == {"rate.limit", "rate.refusal"}
    assert found.trouble == ""


@pytest.mark.parametrize("name", TWISTS)
async def test_rehearsal_answers_as_the_service_did(name, place_of):
    knobs, spend = TWISTS[name]
    async with place_of(**knobs) as place:
        real = await place.ask(spend=spend)
    assert real.trouble == ""

    rehearsed = {**knobs_of(real.contract), "job_seconds": (2.0, 2.0)}
    async with place_of(**rehearsed) as place:
        again = await place.ask(spend=spend)

    assert seen_of(again) == seen_of(real)
    assert differing(real)


@pytest.mark.parametrize(
    ("knob", "value", "key", "seen"),
    [
        ("teams_status", 403, "teams.seen", "refused"),
        ("limits_status", 403, "limits.readable", 403),
        ("ceiling", 7, "limits.ceiling", 7),
        ("cost_impact", {}, "model.cost-impact", "not flagged"),
        ("performance_stats", False, "model.latency", "no"),
        ("input_changes", {"prompt": {"maxLength": 5000}}, "model.prompt-limit", 5000),
        ("unit_prices_cu", {MODEL: 3.25}, "quote.price", 3.25),
        ("size_factors", {"2K": 1.5}, "quote.by-size", 1.5),
        ("unknown_field_status", 400, "quote.unknown-field", 400),
        ("strict_arrays", True, "quote.bare-value", 400),
        ("unknown_asset_status", 0, "quote.unknown-asset", "accepted"),
        ("list_newest_first", False, "list.order", "oldest first"),
        ("list_lag_s", 3.0, "list.upload-lag", 5),
        ("small_upload_jobs", False, "list.uploads", "not shown"),
        ("date_skew_s", 300.0, "date.skew", 300),
        ("upload_pending_s", 3.0, "upload.ready", "pending"),
        ("upload_deduplicates", True, "upload.again", "same"),
        ("transformed_urls", False, "asset.url", "original"),
        ("bulk_unknown", "404", "bulk.unknown", "fails"),
        ("cdn_ranges", False, "cdn.range", "ignored"),
        ("cdn_content_length", False, "cdn.length", "not said"),
        ("altered_url_status", 403, "cdn.altered", 403),
        ("restricted_models", (MODEL,), "model.plan", "cu-max"),
    ],
)
async def test_free_question_sees_what_is_otherwise(knob, value, key, seen, place_of):
    async with place_of(**{knob: value}) as place:
        found = await place.ask()

        assert seen_of(found)[key] == seen
        assert place.emulator.counters()["jobs_made"] == 0


@pytest.mark.parametrize(
    ("knob", "value", "key", "seen"),
    [
        ("submit_status", 202, "submit.status", 202),
        ("submit_author_differs", True, "submit.author", "differs"),
        ("hidden_job_s", 45.0, "job.visible", 60),
        ("list_lag_s", 45.0, "list.lag", 60),
        ("asset_ids_delay_s", 45.0, "job.assets", 60),
        ("list_omits_asset_ids", True, "job.listed-assets", "not shown"),
        ("asset_pending_s", 45.0, "asset.ready", 60),
        ("echo_seed", "clamped", "echo.seed", "another"),
        ("echo_seed", "float", "echo.seed", "float"),
        ("echo_prompt", "nfc", "echo.prompt", "nfc"),
        ("echo_prompt", "rewritten", "echo.prompt", "rewritten"),
        ("prompt_archived_s", 0.0, "echo.prompt", "asset id"),
        ("prompt_archived_s", 0.0, "list.prompt", "ids"),
        ("echo_size_sign", "x", "echo.size", "with x"),
        ("output_index", "zero", "asset.output-index", "number"),
        ("image_format", "webp", "wan.format", "image/webp"),
        ("charge_factor", 0.5, "submit.charge", "less"),
    ],
)
async def test_paid_question_sees_what_is_otherwise(knob, value, key, seen, place_of):
    async with place_of(**{**SHORT, knob: value}) as place:
        found = await place.ask(spend=6)

        assert seen_of(found)[key] == seen
        assert place.emulator.counters()["submits_received"] == 1


async def test_limit_on_requests_is_found(place_of):
    async with place_of() as place:
        found = await place.ask(asks_rate=True)
        assert seen_of(found)["rate.limit"] == "none found"
        assert place.emulator.counters()["requests"]["model"] > 120


def test_every_key_is_told_once():
    assert len(BY_KEY) == len(ASSUMPTIONS)


async def test_a_job_that_never_ends_ends_the_spending_and_is_named(
    place_of, monkeypatch
):
    monkeypatch.setattr("pipeline.contract.paid_probes.LONGEST_JOB_S", 20.0)
    async with place_of(job_seconds=(1e6, 1e6)) as place:
        found = await place.ask(spend=6)

    seen = seen_of(found)
    assert found.trouble.startswith("job job_")
    assert found.trouble.endswith(" does not end")
    assert "job.path" not in seen


async def test_jobs_that_fail_say_nothing_of_what_they_would_have_made(place_of):
    async with place_of(failure_rate=1.0, ceiling=2, **SHORT) as place:
        found = await place.ask(spend=100)

    seen = seen_of(found)
    assert str(seen["job.path"]).endswith("failure")
    assert not {"job.assets", "wan.set"} & seen.keys()


async def test_a_ceiling_that_refuses_nothing_is_seen(place_of):
    async with place_of(announced_ceiling=2, **SHORT) as place:
        found = await place.ask(spend=100)

    assert seen_of(found)["ceiling.refusal"] == "none"


async def test_an_echo_without_the_prompt_is_seen(place_of):
    async with place_of(echo_omits=("prompt",), **SHORT) as place:
        found = await place.ask(spend=6)

    assert seen_of(found)["echo.prompt"] == "absent"


def test_more_than_the_least_that_we_need_agrees():
    (key,) = (one.key for one in ASSUMPTIONS if one.at_least is not None)
    least = BY_KEY[key].at_least
    assert least is not None

    assert [verdict_on(key, least + more) for more in (-1, 0, 1)] == [
        "differ",
        "agree",
        "agree",
    ]


@pytest.mark.parametrize("date", [{}, {"date": "noon"}])
def test_an_answer_without_a_readable_date_has_none(date):
    answer = Exchange(method="GET", target="/jobs", status=200, headers=date)

    assert date_of(answer) is None
