"""CDN: signatures, credentials, expiry, ranges, and what a file looks like."""

import io
from datetime import UTC, datetime

import pytest
from PIL import Image

from pipeline.emulator.signing import window_end_ms
from pipeline.emulator.timeline import iso, to_ms


@pytest.mark.parametrize("parameter", ["Policy", "Signature", "Key-Pair-Id"])
async def test_altered_or_missing_parameter_is_denied(start, clock, parameter):
    async with start(altered_url_status=403) as client:
        url = (await client.make_asset(clock))["url"]
        for altered in (
            url.replace(f"{parameter}=", f"{parameter}=x"),
            url.replace(f"{parameter}=", "Other="),
        ):
            status, body, headers = await client.download(altered)
            assert status == 403
            assert headers["Content-Type"].startswith("text/xml")
            assert b"AccessDenied" in body


async def test_altered_signature_leads_to_another_host(start, clock):
    async with start() as client:
        url = (await client.make_asset(clock))["url"]
        altered = url.replace("Signature=", "Signature=x")
        status, _, headers = await client.download(altered, allow_redirects=False)
        assert status == 302
        assert client.emulator.cdn_url not in headers["Location"]


async def test_signature_opens_one_path_only(start, clock):
    async with start(altered_url_status=403) as client:
        first = await client.make_asset(clock)
        second = await client.make_asset(clock, prompt="a pine")
        stolen = first["url"].replace(first["id"], second["id"])
        assert (await client.download(stolen))[0] == 403


async def test_parameters_may_be_appended(start, clock):
    async with start() as client:
        url = (await client.make_asset(clock))["url"]
        assert (await client.download(f"{url}&name=x"))[0] == 200


async def test_credential_is_denied_and_noted(start, clock):
    async with start() as client:
        url = (await client.make_asset(clock))["url"]
        status, _, _ = await client.download(url, headers=client.headers)
        assert status == 403
        assert client.emulator.counters()["credentials_at_cdn"] == 1


async def test_url_expires_and_a_fresh_one_opens(start, clock):
    async with start(cdn_lifetime_s=60) as client:
        asset = await client.make_asset(clock)
        clock.advance(61)
        assert (await client.download(asset["url"]))[0] == 403
        _, fresh = await client.call("GET", f"/assets/{asset['id']}")
        assert (await client.download(fresh["asset"]["url"]))[0] == 200


async def test_url_is_the_same_inside_a_window(start, clock):
    async with start() as client:
        asset = await client.make_asset(clock)
        clock.advance(3600)
        query = "?originalAssets=true"
        _, again = await client.call("GET", f"/assets/{asset['id']}{query}")
        assert again["asset"]["url"] == asset["url"]


@pytest.mark.parametrize(
    ("day", "end"),
    [
        ("2026-11-01", "2026-11-14T23:59:59.000Z"),
        ("2026-11-07", "2026-11-14T23:59:59.000Z"),
        ("2026-11-08", "2026-11-21T23:59:59.000Z"),
        ("2026-11-15", "2026-11-30T23:59:59.000Z"),
        ("2026-11-22", "2026-12-07T23:59:59.000Z"),
        ("2026-12-31", "2027-01-07T23:59:59.000Z"),
    ],
)
def test_window_ends_by_the_day_of_the_month(day, end):
    moment = datetime.fromisoformat(day).replace(tzinfo=UTC)
    assert iso(window_end_ms(to_ms(moment))) == end


async def test_range_is_obeyed_or_ignored_as_told(start, clock):
    async with start() as client:
        url = (await client.make_asset(clock))["url"]
        _, whole, _ = await client.download(url)
        part = {"Range": "bytes=10-19"}
        status, data, headers = await client.download(url, headers=part)
        assert (status, data) == (206, whole[10:20])
        assert headers["Content-Range"] == f"bytes 10-19/{len(whole)}"
        past = {"Range": f"bytes={len(whole)}-"}
        assert (await client.download(url, headers=past))[0] == 416
    async with start(cdn_ranges=False) as client:
        url = (await client.make_asset(clock))["url"]
        assert (await client.download(url, headers=part))[0] == 200


async def test_length_may_be_missing(start, clock):
    async with start(cdn_content_length=False) as client:
        asset = await client.make_asset(clock)
        _, data, headers = await client.download(asset["url"])
        assert "Content-Length" not in headers
        assert len(data) == asset["properties"]["size"]


@pytest.mark.parametrize("marker", ["[png]", "[jpeg]", "[webp]"])
async def test_properties_match_the_file(start, clock, marker):
    async with start() as client:
        asset = await client.make_asset(clock, prompt=f"oak {marker}", size="1280*720")
        _, data, headers = await client.download(asset["url"])
        image = Image.open(io.BytesIO(data))
        assert image.size == (160, 90)
        assert asset["properties"] == {"size": len(data), "width": 160, "height": 90}
        assert asset["mimeType"] == headers["Content-Type"] == f"image/{marker[1:-1]}"


async def test_types_may_be_claimed_wrongly(start, clock):
    async with start(
        image_format="jpeg",
        claimed_mime_type="image/png",
    ) as client:
        asset = await client.make_asset(clock)
        _, data, headers = await client.download(asset["url"])
        assert asset["mimeType"] == "image/png"
        assert headers["Content-Type"] == "image/jpeg"
        assert data.startswith(b"\xff\xd8")


async def test_policy_covers_what_its_query_begins_with(start, clock):
    async with start(altered_url_status=403) as client:
        asset = await client.make_asset(clock)
        _, answer = await client.call("GET", f"/assets/{asset['id']}")
        url = answer["asset"]["url"]
        assert f"/assets-transform/{asset['id']}?p=100&" in url
        assert (await client.download(f"{url}&width=8"))[0] == 200
        for altered in (
            url.replace("p=100", "width=8&p=100"),
            url.replace("p=1", "p=2"),
        ):
            assert (await client.download(altered))[0] == 403


async def test_url_leads_to_a_copy_unless_the_original_is_asked_for(start, clock):
    async with start() as client:
        asset = await client.make_asset(clock)
        assert (
            len((await client.download(asset["url"]))[1])
            == (asset["properties"]["size"])
        )
        _, answer = await client.call("GET", f"/assets/{asset['id']}")
        _, data, headers = await client.download(answer["asset"]["url"])
        assert headers["Content-Type"] == "image/png"
        assert len(data) != asset["properties"]["size"]
    async with start(transformed_urls=False) as client:
        asset = await client.make_asset(clock)
        _, answer = await client.call("GET", f"/assets/{asset['id']}")
        assert answer["asset"]["url"] == asset["url"]


async def test_companion_is_json_of_another_kind(start, clock):
    async with start(companion_assets=1) as client:
        await client.make_asset(clock)
        _, listed = await client.call("GET", "/assets")
        kinds = {asset["kind"]: asset for asset in listed["assets"]}
        assert set(kinds) == {"image", "json"}
        _, data, headers = await client.download(kinds["json"]["url"])
        assert headers["Content-Type"] == "application/json"
        assert len(data) == kinds["json"]["properties"]["size"]


async def test_slow_file_arrives_as_time_passes(start, clock):
    import asyncio

    async with start(cdn_bytes_per_second=1024) as client:
        asset = await client.make_asset(clock)
        task = asyncio.ensure_future(client.download(asset["url"]))
        while not task.done():
            clock.advance(1)
            await asyncio.sleep(0)
        assert len(task.result()[1]) == asset["properties"]["size"]


async def test_a_range_that_cannot_be_read_is_refused(start, clock):
    async with start() as client:
        url = (await client.make_asset(clock))["url"]
        status, _, _ = await client.download(url, headers={"Range": "bytes=x-"})

    assert status == 416
