"""HttpApi: the ceiling of parallel jobs, as far as the key may read it."""

import pytest

from pipeline.errors import AccessDenied, Unavailable

BASE_URL = "https://api.cloud.scenario.com/v1"

TEAMS_URL = f"{BASE_URL}/teams"
LIMITS_URL = f"{BASE_URL}/teams/team_1/limits"


async def test_the_ceiling_is_read_from_the_only_team(api, answers):
    answers.get(TEAMS_URL, payload={"teams": [{"id": "team_1"}]})
    answers.get(LIMITS_URL, payload={"limits": {"parallelCustomJobs": 4}})

    assert (await api.find_limits()).ceiling == 4


@pytest.mark.parametrize(
    "teams",
    [[], [{"id": "team_1"}, {"id": "team_2"}], [{"id": "../x"}], "none", [7]],
    ids=["no team", "several", "hostile id", "wrong type", "wrong record"],
)
async def test_without_exactly_one_team_there_is_no_ceiling(api, answers, teams):
    answers.get(TEAMS_URL, payload={"teams": teams})

    assert (await api.find_limits()).ceiling is None
    assert len(answers.calls) == 1


@pytest.mark.parametrize(
    "answer",
    [{"status": 403}, {"status": 404}, {"status": 429}, {"body": "<html>"}],
    ids=["403", "404", "429", "HTML"],
)
async def test_a_key_that_may_not_read_limits_has_no_ceiling(api, answers, answer):
    answers.get(TEAMS_URL, payload={"teams": [{"id": "team_1"}]})
    answers.get(LIMITS_URL, **answer)

    assert (await api.find_limits()).ceiling is None


@pytest.mark.parametrize("value", [0, -1, True, "4", 4.0, None, {}])
async def test_a_ceiling_that_is_no_positive_whole_number_is_none(api, answers, value):
    answers.get(TEAMS_URL, payload={"teams": [{"id": "team_1"}]})
    answers.get(LIMITS_URL, payload={"limits": {"parallelCustomJobs": value}})

    assert (await api.find_limits()).ceiling is None


async def test_a_wrong_key_is_found_out_by_asking_for_the_ceiling(api, answers):
    answers.get(TEAMS_URL, status=401)

    with pytest.raises(AccessDenied) as caught:
        await api.find_limits()

    assert caught.value.exit_code == 6


async def test_a_service_that_is_away_is_no_missing_ceiling(api, answers):
    answers.get(TEAMS_URL, status=503)

    with pytest.raises(Unavailable):
        await api.find_limits()
