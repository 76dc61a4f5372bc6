"""HttpApi: the service's time, and when it last answered."""

import pytest

from pipeline.clock import parse_utc
from pipeline.errors import Unavailable

BASE_URL = "https://api.cloud.scenario.com/v1"
JOB_URL = f"{BASE_URL}/jobs/job_1"


async def test_the_service_s_time_is_learned_from_its_date_header(api, answers, clock):
    answers.get(
        JOB_URL,
        payload={"job": {"jobId": "job_1"}},
        headers={"Date": "Sun, 01 Mar 2026 13:00:00 GMT"},
    )

    await api.find_job("job_1")

    assert api.service_now() == parse_utc("2026-03-01T13:00:00.500Z")


@pytest.mark.parametrize("date", ["Sun, 01 Mar 2026 12:00:01 GMT", "yesterday", ""])
async def test_a_date_that_is_coarse_or_odd_changes_nothing(api, answers, clock, date):
    answers.get(JOB_URL, payload={"job": {"jobId": "job_1"}}, headers={"Date": date})

    await api.find_job("job_1")

    assert api.service_now() == clock.utc_now()


async def test_an_answer_is_noted_and_a_broken_exchange_is_not(api, answers, clock):
    clock.jump(5)
    answers.get(JOB_URL, exception=ConnectionResetError())
    answers.get(JOB_URL, status=500)

    with pytest.raises(Unavailable):
        await api.find_job("job_1")
    assert api.answered_at_s is None
    with pytest.raises(Unavailable):
        await api.find_job("job_1")
    assert (api.answered_at_s or 0) >= 5
