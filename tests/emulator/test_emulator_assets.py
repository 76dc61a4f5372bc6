"""Assets over HTTP: lags, bulk reads, uploads in both ways, what is refused."""

import base64

import pytest
from emulator.conftest import MODEL


async def finished_asset_id(client, clock, **inputs):
    _, made = await client.submit(**inputs)
    clock.advance(10)
    _, read = await client.call("GET", f"/jobs/{made['job']['jobId']}")
    return read["job"]["metadata"]["assetIds"][0]


async def test_asset_may_be_hidden_then_pending_then_there(start, clock):
    async with start(asset_hidden_s=2, asset_pending_s=5) as client:
        asset_id = await finished_asset_id(client, clock)
        assert (await client.call("GET", f"/assets/{asset_id}"))[0] == 404
        clock.advance(2)
        _, answer = await client.call("GET", f"/assets/{asset_id}")
        assert answer["asset"]["status"] == "pending"
        assert (await client.download(answer["asset"]["url"]))[0] == 404
        clock.advance(3)
        _, answer = await client.call("GET", f"/assets/{asset_id}")
        assert answer["asset"]["status"] == "success"


async def test_asset_may_end_as_error(start, clock):
    async with start() as client:
        asset_id = await finished_asset_id(client, clock, prompt="[asset-error]")
        _, answer = await client.call("GET", f"/assets/{asset_id}")
        assert answer["asset"]["status"] == "error"


async def test_share_of_assets_ends_as_error(start, clock):
    async with start(asset_error_rate=1.0) as client:
        asset_id = await finished_asset_id(client, clock)
        _, answer = await client.call("GET", f"/assets/{asset_id}")
        assert answer["asset"]["status"] == "error"


async def test_old_asset_is_gone(start, clock):
    async with start(asset_retention_s=100) as client:
        asset_id = await finished_asset_id(client, clock)
        clock.advance(100)
        assert (await client.call("GET", f"/assets/{asset_id}"))[0] == 404


async def test_asset_of_a_running_job_is_unknown(start, clock):
    async with start() as client:
        await client.submit()
        asset_id = client.emulator.service.store.jobs[0].asset_ids[0]
        assert (await client.call("GET", f"/assets/{asset_id}"))[0] == 404
        status, _ = await client.submit(images=[asset_id])
        assert status == 404


async def test_metadata_has_the_forms_of_its_profile(start, clock):
    async with start(output_index="zero") as client:
        asset = await client.make_asset(clock, seed=5)
        assert asset["metadata"]["seed"] == "5"
        assert asset["outputIndex"] == 0
    async with start() as client:
        asset = await client.make_asset(clock, seed=5)
        assert asset["metadata"]["seed"] == "5"
        assert asset["outputIndex"] is None


async def test_bulk_leaves_unknown_ids_out_or_fails(start, clock):
    body = {"assetIds": ["asset_none"]}
    async with start() as client:
        asset = await client.make_asset(clock)
        body["assetIds"].append(asset["id"])
        _, answer = await client.call("POST", "/assets/get-bulk", json=body)
        assert [found["id"] for found in answer["assets"]] == [asset["id"]]
    async with start(bulk_unknown="404") as client:
        assert (await client.call("POST", "/assets/get-bulk", json=body))[0] == 404


async def test_bulk_has_a_cap_and_may_be_shuffled(start, clock):
    async with start(bulk_cap=4, bulk_shuffled=True) as client:
        await client.submit(numOutputs=4)
        clock.advance(10)
        wanted = list(client.emulator.service.store.jobs[0].asset_ids)
        orders = set()
        for _ in range(6):
            _, answer = await client.call(
                "POST", "/assets/get-bulk", json={"assetIds": wanted}
            )
            orders.add(tuple(asset["id"] for asset in answer["assets"]))
        assert len(orders) > 1
        status, body = await client.call(
            "POST", "/assets/get-bulk", json={"assetIds": [*wanted, "asset_x"]}
        )
        assert status == 400
        assert body["reason"] == "Too many assetIds provided in a single request"


async def test_listing_is_paged_and_filtered(start, clock):
    async with start() as client:
        first = await client.make_asset(clock)
        second = await client.make_asset(clock, prompt="b")
        _, page = await client.call("GET", "/assets?pageSize=1")
        assert [asset["id"] for asset in page["assets"]] == [second["id"]]
        token = page["nextPaginationToken"]
        _, rest = await client.call(
            "GET", f"/assets?pageSize=1&paginationToken={token}"
        )
        assert [asset["id"] for asset in rest["assets"]] == [first["id"]]
        assert "nextPaginationToken" not in rest
        _, none = await client.call("GET", "/assets?types=uploaded")
        assert none["assets"] == []
        for wrong in ("paginationToken=x", "createdAfter=x", "pageSize=900"):
            assert (await client.call("GET", f"/assets?{wrong}"))[0] == 400


async def test_unknown_format_is_400(start, clock):
    async with start() as client:
        asset = await client.make_asset(clock)
        path = f"/assets/{asset['id']}/download"
        status, body = await client.call("POST", path, json={"targetFormat": "xyz"})
        assert (status, body["reason"]) == (400, "Invalid target format")
        _, original = await client.call("POST", path)
        assert (
            len((await client.download(original["url"]))[1])
            == (asset["properties"]["size"])
        )


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "a.png"},
        {"name": "a.png", "image": "not base64!"},
        {"name": "a.png", "image": base64.b64encode(b"no image").decode()},
        ["list"],
    ],
)
async def test_unusable_upload_is_400(start, body):
    async with start() as client:
        assert (await client.call("POST", "/assets", json=body))[0] == 400


async def test_same_bytes_are_one_asset_only_if_told(start, png):
    body = {"name": "a", "image": base64.b64encode(png()).decode()}
    for deduplicates, count in ((False, 2), (True, 1)):
        async with start(upload_deduplicates=deduplicates) as client:
            ids = {
                (await client.call("POST", "/assets", json=body))[1]["asset"]["id"]
                for _ in range(2)
            }
            assert len(ids) == count


async def test_upload_may_be_pending_and_hidden_for_a_while(start, clock, png):
    body = {"name": "a", "image": base64.b64encode(png()).decode()}
    async with start(upload_pending_s=3, upload_hidden_s=5) as client:
        _, made = await client.call("POST", "/assets", json=body)
        assert made["asset"]["status"] == "pending"
        assert (await client.submit(images=[made["asset"]["id"]]))[0] == 404
        clock.advance(5)
        assert (await client.submit(images=[made["asset"]["id"]]))[0] == 200


async def test_body_above_the_cap_is_413(start):
    async with start(body_cap_bytes=1000) as client:
        body = {"name": "a", "image": "A" * 2000}
        assert (await client.call("POST", "/assets", json=body))[0] == 413


async def begin(client, size, parts):
    _, made = await client.call(
        "POST",
        "/uploads",
        json={
            "fileName": "a.png",
            "fileSize": size,
            "contentType": "image/png",
            "kind": "image",
            "parts": parts,
        },
    )
    return made["upload"]


async def send_parts(client, upload, data):
    step = -(-len(data) // len(upload["parts"]))
    for number, part in enumerate(upload["parts"]):
        chunk = data[number * step : (number + 1) * step]
        async with client.session.put(part["url"], data=chunk) as sent:
            assert sent.status == client.emulator.service.profile.uploads.part_status


async def finish(client, clock, upload):
    path = f"/uploads/{upload['id']}"
    status, _ = await client.call("POST", f"{path}/action", json={"action": "complete"})
    assert status == 200
    clock.advance(1)
    _, read = await client.call("GET", path)
    return read["upload"]


async def test_part_with_a_credential_or_a_changed_url_is_denied(start, png):
    async with start() as client:
        upload = await begin(client, 10, 1)
        url = upload["parts"][0]["url"]
        for target, headers in ((url, client.headers), (url + "x", {})):
            async with client.session.put(target, data=b"x", headers=headers) as sent:
                assert sent.status == 403
        assert client.emulator.counters()["credentials_at_parts"] == 1


async def test_part_url_expires_and_is_signed_anew(start, clock):
    async with start(part_lifetime_s=60, part_status=204) as client:
        upload = await begin(client, 1, 1)
        clock.advance(61)
        async with client.session.put(upload["parts"][0]["url"], data=b"x") as sent:
            assert sent.status == 403
        _, fresh = await client.call("GET", f"/uploads/{upload['id']}")
        url = fresh["upload"]["parts"][0]["url"]
        async with client.session.put(url, data=b"x") as sent:
            assert sent.status == 204


async def test_missing_part_is_400(start):
    async with start() as client:
        upload = await begin(client, 10, 2)
        status, _ = await client.call(
            "POST", f"/uploads/{upload['id']}/action", json={"action": "complete"}
        )
        assert status == 400


UPLOAD_FAILURES = {
    "by chance": ({"upload_failure_rate": 1.0}, None, 1, "validated"),
    "too few bytes": ({}, 5, 1, "Expected 5 bytes"),
    "small part": ({}, None, 2, "smaller than the minimum"),
}


@pytest.mark.parametrize("case", UPLOAD_FAILURES)
async def test_upload_can_fail(start, clock, png, case):
    knobs, announced, parts, text = UPLOAD_FAILURES[case]
    data = png()
    async with start(**knobs) as client:
        upload = await begin(client, announced or len(data), parts)
        await send_parts(client, upload, data)
        read = await finish(client, clock, upload)
        assert read["status"] == "failed"
        assert text in read["errorMessage"]
        _, job = await client.call("GET", f"/jobs/{upload['jobId']}")
        assert job["job"]["status"] == "failure"


async def test_what_is_no_image_fails_unless_told(start, clock):
    for validates, status in ((True, "failed"), (False, "imported")):
        async with start(upload_validates=validates) as client:
            upload = await begin(client, 8, 1)
            await send_parts(client, upload, b"no image")
            assert (await finish(client, clock, upload))["status"] == status


async def test_upload_passes_through_its_statuses(start, clock, png):
    data = png()
    async with start(upload_seconds=10) as client:
        upload = await begin(client, len(data), 1)
        assert upload["status"] == "pending"
        await send_parts(client, upload, data)
        path = f"/uploads/{upload['id']}"
        await client.call("POST", f"{path}/action", json={"action": "complete"})
        seen = []
        for _ in range(4):
            _, read = await client.call("GET", path)
            seen.append((read["upload"]["status"], "entityId" in read["upload"]))
            clock.advance(4)
        assert seen == [
            ("validating", False),
            ("validating", False),
            ("complete", False),
            ("imported", True),
        ]


async def test_upload_by_url_cannot_reach_anything(start, clock):
    async with start() as client:
        body = {"url": "http://x.invalid/a.png", "kind": "image"}
        _, made = await client.call("POST", "/uploads", json=body)
        clock.advance(1)
        _, read = await client.call("GET", f"/uploads/{made['upload']['id']}")
        assert read["upload"]["status"] == "failed"


@pytest.mark.parametrize("word", ["403", "500", "503"])
async def test_part_faults_strike_parts(start, word):
    async with start() as client:
        upload = await begin(client, 1, 1)
        client.emulator.faults.next(f"part-{word}")
        url = upload["parts"][0]["url"]
        async with client.session.put(url, data=b"x") as sent:
            assert sent.status == int(word)
        async with client.session.put(url, data=b"x") as sent:
            assert sent.status == 200


UPLOAD = {
    "kind": "asset",
    "fileName": "oak.png",
    "contentType": "image/png",
    "fileSize": 12,
    "parts": 1,
}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ([], "The request body must be a JSON object"),
        ({**UPLOAD, "fileName": ""}, '"fileName" is required'),
        ({**UPLOAD, "kind": "poem"}, '"kind" must be one of the upload kinds'),
        ({**UPLOAD, "fileSize": 0}, '"fileSize" must be a positive number'),
        ({**UPLOAD, "parts": True}, '"parts" must be a positive number'),
        ({**UPLOAD, "parts": 10**6}, '"parts" must be at most'),
    ],
)
async def test_an_upload_that_is_not_described_well_is_400(start, body, reason):
    async with start() as client:
        status, answer = await client.call("POST", "/uploads", json=body)

    assert status == 400
    assert answer["reason"].startswith(reason)


async def test_an_unknown_upload_and_another_action_are_refused(start):
    async with start() as client:
        unknown = await client.call("GET", "/uploads/upload_none")
        path = f"/uploads/{(await begin(client, 10, 1))['id']}/action"
        other = await client.call("POST", path, json={"action": "cancel"})

    assert unknown[0] == 404
    assert (other[0], other[1]["reason"]) == (400, '"action" must be [complete]')


async def test_a_second_complete_changes_nothing_and_no_part_is_taken_after_it(
    start, clock, png
):
    async with start() as client:
        data = png()
        upload = await begin(client, len(data), 1)
        await send_parts(client, upload, data)

        first = await finish(client, clock, upload)
        second = await finish(client, clock, upload)
        async with client.session.put(upload["parts"][0]["url"], data=b"x") as late:
            assert late.status == 404

    assert first["entityId"] == second["entityId"]


@pytest.mark.parametrize("kind", ["model", "asset"])
async def test_a_bulk_read_without_ids_is_400(start, kind):
    async with start() as client:
        status, answer = await client.call("POST", f"/{kind}s/get-bulk", json=[])

    assert (status, answer["reason"]) == (400, f'"{kind}Ids" must be an array')


async def test_models_are_read_in_bulk_with_little_of_each_on_demand(start):
    body = {"modelIds": [MODEL, "model_none"]}
    async with start() as client:
        _, whole = await client.call("POST", "/models/get-bulk", json=body)
        _, little = await client.call(
            "POST", "/models/get-bulk", json={**body, "minimal": True}
        )

    assert [one["id"] for one in whole["models"]] == [MODEL]
    assert [one["id"] for one in little["models"]] == [MODEL]
    assert little["models"][0].items() < whole["models"][0].items()


async def test_a_listing_can_begin_with_the_oldest(start, clock):
    async with start() as client:
        made = [(await client.make_asset(clock))["id"] for _ in range(2)]
        _, page = await client.call("GET", "/assets?sortDirection=asc")

    assert [asset["id"] for asset in page["assets"]] == made


async def test_an_upload_is_listed_among_what_was_uploaded(start, png):
    image = base64.b64encode(png()).decode()
    async with start() as client:
        body = {"name": "a.png", "image": image}
        _, made = await client.call("POST", "/assets", json=body)
        _, page = await client.call("GET", "/assets?types=uploaded")

    assert [asset["id"] for asset in page["assets"]] == [made["asset"]["id"]]
