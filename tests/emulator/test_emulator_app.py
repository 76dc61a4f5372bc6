"""App: what every request goes through, and the counters."""

import base64
from email.utils import format_datetime

import pytest

from pipeline.emulator.identity import PROJECT_ID, TEAM_ID

MODEL = "model_wan-2-7-image"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer token",
        "Basic !!!",
        "Basic " + base64.b64encode(b"no colon").decode(),
        "Basic " + base64.b64encode(b":secret").decode(),
        "Basic " + base64.b64encode("k\u00e9y:s".encode()).decode(),
    ],
)
async def test_request_without_a_good_credential_is_401(start, header):
    async with start() as client:
        status, body = await client.call(
            "GET", "/models", headers={"Authorization": header}
        )
        assert status == 401
        assert body["reason"] == "Unauthorized"
        assert body["trace_id"]


async def test_each_key_is_an_author_unless_told(start):
    other = {"Authorization": "Basic " + base64.b64encode(b"other:s").decode()}
    for same, count in ((False, 2), (True, 1)):
        async with start(same_author=same) as client:
            body = {"prompt": "x"}
            path = f"/generate/custom/{MODEL}"
            authors = {
                (await client.call("POST", path, json=body, headers=headers))[1]["job"][
                    "authorId"
                ]
                for headers in (client.headers, other)
            }
            assert len(authors) == count


async def test_foreign_project_is_refused(start):
    async with start(foreign_project_status=404) as client:
        assert (await client.call("GET", "/jobs?projectId=proj_other"))[0] == 404
        assert (await client.call("GET", f"/jobs?projectId={PROJECT_ID}"))[0] == 200


async def test_date_is_the_time_of_the_clock(start, clock):
    async with start() as client:
        url = f"{client.emulator.base_url}/models"
        async with client.session.get(url, headers=client.headers) as response:
            assert response.headers["Date"] == format_datetime(clock.now, usegmt=True)


async def test_too_many_requests_within_any_minute_are_429(start, clock):
    async with start(requests_per_minute=3) as client:

        async def ask(count):
            return [(await client.call("GET", "/models"))[0] for _ in range(count)]

        assert await ask(1) == [200]
        clock.advance(50)
        assert await ask(3) == [200, 200, 429]
        clock.advance(10)
        assert await ask(2) == [200, 429]
        clock.advance(50)
        assert await ask(3) == [200, 200, 429]


async def test_answer_above_the_cap_is_a_gateway_error(start):
    async with start(response_cap_bytes=100) as client:
        url = f"{client.emulator.base_url}/models/{MODEL}"
        async with client.session.get(url, headers=client.headers) as response:
            assert response.status == 502
            assert response.content_type == "text/html"


async def test_broken_json_is_400(start):
    async with start() as client:
        path = f"/generate/custom/{MODEL}"
        assert (await client.call("POST", path, data=b"{"))[0] == 400
        assert (await client.call("POST", path, json=["list"]))[0] == 400


@pytest.mark.parametrize("value", ["true", "api"])
async def test_only_the_query_makes_a_dry_run(start, value):
    async with start() as client:
        path = f"/generate/custom/{MODEL}?dryRun={value}"
        status, body = await client.call("POST", path, json={"prompt": "x"})
        assert (status, body["job"]) == (269, {})
        status, body = await client.submit(dryRun=True)
        assert status == 200
        assert body["job"]["jobId"]


async def test_unknown_model_is_404(start):
    async with start() as client:
        for method, path in (("POST", "/generate/custom/m"), ("GET", "/models/m")):
            assert (await client.call(method, path, json={"prompt": "x"}))[0] == 404


async def test_closed_account_endpoints_are_refused(start):
    async with start(limits_status=403, teams_status=403) as client:
        team = f"/teams/{TEAM_ID}"
        for path in ("/teams", team, f"{team}/limits", "/usages"):
            status, body = await client.call("GET", path)
            assert status == 403
            assert body["message"] == "API Keys cannot access protected resources"


async def test_counters_are_open_to_the_owner(start):
    async with start() as client:
        await client.submit()
        url = client.emulator.base_url.replace("/v1", "/emulator/counters")
        async with client.session.get(url) as response:
            counters = await response.json()
        assert counters == client.emulator.counters()
        assert counters["submits_received"] == counters["jobs_made"] == 1
        assert counters["charged_cu"] == 6
        assert counters["requests"] == {"submit": 1}


async def test_answer_may_be_delayed(start, clock):
    import asyncio

    async with start(answer_delay_s=5) as client:
        task = asyncio.ensure_future(client.call("GET", "/models"))
        await clock.until_someone_sleeps()
        assert not task.done()
        clock.advance(5)
        assert (await task)[0] == 200


async def test_a_team_is_read_by_its_own_id_alone(start):
    async with start() as client:
        _, every = await client.call("GET", "/teams")
        found = await client.call("GET", f"/teams/{TEAM_ID}")
        other = await client.call("GET", "/teams/team_none")

    assert found == (200, {"team": every["teams"][0]})
    assert other[0] == 404


async def test_a_job_can_be_cancelled_in_no_way(start):
    async with start() as client:
        _, made = await client.submit()
        path = f"/jobs/{made['job']['jobId']}/action"
        answers = [
            await client.call("POST", path, json={"action": action})
            for action in ("cancel", "pause")
        ]

    assert [status for status, _ in answers] == [400, 400]
    assert answers[1][1]["reason"] == '"action" must be [cancel]'
