"""What the service's record of a job says: of its inputs, outputs, charge and author."""

import pytest

from pipeline.emulator.echoes import PROMPTS, SEEDS

MODEL = "model_wan-2-7-image"


def echo_of(service, job_id):
    return service.read_job(job_id)["job"]["metadata"]["input"]


@pytest.mark.parametrize(
    ("form", "shown"),
    [
        ("number", 70_000),
        ("text", "70000"),
        ("float", 70_000.0),
        ("clamped", 65_535),
        ("replaced", 1_070_003),
    ],
)
def test_seed_is_shown_as_the_profile_says(make_service, submit, form, shown):
    service = make_service(echo_seed=form)
    seed = echo_of(service, submit(service, seed=70_000))["seed"]
    assert (seed, type(seed)) == (shown, type(shown))


@pytest.mark.parametrize(
    ("form", "shown"),
    [
        ("same", " cafe\u0301  at dusk "),
        ("trimmed", "cafe\u0301 at dusk"),
        ("nfc", " caf\u00e9  at dusk "),
        ("rewritten", " cafe\u0301  at dusk , highly detailed, best quality"),
    ],
)
def test_prompt_is_shown_as_the_profile_says(make_service, submit, form, shown):
    service = make_service(echo_prompt=form)
    assert echo_of(service, submit(service, " cafe\u0301  at dusk "))["prompt"] == shown


def test_every_form_of_an_echo_is_tested():
    assert set(SEEDS) == {"number", "text", "float", "clamped", "replaced"}
    assert set(PROMPTS) == {"same", "trimmed", "nfc", "rewritten"}


def test_size_may_be_spelled_otherwise(make_service, submit):
    service = make_service(echo_size_sign="x")
    assert echo_of(service, submit(service, size="1024*1024"))["size"] == "1024x1024"


async def test_archived_prompt_is_a_text_asset_that_can_be_read(start, clock):
    async with start(prompt_archived_s=100) as client:
        _, made = await client.submit("an oak\nby night")
        path = f"/jobs/{made['job']['jobId']}"
        assert made["job"]["metadata"]["input"]["prompt"] == "an oak\nby night"
        clock.advance(100)

        _, read = await client.call("GET", path)
        asset_id = read["job"]["metadata"]["input"]["prompt"]
        assert asset_id.startswith("asset_")
        _, answer = await client.call("GET", f"/assets/{asset_id}")
        assert answer["asset"]["kind"] == "text"
        assert answer["asset"]["mimeType"] == "text/plain"
        _, data, _ = await client.download(answer["asset"]["url"])
        assert data.decode() == "an oak\nby night"


def test_answer_to_a_submit_may_name_another_author(make_service):
    service = make_service(submit_author_differs=True)
    made = service.submit(MODEL, {"prompt": "x"}, "apiu_me").body["job"]
    assert made["authorId"] != "apiu_me"
    assert service.list_jobs({})["jobs"][0]["authorId"] == "apiu_me"


def test_success_comes_before_its_assets(make_service, clock, submit):
    service = make_service(asset_ids_delay_s=5)
    job_id = submit(service)
    clock.advance(14)
    early = service.read_job(job_id)["job"]
    clock.advance(1)
    late = service.read_job(job_id)["job"]
    assert (early["status"], early["metadata"]["assetIds"]) == ("success", [])
    assert len(late["metadata"]["assetIds"]) == 1


def test_listing_may_never_show_assets(make_service, clock, submit):
    service = make_service(list_omits_asset_ids=True)
    job_id = submit(service)
    clock.advance(20)
    assert service.list_jobs({})["jobs"][0]["metadata"]["assetIds"] == []
    assert service.read_job(job_id)["job"]["metadata"]["assetIds"]


@pytest.mark.parametrize(("refunded", "back_cu"), [(False, 0), (True, 18)])
def test_partial_failure_carries_its_assets(
    make_service, clock, submit, refunded, back_cu
):
    service = make_service(partial_refunded=refunded)
    job_id = submit(service, "trees [partial]", numOutputs=3)
    clock.advance(20)
    job = service.read_job(job_id)["job"]
    assert job["status"] == "failure"
    assert len(job["metadata"]["assetIds"]) == 2
    assert "Some of the outputs" in job["metadata"]["error"]
    assert service.read_counters()["refunded_cu"] == back_cu


def test_job_may_end_with_a_word_that_nobody_knows(make_service, clock, submit):
    service = make_service(ceiling=1)
    job_id = submit(service, "an oak [odd-status]")
    clock.advance(20)
    job = service.read_job(job_id)["job"]
    assert job["status"] == "completed"
    assert len(job["metadata"]["assetIds"]) == 1
    assert submit(service)  # it has given its slot back
    assert service.read_counters()["refunded_cu"] == 0


def test_late_addon_is_named_at_the_end_alone(make_service, clock):
    service = make_service(late_addon_cu=5)
    body = {"prompt": "x"}
    quote = service.submit(MODEL, body, "apiu_me", is_quote=True).body
    made = service.submit(MODEL, body, "apiu_me").body
    assert quote["creativeUnitsCost"] == made["creativeUnitsCost"] == 6
    assert made["job"]["billing"] == {"cuCost": 6, "cuDiscount": 0}
    assert service.read_counters()["charged_cu"] == 11
    clock.advance(20)
    ended = service.read_job(made["job"]["jobId"])["job"]
    assert ended["billing"]["cuCostDetails"] == {"quality-gate": 5}


def test_children_of_workflows_stand_beside_ours(make_service, submit):
    service = make_service(workflow_child_rate=1.0)
    job_id = submit(service)
    child, ours = service.list_jobs({})["jobs"]
    assert ours["jobId"] == job_id
    assert "workflowJobId" not in ours["metadata"]
    assert child["metadata"]["workflowJobId"].startswith("job_")
    assert child["authorId"] == ours["authorId"]
    assert child["metadata"]["input"] == ours["metadata"]["input"]
    assert (
        service.read_counters()["jobs_made"]
        == service.read_counters()["in_flight"]
        == 1
    )
    assert service.read_counters()["charged_cu"] == 6


def test_strangers_send_what_we_send(make_service, submit):
    service = make_service(stranger_rate=1.0)
    submit(service)
    stranger, ours = service.list_jobs({})["jobs"]
    assert stranger["authorId"] != ours["authorId"] == "apiu_me"
    assert stranger["metadata"]["input"] == ours["metadata"]["input"]
    assert set(stranger["metadata"]["assetIds"]).isdisjoint(
        ours["metadata"]["assetIds"]
    )


async def test_neighbours_outlive_a_restart(start, clock, tmp_path):
    knobs = {"state_file": tmp_path / "state.jsonl", "workflow_child_rate": 1.0}
    async with start(**knobs) as client:
        await client.submit()
        _, before = await client.call("GET", "/jobs")
    async with start(**knobs) as client:
        _, after = await client.call("GET", "/jobs")
        assert after == before
        assert client.emulator.counters()["jobs_made"] == 1


@pytest.mark.parametrize("listed", [True, False])
async def test_small_upload_is_a_job_too(start, png, listed):
    import base64

    async with start(small_upload_jobs=listed) as client:
        body = {"name": "a.png", "image": base64.b64encode(png()).decode()}
        _, made = await client.call("POST", "/assets", json=body)
        _, page = await client.call("GET", "/jobs")
        _, custom = await client.call("GET", "/jobs?types=custom")
        assert [job["jobType"] for job in page["jobs"]] == ["upload"] * listed
        for job in page["jobs"]:
            assert job["metadata"]["output"] == {"entityId": made["asset"]["id"]}
        assert custom["jobs"] == []


@pytest.mark.parametrize("skew_s", [-10_800, 300])
async def test_date_header_may_be_off(start, clock, skew_s):
    from datetime import timedelta
    from email.utils import parsedate_to_datetime

    async with start(date_skew_s=skew_s) as client:
        url = f"{client.emulator.base_url}/jobs"
        async with client.session.get(url, headers=client.headers) as answer:
            said = parsedate_to_datetime(answer.headers["Date"])
        off = said - clock.utc_now()
        assert abs(off - timedelta(seconds=skew_s)) <= timedelta(seconds=1)


async def test_inputs_are_shown_by_the_read_of_one_model_alone(start):
    async with start() as client:
        _, one = await client.call("GET", f"/models/{MODEL}")
        _, listed = await client.call("GET", "/models?privacy=public")
        body = {"modelIds": [MODEL]}
        _, many = await client.call("POST", "/models/get-bulk", json=body)
        assert "inputs" in one["model"]
        assert "inputs" not in listed["models"][0]
        assert "inputs" not in many["models"][0]


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 422, 429])
async def test_submit_may_be_refused_after_its_job_was_made(start, status):
    async with start() as client:
        client.emulator.faults.next(f"submit-{status}-after")
        answered, body = await client.submit()
        assert answered == status
        assert body["reason"]
        assert client.emulator.counters()["jobs_made"] == 1
