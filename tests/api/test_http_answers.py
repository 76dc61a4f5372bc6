"""HttpApi: every answer of the service (API section 10.2) → exactly one of our errors."""

from dataclasses import dataclass, field

import pytest

from pipeline.api.interface import JobFilter
from pipeline.errors import (
    AccessDenied,
    BudgetReached,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    Unavailable,
    UnexpectedAnswer,
)

BASE_URL = "https://api.cloud.scenario.com/v1"
MODEL = "model_wan-2-7-image"
SUBMIT_URL = f"{BASE_URL}/generate/custom/{MODEL}"
JOB_URL = f"{BASE_URL}/jobs/job_1"


@dataclass(frozen=True)
class Case:
    """An answer, and what it means for a free call and for a submit."""

    name: str
    status: int
    free: type
    submit: type
    payload: object = None
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    says: str = ""
    facts: dict[str, object] = field(default_factory=dict)

    @property
    def canned(self):
        named = {"status": self.status, "headers": self.headers}
        if self.payload is not None:
            return named | {"payload": self.payload}
        return named | {"body": self.body}


def both(name, status, error, **named):
    return Case(name, status, error, error, **named)


def unsure(name, status, error, **named):
    return Case(name, status, error, OutcomeUnknown, **named)


CASES = [
    both(
        "400 with reason",
        400,
        Rejected,
        payload={"reason": "Input prompt is required", "trace_id": "t-1"},
        says="Input prompt is required",
        facts={"status": 400, "trace_id": "t-1"},
    ),
    both(
        "400 with hint",
        400,
        Rejected,
        payload={"message": "bad size", "hint": "use 1024*1024", "traceId": "t-2"},
        says="bad size",
        facts={"hint": "use 1024*1024", "trace_id": "t-2"},
    ),
    both(
        "400 nested error",
        400,
        Rejected,
        payload={"error": {"message": "deep inside"}},
        says="deep inside",
    ),
    both(
        "400 detail",
        400,
        Rejected,
        payload={"detail": "in the detail"},
        says="in the detail",
    ),
    both(
        "400 not JSON",
        400,
        Rejected,
        body="<html><b>Bad</b> request</html>",
        says="Bad request",
        facts={"status": 400},
    ),
    both(
        "401",
        401,
        AccessDenied,
        payload={"reason": "Unauthorized"},
        says="Unauthorized",
        facts={
            "status": 401,
            "hint": "check SCENARIO_SDK_API_KEY and SCENARIO_SDK_API_SECRET",
        },
    ),
    both(
        "402",
        402,
        BudgetReached,
        payload={"reason": "insufficient credits"},
        says="insufficient credits",
    ),
    both("402 without a body", 402, BudgetReached, says="no reason given"),
    both(
        "403 model above the plan",
        403,
        AccessDenied,
        payload={
            "name": "ModelAccessRestrictedError",
            "reason": "not in your plan",
            "modelId": MODEL,
            "requiredPlan": "cu-pro",
        },
        facts={
            "status": 403,
            "hint": "the model needs a higher plan (cu-pro); choose another model",
        },
    ),
    both(
        "403 model above the plan, named in details",
        403,
        AccessDenied,
        payload={
            "name": "ModelAccessRestrictedError",
            "reason": "not in your plan",
            "details": {"currentPlan": "cu-basic", "requiredPlan": "cu-pro"},
        },
        facts={
            "status": 403,
            "hint": "the model needs a higher plan (cu-pro), yours is cu-basic;"
            " choose another model",
        },
    ),
    both(
        "403 scope",
        403,
        AccessDenied,
        payload={"message": "API Keys cannot access protected resources"},
        facts={"status": 403, "hint": "check the key's scope and its project"},
    ),
    both(
        "403 credit words",
        403,
        BudgetReached,
        payload={"reason": "Not enough Creative Units left"},
    ),
    both(
        "403 moderation",
        403,
        Rejected,
        payload={"reason": "The prompt was flagged"},
        facts={"status": 403},
    ),
    both(
        "404",
        404,
        Rejected,
        payload={"reason": "Model not found"},
        facts={"status": 404},
    ),
    unsure("408", 408, Unavailable, facts={"status": 408}),
    unsure(
        "409",
        409,
        Unavailable,
        payload={"reason": "conflict", "trace_id": "t-3"},
        facts={"status": 409, "trace_id": "t-3"},
    ),
    unsure("410", 410, Rejected, facts={"status": 410}),
    both("413", 413, Rejected, body="too large", facts={"status": 413}),
    unsure("418", 418, Rejected, facts={"status": 418}),
    both(
        "422", 422, Rejected, payload={"reason": "unprocessable"}, facts={"status": 422}
    ),
    both(
        "429 ceiling",
        429,
        RateLimited,
        payload={
            "reason": "too many",
            "details": {"actionName": "parallel-custom-jobs", "actionLimit": 4},
            "trace_id": "t-4",
        },
        facts={"ceiling": 4, "retry_after_s": 0.0, "trace_id": "t-4", "status": 429},
    ),
    both(
        "429 ceiling that mentions a quota",
        429,
        RateLimited,
        payload={"reason": "quota of parallel jobs", "details": {"actionLimit": 4}},
        facts={"ceiling": 4},
    ),
    both(
        "429 plan limit",
        429,
        RateLimited,
        payload={
            "reason": "limit reached",
            "name": "PlanLimitReachedError",
            "details": {
                "actionLimit": 7,
                "actionName": "parallel-custom-jobs",
                "actionValue": 9,
                "limitScope": "team",
            },
        },
        facts={"ceiling": 7, "in_flight": 9, "scope": "team"},
    ),
    both(
        "429 plan limit of the wrong types",
        429,
        RateLimited,
        payload={
            "reason": "limit reached",
            "details": {"actionLimit": "7", "actionValue": [], "limitScope": 3},
        },
        facts={"ceiling": None, "in_flight": None, "scope": ""},
    ),
    both(
        "429 too many requests, with a word of quotas",
        429,
        RateLimited,
        payload={"message": "API quota: too many requests"},
        facts={"is_about_requests": True, "ceiling": None},
    ),
    both(
        "429 long cooldown",
        429,
        RateLimited,
        payload={"reason": "cooldown", "remainingSeconds": 172800},
        facts={"retry_after_s": 172_800.0},
    ),
    both(
        "429 absurd cooldown",
        429,
        RateLimited,
        payload={"reason": "cooldown", "remainingSeconds": 1e300},
        facts={"retry_after_s": 30 * 86_400.0},
    ),
    both(
        "429 Retry-After as a date, beside a Date",
        429,
        RateLimited,
        headers={
            "Retry-After": "Wed, 21 Oct 2026 07:38:00 GMT",
            "Date": "Wed, 21 Oct 2026 07:28:00 GMT",
        },
        facts={"retry_after_s": 600.0},
    ),
    both(
        "429 ceiling of the wrong type",
        429,
        RateLimited,
        payload={"reason": "too many", "details": {"actionLimit": True}},
        facts={"ceiling": None},
    ),
    both(
        "429 details of the wrong type",
        429,
        RateLimited,
        payload={"reason": "too many", "details": [4]},
        facts={"ceiling": None},
    ),
    both(
        "429 cooldown",
        429,
        RateLimited,
        payload={"reason": "cooldown", "remainingSeconds": 7},
        facts={"ceiling": None, "retry_after_s": 7.0},
    ),
    both(
        "429 cooldown of the wrong type",
        429,
        RateLimited,
        payload={"reason": "cooldown", "remainingSeconds": {}},
        facts={"retry_after_s": 0.0},
    ),
    both(
        "429 Retry-After",
        429,
        RateLimited,
        headers={"Retry-After": "3"},
        facts={"retry_after_s": 3.0, "ceiling": None},
    ),
    both(
        "429 Retry-After beyond a minute",
        429,
        RateLimited,
        headers={"Retry-After": "3600"},
        facts={"retry_after_s": 3600.0},
    ),
    both(
        "429 Retry-After as a date",
        429,
        RateLimited,
        headers={"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"},
        facts={"retry_after_s": 0.0},
    ),
    both(
        "429 Retry-After nan",
        429,
        RateLimited,
        headers={"Retry-After": "nan"},
        facts={"retry_after_s": 0.0},
    ),
    both(
        "429 quota words",
        429,
        BudgetReached,
        payload={"reason": "monthly quota reached"},
    ),
    both("429 HTML", 429, RateLimited, body="<h1>slow down</h1>", says="slow down"),
    unsure(
        "500",
        500,
        Unavailable,
        payload={"reason": "oops", "trace_id": "t-5"},
        facts={"status": 500, "trace_id": "t-5"},
    ),
    unsure(
        "502 HTML",
        502,
        Unavailable,
        body="<html><h1>Bad Gateway</h1></html>",
        says="Bad Gateway",
        facts={"status": 502},
    ),
    unsure(
        "503 Retry-After",
        503,
        Unavailable,
        headers={"Retry-After": "2"},
        facts={"status": 503, "retry_after_s": 2.0},
    ),
    unsure(
        "504 empty", 504, Unavailable, says="no reason given", facts={"status": 504}
    ),
    unsure(
        "200 without a job", 200, UnexpectedAnswer, payload={"creativeUnitsCost": 6}
    ),
    unsure("200 with an empty job", 200, UnexpectedAnswer, payload={"job": {}}),
    unsure("269 with an empty job", 269, UnexpectedAnswer, payload={"job": {}}),
    unsure(
        "200 with a job id that is none",
        200,
        UnexpectedAnswer,
        payload={"job": {"jobId": "../x"}},
    ),
    unsure("200 HTML", 200, UnexpectedAnswer, body="<html>hello</html>"),
    unsure("200 broken JSON", 200, UnexpectedAnswer, body='{"job": {"jobId": "job_'),
    unsure("200 list", 200, UnexpectedAnswer, payload=[1]),
    unsure("200 null", 200, UnexpectedAnswer, body="null"),
    unsure("200 empty", 200, UnexpectedAnswer, says="empty body"),
    unsure("204", 204, UnexpectedAnswer),
    unsure("200 not UTF-8", 200, UnexpectedAnswer, body=b'{"job": "\xff"}'),
    unsure(
        "301",
        301,
        Unavailable,
        headers={"Location": "https://evil.example/"},
        facts={"status": 301},
    ),
    unsure(
        "302",
        302,
        Unavailable,
        headers={"Location": f"{BASE_URL}/teams"},
        facts={"status": 302},
    ),
    unsure(
        "307",
        307,
        Unavailable,
        headers={"Location": f"{BASE_URL}/teams"},
        facts={"status": 307},
    ),
    unsure("304", 304, Unavailable, facts={"status": 304}),
]
ALL = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@ALL
async def test_an_answer_to_a_submit_says_whether_it_may_have_been_paid(
    api, answers, case
):
    answers.post(SUBMIT_URL, repeat=True, **case.canned)

    with pytest.raises(case.submit) as caught:
        await api.submit(MODEL, {"prompt": "an oak"})

    assert type(caught.value) is case.submit
    assert case.says in caught.value.message
    for name, value in case.facts.items():
        if hasattr(caught.value, name):
            assert getattr(caught.value, name) == value, name
    assert getattr(caught.value, "request_left", True)
    assert len(answers.calls) == 1


@ALL
async def test_an_answer_to_a_listing_is_one_of_ours(api, answers, case):
    answers.get(
        f"{BASE_URL}/jobs?pageSize=100&types=custom", repeat=True, **case.canned
    )

    with pytest.raises(case.free) as caught:
        await api.list_jobs(JobFilter())

    assert type(caught.value) is case.free
    assert case.says in caught.value.message
    for name, value in case.facts.items():
        # Only errors of one job carry a trace id.
        if name != "trace_id" or hasattr(caught.value, "trace_id"):
            assert getattr(caught.value, name) == value, name
    assert len(answers.calls) == 1


@ALL
async def test_an_answer_to_the_read_of_one_job_is_one_of_ours(api, answers, case):
    answers.get(JOB_URL, repeat=True, **case.canned)
    if case.status == 404:
        assert await api.find_job("job_1") is None
        return

    with pytest.raises(case.free) as caught:
        await api.find_job("job_1")

    assert type(caught.value) is case.free
    assert caught.value.message


async def test_the_trace_id_survives_that_a_submit_becomes_unsure(api, answers):
    answers.post(SUBMIT_URL, status=500, payload={"reason": "oops", "trace_id": "t-9"})

    with pytest.raises(OutcomeUnknown) as caught:
        await api.submit(MODEL, {})

    assert caught.value.trace_id == "t-9"
    assert "oops" in caught.value.message


@pytest.mark.parametrize("status", [200, 201, 202, 269])
async def test_any_2xx_with_a_job_id_is_a_submission(api, answers, status):
    answers.post(
        SUBMIT_URL,
        status=status,
        body='{"job":{"jobId":"job_1","status":"warming-up"},"creativeUnitsCost":7.25}',
    )

    submission = await api.submit(MODEL, {"prompt": "an oak"})

    assert submission.job.remote_id == "job_1"
    assert str(submission.charged) == "7.25"


async def test_a_text_of_any_length_is_cut(api, answers):
    answers.post(SUBMIT_URL, status=400, payload={"reason": "x" * 100_000})

    with pytest.raises(Rejected) as caught:
        await api.submit(MODEL, {})

    assert len(caught.value.message) < 2200


async def test_a_body_above_the_cap_is_unavailable_and_not_kept(api, answers):
    answers.get(JOB_URL, body=b" " * ((16 << 20) + 1))

    with pytest.raises(Unavailable, match="larger than"):
        await api.find_job("job_1")


async def test_a_submit_whose_answer_is_above_the_cap_is_unsure(api, answers):
    answers.post(SUBMIT_URL, body=b" " * ((16 << 20) + 1))

    with pytest.raises(OutcomeUnknown):
        await api.submit(MODEL, {})


async def test_a_body_of_several_megabytes_is_read_whole(api, answers):
    padding = "x" * (5 << 20)
    answers.get(JOB_URL, payload={"job": {"jobId": "job_1", "padding": padding}})

    assert (await api.find_job("job_1")).remote_id == "job_1"


# --- what a 429 does to our own rate ----------------------------------------------


async def test_a_429_without_a_ceiling_lowers_the_rate(api, answers, clock):
    clock.jump(100)
    answers.get(JOB_URL, status=429)
    with pytest.raises(RateLimited):
        await api.find_job("job_1")
    answers.get(JOB_URL, payload={"job": {"jobId": "job_1"}}, repeat=True)
    clock.slept_s.clear()

    for _ in range(20):
        await api.find_job("job_1")

    assert sum(clock.slept_s) > 10 * 1 / 50  # half of 100 a second, less the burst


async def test_a_429_with_a_ceiling_leaves_the_rate_alone(api, answers, clock):
    clock.jump(100)
    answers.get(JOB_URL, status=429, payload={"details": {"actionLimit": 2}})
    with pytest.raises(RateLimited):
        await api.find_job("job_1")
    answers.get(JOB_URL, payload={"job": {"jobId": "job_1"}}, repeat=True)
    clock.slept_s.clear()

    for _ in range(20):
        await api.find_job("job_1")

    assert sum(clock.slept_s) <= 20 / 100
