"""Persistence: what a second start with the same state file finds."""

import base64
import json

import pytest

from pipeline.emulator import EmulatorProfile
from pipeline.emulator.service import EmulatedService

MODEL = "model_wan-2-7-image"


@pytest.fixture
def state_file(tmp_path):
    return tmp_path / "counters" / "emulator.jsonl"


@pytest.fixture
def reopen(clock, state_file):
    """A service on the state file, without closing the one before: a kill."""
    services = []

    def make(**knobs):
        values = {"job_seconds": (10.0, 10.0), **knobs}
        profile = EmulatorProfile.of(**values)
        services.append(EmulatedService(profile, clock, state_file))
        return services[-1]

    yield make
    for service in services:
        service.close()


def test_second_start_shows_the_same_jobs(reopen, clock, submit):
    first = reopen(failure_rate=0.5)
    ids = [submit(first, f"tree {number}") for number in range(20)]
    clock.advance(4)

    second = reopen(failure_rate=0.5)

    assert [second.read_job(job_id) for job_id in ids] == [
        first.read_job(job_id) for job_id in ids
    ]
    clock.advance(6)
    assert [second.read_job(job_id) for job_id in ids] == [
        first.read_job(job_id) for job_id in ids
    ]
    assert second.list_jobs({"types": "custom"}) == first.list_jobs({"types": "custom"})
    counters = first.read_counters(), second.read_counters()
    for key in ("charged_cu", "refunded_cu", "jobs_by_status", "in_flight", "seed"):
        assert counters[0][key] == counters[1][key]


def test_job_goes_on_while_nothing_runs(reopen, clock, submit):
    job_id = submit(reopen())
    clock.advance(3600)
    assert reopen().read_job(job_id)["job"]["status"] == "success"


def test_new_jobs_get_new_ids(reopen, submit):
    first = submit(reopen())
    assert submit(reopen()) != first


def test_torn_last_line_is_cut_off(reopen, state_file, submit):
    job_id = submit(reopen())
    with state_file.open("ab") as journal:
        journal.write(b'{"kind":"job","record":{"num')

    second = reopen()
    other = submit(second)

    third = reopen()
    assert third.read_job(job_id)
    assert third.read_job(other)
    for line in state_file.read_bytes().splitlines():
        json.loads(line)


def test_damage_in_the_middle_is_reported(reopen, state_file, submit):
    submit(reopen())
    state_file.write_bytes(b"garbage\n" + state_file.read_bytes())
    with pytest.raises(json.JSONDecodeError):
        reopen()


def test_submit_is_durable_before_it_is_answered(reopen, state_file, submit):
    job_id = submit(reopen())
    assert job_id.encode() in state_file.read_bytes()


def test_fail_once_stays_failed_once(reopen, clock, submit):
    submit(reopen(), "[fail-once]")
    second = reopen()
    job_id = submit(second, "[fail-once]")
    clock.advance(10)
    assert second.read_job(job_id)["job"]["status"] == "success"


async def test_files_are_the_same_after_a_restart(start, clock, png, state_file):
    knobs = {"state_file": state_file, "seed": None}
    image = base64.b64encode(png()).decode()
    async with start(**knobs) as client:
        body = {"name": "a.png", "image": image}
        _, made = await client.call("POST", "/assets", json=body)
        reference = made["asset"]["id"]
        asset = await client.make_asset(clock, images=[reference])
        _, data, _ = await client.download(asset["url"])
    async with start(**knobs) as client:
        query = "?originalAssets=true"
        _, again = await client.call("GET", f"/assets/{asset['id']}{query}")
        assert again["asset"]["properties"] == asset["properties"]
        assert (await client.download(again["asset"]["url"]))[1] == data
        _, upload = await client.call("GET", f"/assets/{reference}{query}")
        assert (await client.download(upload["asset"]["url"]))[1] == png()


async def test_upload_goes_on_after_a_restart(start, clock, png, state_file):
    data = png()
    knobs = {"state_file": state_file, "upload_seconds": 5}
    async with start(**knobs) as client:
        body = {
            "fileName": "a.png",
            "fileSize": len(data),
            "contentType": "image/png",
            "kind": "image",
            "parts": 1,
        }
        _, made = await client.call("POST", "/uploads", json=body)
        upload = made["upload"]
        async with client.session.put(upload["parts"][0]["url"], data=data) as sent:
            assert sent.status == 200
    path = f"/uploads/{upload['id']}"
    async with start(**knobs) as client:
        status, _ = await client.call(
            "POST", f"{path}/action", json={"action": "complete"}
        )
        assert status == 200
    clock.advance(5)
    async with start(**knobs) as client:
        _, read = await client.call("GET", path)
        assert read["upload"]["status"] == "imported"
        _, job = await client.call("GET", f"/jobs/{upload['jobId']}")
        assert job["job"]["status"] == "success"
        entity = job["job"]["metadata"]["output"]["entityId"]
        assert (await client.submit(images=[entity]))[0] == 200
