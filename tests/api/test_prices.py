"""HttpApi: prices by dry run, models' records, and what the team has left."""

from decimal import Decimal

import pytest

from pipeline.api.interface import UnexpectedJob
from pipeline.errors import (
    AccessDenied,
    BudgetReached,
    ExitCode,
    RateLimited,
    Rejected,
    Unavailable,
    UnexpectedAnswer,
)

BASE_URL = "https://api.cloud.scenario.com/v1"
MODEL = "model_wan-2-7-image"
QUOTE_URL = f"{BASE_URL}/generate/custom/{MODEL}?dryRun=true"
MODEL_URL = f"{BASE_URL}/models/{MODEL}"
TEAMS_URL = f"{BASE_URL}/teams"
LIMITS_URL = f"{BASE_URL}/teams/team_1/limits"
INPUTS = {"prompt": "an oak", "seed": 7, "images": ["asset_1"]}


# --- quotes ---------------------------------------------------------------------------------


async def test_a_dry_run_is_asked_for_in_the_query_and_of_the_exact_payload(
    api, answers
):
    answers.post(QUOTE_URL, status=269, payload={"job": {}, "creativeUnitsCost": 6})

    quote = await api.quote(MODEL, INPUTS)

    assert quote.units == 6
    [(method, _url, named)] = answers.calls
    assert method == "POST"
    assert named["params"] == {"dryRun": "true"}
    assert named["data"] == b'{"prompt":"an oak","seed":7,"images":["asset_1"]}'


async def test_a_submit_is_no_dry_run(api, answers):
    answers.post(
        f"{BASE_URL}/generate/custom/{MODEL}", payload={"job": {"jobId": "job_1"}}
    )

    await api.submit(MODEL, INPUTS)

    assert answers.calls[0][2]["params"] == {}


async def test_a_quote_is_exact_and_its_add_ons_are_part_of_it(api, answers):
    body = (
        '{"job": {}, "creativeUnitsCost": 7.25, "costDetails":'
        ' {"custom-generation": 6, "quality-gate": 1.25, "ip-detection": 0}}'
    )
    answers.post(QUOTE_URL, status=269, body=body)

    quote = await api.quote(MODEL, INPUTS)

    assert str(quote.units) == "7.25"
    assert quote.addons == {"quality-gate": Decimal("1.25")}


@pytest.mark.parametrize(
    "payload", [{"creativeUnitsCost": 0}, {"creativeUnitsCost": "0.1", "job": None}]
)
async def test_a_quote_may_be_nothing_a_text_and_without_any_job(api, answers, payload):
    answers.post(QUOTE_URL, status=269, payload=payload)

    quote = await api.quote(MODEL, INPUTS)

    assert quote.units == Decimal(str(payload["creativeUnitsCost"]))


@pytest.mark.parametrize(
    ("status", "job", "remote_id"),
    [
        (200, {"jobId": "job_9"}, "job_9"),
        (201, {"id": "job_9"}, "job_9"),
        (269, {"jobId": "job_9"}, "job_9"),
        (200, {}, None),
        (204, {}, None),
        (269, {"jobId": 5}, None),
        (269, {"jobId": "../x"}, None),
    ],
)
async def test_what_is_no_quote_is_an_unexpected_job_with_the_job_that_it_names(
    api, answers, status, job, remote_id
):
    payload = {"job": job, "creativeUnitsCost": 6}
    answers.post(QUOTE_URL, status=status, payload=payload)

    with pytest.raises(UnexpectedJob, match=f"HTTP {status}") as caught:
        await api.quote(MODEL, INPUTS)

    assert caught.value.remote_id == remote_id
    assert caught.value.units == 6
    assert (remote_id or "HTTP") in caught.value.message
    assert "money may have been spent" in caught.value.message
    assert caught.value.exit_code is ExitCode.BUDGET


@pytest.mark.parametrize(
    "body", ["<html>hello</html>", "", '{"job": {"jobId": "job_', "[1]", "null"]
)
async def test_a_200_that_cannot_be_read_is_an_unexpected_job(api, answers, body):
    answers.post(QUOTE_URL, status=200, body=body)

    with pytest.raises(UnexpectedJob) as caught:
        await api.quote(MODEL, INPUTS)

    assert caught.value.remote_id is None
    assert caught.value.units is None


@pytest.mark.parametrize("body", ["<html>hello</html>", "", "[1]"])
async def test_a_269_that_cannot_be_read_names_no_price_either(api, answers, body):
    answers.post(QUOTE_URL, status=269, body=body)

    with pytest.raises(Rejected, match="names no price"):
        await api.quote(MODEL, INPUTS)


@pytest.mark.parametrize("price", [None, -1, "cheap", True, {}, [6], "NaN", 1e300])
async def test_a_269_without_a_price_is_refused_and_not_tried_again(
    api, answers, price
):
    answers.post(QUOTE_URL, status=269, payload={"job": {}, "creativeUnitsCost": price})

    with pytest.raises(Rejected, match="names no price"):
        await api.quote(MODEL, INPUTS)


@pytest.mark.parametrize(
    ("status", "payload", "error"),
    [
        (400, {"reason": "odd"}, Rejected),
        (401, {}, AccessDenied),
        (402, {}, BudgetReached),
        (403, {"name": "ModelAccessRestrictedError"}, AccessDenied),
        (404, {}, Rejected),
        (429, {}, RateLimited),
        (500, {}, Unavailable),
        (503, {}, Unavailable),
        (302, {}, Unavailable),
    ],
)
async def test_a_refused_dry_run_is_no_unexpected_job_and_never_an_unknown_outcome(
    api, answers, status, payload, error
):
    answers.post(QUOTE_URL, status=status, payload=payload)

    with pytest.raises(error) as caught:
        await api.quote(MODEL, INPUTS)

    assert type(caught.value) is error


async def test_a_broken_dry_run_is_unavailable(api, answers):
    answers.post(QUOTE_URL, exception=ConnectionResetError())

    with pytest.raises(Unavailable):
        await api.quote(MODEL, INPUTS)


# --- models ---------------------------------------------------------------------------------


async def test_a_model_s_record_comes_as_the_service_has_it(api, answers):
    record = {"id": MODEL, "name": "Wan", "inputs": [], "novelty": [1]}
    answers.get(MODEL_URL, payload={"model": record})

    assert await api.find_model(MODEL) == record


async def test_a_model_that_is_not_there_is_none(api, answers):
    answers.get(MODEL_URL, status=404)

    assert await api.find_model(MODEL) is None


@pytest.mark.parametrize(
    "payload", [{}, {"model": None}, {"model": []}, {"model": {}}, {"model": {"id": 7}}]
)
async def test_an_answer_without_a_model_cannot_be_read(api, answers, payload):
    answers.get(MODEL_URL, payload=payload)

    with pytest.raises(UnexpectedAnswer, match="no model"):
        await api.find_model(MODEL)


@pytest.mark.parametrize("status", [401, 403])
async def test_a_model_that_may_not_be_read_is_denied(api, answers, status):
    answers.get(MODEL_URL, status=status)

    with pytest.raises(AccessDenied):
        await api.find_model(MODEL)


async def test_a_model_id_that_is_no_id_asks_nothing(api, answers):
    with pytest.raises(UnexpectedAnswer):
        await api.find_model("../teams")

    assert answers.calls == []


# --- what the team has left -----------------------------------------------------------------


async def left(api, answers, limits):
    answers.get(TEAMS_URL, payload={"teams": [{"id": "team_1"}]})
    answers.get(LIMITS_URL, payload=limits)
    return (await api.find_limits()).units_left


def granted(units=5000, used=120, **more):
    limits = {"limits": {"creativeUnits": units}, "values": {"creativeUnits": used}}
    return limits | more


async def test_what_is_left_is_what_was_granted_less_what_was_used(api, answers):
    assert await left(api, answers, granted()) == 4880


async def test_purchases_are_added_as_far_as_they_remain(api, answers):
    bought = [{"amount": 1000, "remaining": 400}, {"remaining": 0.5}, {"amount": 7}]

    units = await left(api, answers, granted(oneShotCreativeUnits=bought))

    assert units == Decimal("5280.5")


async def test_fractions_are_exact(api, answers):
    assert str(await left(api, answers, granted(0.3, 0.1))) == "0.2"


@pytest.mark.parametrize(
    "limits",
    [
        {},
        {"limits": {"creativeUnits": 5000}},
        {"values": {"creativeUnits": 120}},
        granted(None),
        granted(used="many"),
        granted(True),
        granted({}),
        granted("NaN"),
        {"limits": [], "values": 7},
    ],
)
async def test_what_is_not_said_is_not_made_up(api, answers, limits):
    assert await left(api, answers, limits) is None


@pytest.mark.parametrize("bought", [None, {}, "many", [7], [{}], [{"remaining": None}]])
async def test_odd_purchases_are_passed_over(api, answers, bought):
    assert await left(api, answers, granted(oneShotCreativeUnits=bought)) == 4880


async def test_ceiling_and_units_are_read_independently(api, answers):
    answers.get(TEAMS_URL, payload={"teams": [{"id": "team_1"}]})
    answers.get(LIMITS_URL, payload={"limits": {"parallelCustomJobs": 4}})

    limits = await api.find_limits()

    assert limits.ceiling == 4
    assert limits.units_left is None


@pytest.mark.parametrize(
    ("status", "payload"),
    [
        (402, {"reason": "no credit"}),
        (403, {"reason": "not enough creative units"}),
        (429, {"reason": "monthly quota reached"}),
    ],
)
@pytest.mark.parametrize("where", ["teams", "limits"])
async def test_a_lack_of_credit_hides_the_limits_and_stops_nothing(
    api, answers, status, payload, where
):
    if where == "limits":
        answers.get(TEAMS_URL, payload={"teams": [{"id": "team_1"}]})
    url = LIMITS_URL if where == "limits" else TEAMS_URL
    answers.get(url, status=status, payload=payload)

    limits = await api.find_limits()

    assert (limits.ceiling, limits.units_left) == (None, None)
