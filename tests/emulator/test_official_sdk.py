"""The unmodified official SDK against a running emulator: the independent check."""

import base64
import json
from typing import Any

import pytest
from scenario_sdk import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    types,
)

from pipeline.emulator.model_records import load_models
from pipeline.emulator.profiles.jobs import JobsProfile
from pipeline.emulator.profiles.money import MoneyProfile

MODEL = "model_wan-2-7-image"


async def test_job_goes_from_submit_to_a_downloaded_file(start, connect, clock):
    async with start() as client, connect(client) as sdk:
        made = await sdk.generate.run_model(
            MODEL, body={"prompt": "an oak", "size": "1K", "numOutputs": 2, "seed": 5}
        )
        assert made.job.status == "queued"
        assert made.creative_units_cost == 12
        clock.advance(10)

        read = await sdk.jobs.retrieve(made.job.job_id)
        assert read.job.status == "success"
        assert read.job.progress == 1
        assert [entry.status for entry in read.job.status_history] == [
            "queued",
            "warming-up",
            "in-progress",
            "finalizing",
            "success",
        ]
        assert read.job.metadata.input == {
            "prompt": "an oak",
            "size": "1K",
            "numOutputs": 2,
            "seed": 5,
            "modelId": MODEL,
        }
        bulk = await sdk.assets.get_bulk(
            asset_ids=read.job.metadata.asset_ids, original_assets=True
        )
        assert [asset.id for asset in bulk.assets] == read.job.metadata.asset_ids
        one = await sdk.assets.retrieve(bulk.assets[0].id, original_assets=True)
        assert one.asset.metadata.parent_job_id == made.job.job_id
        status, data, headers = await client.download(one.asset.url)
        assert status == 200
        assert len(data) == one.asset.properties.size
        assert headers["Content-Type"] == one.asset.mime_type == "image/png"


async def test_quote_is_269_and_makes_no_job(start, connect):
    async with start() as client, connect(client) as sdk:
        raw = await sdk.generate.with_raw_response.run_model(
            MODEL, body={"prompt": "x", "numOutputs": 3}, dry_run="true"
        )
        quote = await raw.parse()

        assert raw.http_response.status_code == 269
        assert quote.creative_units_cost == 18
        assert client.emulator.counters()["jobs_made"] == 0


async def test_list_is_read_to_its_last_token(start, connect, clock):
    async with start() as client, connect(client) as sdk:
        made = set()
        for number in range(7):
            answer = await sdk.generate.run_model(
                MODEL, body={"prompt": f"tree {number}"}
            )
            made.add(answer.job.job_id)
            clock.advance(1)
        client.emulator.faults.next("list-empty-page")

        seen, token, pages = set(), None, 0
        while pages == 0 or token:
            options = {"pagination_token": token} if token else {}
            page = await sdk.jobs.list(types=["custom"], page_size=3, **options)
            seen |= {job.job_id for job in page.jobs}
            token = page.next_pagination_token
            pages += 1

        assert seen == made
        assert pages == 4


async def test_small_file_is_uploaded_in_base64_and_used(start, connect, clock, png):
    async with start() as client, connect(client) as sdk:
        text = base64.b64encode(png()).decode()
        bare = await sdk.assets.upload(name="a.png", image=text)
        url = await sdk.assets.upload(
            name="b.png", image=f"data:image/png;base64,{text}"
        )
        assert (bare.asset.properties.width, bare.asset.properties.height) == (40, 30)
        assert url.asset.status == "success"

        asset = await client.make_asset(clock, images=[bare.asset.id, url.asset.id])

        assert asset["metadata"]["referenceImages"] == [bare.asset.id, url.asset.id]
        assert asset["metadata"]["type"] == "img2img"


async def test_large_file_is_uploaded_in_parts(start, connect, clock, png):
    data = png()
    async with start(part_min_bytes=1) as client, connect(client) as sdk:
        made = await sdk.uploads.create(
            file_name="a.png",
            file_size=len(data),
            content_type="image/png",
            kind="image",
            parts=2,
        )
        half = len(data) // 2
        for part, chunk in zip(
            made.upload.parts, (data[:half], data[half:]), strict=True
        ):
            async with client.session.put(
                part.url, data=chunk, headers={"Content-Type": "image/png"}
            ) as sent:
                assert sent.status == 200
        done = await sdk.uploads.trigger_action(made.upload.id, action="complete")
        assert done.upload.status != "imported"
        clock.advance(1)

        read = await sdk.uploads.retrieve(made.upload.id)
        assert read.upload.status == "imported"
        job = await sdk.jobs.retrieve(made.upload.job_id)
        assert job.job.job_type == "upload"
        assert job.job.metadata.output["entityId"] == read.upload.entity_id
        asset = await sdk.assets.retrieve(read.upload.entity_id)
        assert (await client.download(asset.asset.url))[1] == data


async def test_models_teams_and_limits_can_be_read(start, connect):
    async with start(ceiling=4) as client, connect(client) as sdk:
        model = await sdk.models.retrieve(MODEL)
        assert model.model.inputs[0].name == "prompt"
        many = await sdk.models.get_bulk(model_ids=[MODEL, "model_none"])
        assert [found.id for found in many.models] == [MODEL]
        assert (await sdk.models.list(page_size=1)).models == []
        listed = (await sdk.models.list(privacy="public")).models
        known = load_models(JobsProfile(), MoneyProfile())
        assert {model.id for model in listed} == known.keys()
        teams = await sdk.teams.list()
        assert len(teams.teams[0].projects) == 1
        limits = await sdk.teams.retrieve_limits(teams.teams[0].id)
        assert limits.limits.parallel_custom_jobs == 4
        usages = await sdk.usages.list()
        assert {usage.usage_name for usage in usages.usages} >= {"refunds"}


async def test_every_answer_has_the_fields_and_types_of_the_sdk(start, clock, png):
    knobs = {"prompt_archived_s": 5, "companion_assets": 1, "workflow_child_rate": 1.0}
    async with start(ceiling=4, **knobs) as client:

        async def check(kind, method, path, **options):
            _, body = await client.call(method, path, **options)
            kind.model_validate_json(json.dumps(body), strict=True)
            return body

        image = base64.b64encode(png()).decode()
        small = {"name": "a.png", "image": image}
        upload = await check(types.AssetUploadResponse, "POST", "/assets", json=small)
        inputs = {"prompt": "an oak", "images": [upload["asset"]["id"]]}
        path = f"/generate/custom/{MODEL}"
        made = await check(types.GenerateRunModelResponse, "POST", path, json=inputs)
        path = f"/jobs/{made['job']['jobId']}"
        await check(types.JobRetrieveResponse, "GET", path)
        clock.advance(20)
        done = await check(types.JobRetrieveResponse, "GET", path)
        _, listed = await client.call("GET", "/jobs")
        assert len(listed["jobs"]) == 3  # with the upload and a child of a workflow
        for job in listed["jobs"]:
            types.JobListResponse.model_validate_json(json.dumps(job), strict=True)
        prompt = done["job"]["metadata"]["input"]["prompt"]
        ids = [*done["job"]["metadata"]["assetIds"], upload["asset"]["id"], prompt]
        bulk = {"assetIds": ids}
        many = await check(
            types.AssetGetBulkResponse, "POST", "/assets/get-bulk", json=bulk
        )
        kinds = [asset["kind"] for asset in many["assets"]]
        assert kinds == ["image", "json", "image", "text"]
        await check(types.ModelRetrieveResponse, "GET", f"/models/{MODEL}")
        teams = await check(types.TeamListResponse, "GET", "/teams")
        path = f"/teams/{teams['teams'][0]['id']}/limits"
        await check(types.TeamRetrieveLimitsResponse, "GET", path)
        await check(types.UsageListResponse, "GET", "/usages")
        parts = {"contentType": "image/png", "kind": "image", "parts": 1}
        parts |= {"fileName": "a.png", "fileSize": 10}
        await check(types.UploadCreateResponse, "POST", "/uploads", json=parts)


async def test_format_endpoint_gives_a_converted_file(start, connect, clock):
    async with start() as client, connect(client) as sdk:
        asset = await client.make_asset(clock)

        answer = await sdk.assets.download.request(asset["id"], target_format="jpeg")

        _, data, headers = await client.download(answer.url)
        assert headers["Content-Type"] == answer.mime_type == "image/jpeg"
        assert data.startswith(b"\xff\xd8")


def body_of(refused: pytest.ExceptionInfo[APIStatusError]) -> Any:
    return refused.value.body


async def test_cancel_of_a_custom_job_is_refused(start, connect):
    async with start() as client, connect(client) as sdk:
        made = await sdk.generate.run_model(MODEL, body={"prompt": "x"})

        with pytest.raises(BadRequestError) as refused:
            await sdk.jobs.trigger_action(made.job.job_id, action="cancel")

        assert body_of(refused)["reason"] == (
            "Cannot cancel this type of job. Action not permitted."
        )


async def test_missing_prompt_is_400_with_reason_and_trace(start, connect):
    async with start() as client, connect(client) as sdk:
        with pytest.raises(BadRequestError) as refused:
            await sdk.generate.run_model(MODEL, body={"size": "1K"})

        assert body_of(refused)["reason"] == "Input prompt is required"
        assert body_of(refused)["trace_id"]


async def test_wrong_key_is_401(start, connect):
    async with (
        start(accepted_keys={"key": "secret"}) as client,
        connect(client, api_secret="wrong") as sdk,
    ):
        with pytest.raises(AuthenticationError):
            await sdk.models.list(page_size=1)


async def test_empty_balance_is_402(start, connect):
    async with start(credits_cu=10) as client, connect(client) as sdk:
        await sdk.generate.run_model(MODEL, body={"prompt": "x"})

        with pytest.raises(APIStatusError) as refused:
            await sdk.generate.run_model(MODEL, body={"prompt": "y"})

        assert refused.value.status_code == 402
        assert "insufficient" in body_of(refused)["reason"]


async def test_model_above_the_plan_is_403_for_quotes_too(start, connect):
    async with start(restricted_models=(MODEL,)) as client, connect(client) as sdk:
        for options in ({}, {"dry_run": "true"}):
            with pytest.raises(PermissionDeniedError) as refused:
                await sdk.generate.run_model(MODEL, body={"prompt": "x"}, **options)

            assert body_of(refused)["name"] == "ModelAccessRestrictedError"
            assert body_of(refused)["details"] == {
                "currentPlan": "cu-pro",
                "requiredPlan": "cu-max",
            }


async def test_unknown_job_is_404(start, connect):
    async with start() as client, connect(client) as sdk:
        with pytest.raises(NotFoundError) as refused:
            await sdk.jobs.retrieve("job_none")

        assert body_of(refused)["reason"] == "Job job_none not found"


async def test_ceiling_is_429_and_makes_nothing(start, connect):
    async with start(ceiling=1, retry_after_s=3) as client, connect(client) as sdk:
        await sdk.generate.run_model(MODEL, body={"prompt": "x"})

        with pytest.raises(RateLimitError) as refused:
            await sdk.generate.run_model(MODEL, body={"prompt": "y"})

        assert body_of(refused)["details"]["actionLimit"] == 1
        assert refused.value.response.headers["Retry-After"] == "3"
        assert client.emulator.counters()["jobs_made"] == 1
