"""HttpApi: what leaves, byte for byte."""

import base64
import json

import pytest

from pipeline.api.interface import JobFilter
from pipeline.api.rate_limiter import Priority
from pipeline.clock import parse_utc
from pipeline.errors import OutcomeUnknown, RateLimited, Unavailable
from pipeline.version import __version__

NOON = parse_utc("2026-03-01T12:00:00.250Z")
JOB = b'{"job": {"jobId": "job_1"}, "jobs": [], "assets": [], "asset": {"id": "a"}, "upload": {"id": "u"}}'


def target(head):
    return head.split(b"\r\n")[0].decode()


def fields(head):
    lines = head.decode().split("\r\n")[1:-2]
    return {
        name.lower(): value for name, _, value in (ln.partition(": ") for ln in lines)
    }


@pytest.fixture
async def server(serve, answer):
    async def talk(server, reader, writer):
        while True:
            await server.read(reader)
            writer.write(answer(JOB))

    return await serve(talk)


async def test_a_submit_is_the_inputs_and_nothing_else(server, connect):
    api = await connect(server)
    inputs = {"prompt": "ünï ✓ ${x}", "seed": 7, "images": ["asset_1"], "on": True}

    await api.submit("model_wan-2-7-image", inputs)

    [(head, body)] = server.requests
    assert target(head) == "POST /generate/custom/model_wan-2-7-image HTTP/1.1"
    assert (
        body == json.dumps(inputs, ensure_ascii=False, separators=(",", ":")).encode()
    )
    assert b"dryRun" not in head + body
    assert fields(head)["content-type"] == "application/json"
    assert "transfer-encoding" not in fields(head)
    assert "expect" not in fields(head)


async def test_every_call_says_who_we_are_and_what_we_take(server, connect):
    api = await connect(server)

    await api.find_job("job_1")
    await api.submit("model_x", {})

    for head, _ in server.requests:
        sent = fields(head)
        login = base64.b64encode(b"the-key:the-secret").decode()
        assert sent["authorization"] == f"Basic {login}"
        assert sent["user-agent"] == f"scenario-pipeline/{__version__}"
        assert sent["accept"] == "application/json"
        assert "cookie" not in sent


SLOW = {
    "bare": ("", b"{}"),
    "words": ("", b'{"reason": "Too many requests"}'),
    "ceiling": ("", b'{"details": {"actionLimit": 2}}'),
    "cooldown": ("", b'{"remainingSeconds": 900}'),
    "minutes": ("Retry-After: 900", b"{}"),
    "words, seconds": ("Retry-After: 7", b'{"reason": "Too many requests"}'),
    "words, minutes": ("Retry-After: 900", b'{"reason": "Too many requests"}'),
}


@pytest.mark.parametrize(
    "case",
    [
        ("bare", "submit", (0, False)),  # a ceiling that is not named
        ("bare", "find_job", (0, True)),
        ("words", "submit", (0, True)),
        ("words", "find_job", (0, True)),
        ("ceiling", "submit", (0, False)),
        ("cooldown", "submit", (900, False)),
        ("minutes", "submit", (900, False)),
        ("minutes", "find_job", (0, True)),
        ("words, seconds", "submit", (0, True)),
        ("words, minutes", "submit", (900, False)),
        ("bare", "quote", (0, False)),
        ("cooldown", "quote", (900, False)),
        ("words", "quote", (0, True)),
    ],
)
async def test_a_429_slows_down_what_it_is_about(serve, connect, answer, case):
    body, call, (paused_s, full) = case
    header, text = SLOW[body]
    headers = [header] if header else []
    server = await serve(answer(text, status="429 Slow", headers=headers))
    api = await connect(server, rpm=50)

    arguments = ("job_1",) if call == "find_job" else ("m", {})
    with pytest.raises(RateLimited) as caught:
        await getattr(api, call)(*arguments)

    assert api.rate_limiter.paused_s == paused_s
    assert (api.rate_limiter.used == 1.0) is full
    assert caught.value.is_about_requests is full


async def test_what_refuses_submits_when_the_window_is_well_used_is_the_window(
    serve, connect, answer
):
    server = await serve(answer(b"{}", status="429 Slow"))
    api = await connect(server, rpm=50)
    for _ in range(30):
        await api.rate_limiter.wait_for_turn(Priority.LIST)

    with pytest.raises(RateLimited) as caught:
        await api.submit("m", {})

    assert caught.value.is_about_requests
    assert api.rate_limiter.used == 1.0


async def test_no_submit_leaves_in_a_pause(server, connect):
    api = await connect(server)
    api.rate_limiter.pause(600)

    with pytest.raises(RateLimited):
        await api.submit("model_x", {})
    await api.find_job("job_1")

    assert len(server.requests) == 1


async def test_cookies_of_the_service_are_not_kept(serve, connect, answer):
    server = await serve(answer(JOB, headers=["Set-Cookie: a=b", "Connection: close"]))
    api = await connect(server)

    await api.find_job("job_1")
    await api.find_job("job_1")

    assert b"ookie" not in server.requests[1][0]


@pytest.mark.parametrize(
    ("which", "token", "query"),
    [
        (JobFilter(), "", "pageSize=100&types=custom"),
        (
            JobFilter(updated_after=NOON),
            "",
            "pageSize=100&types=custom&updatedAfter=2026-03-01T12:00:00.250Z",
        ),
        (
            JobFilter(updated_after=NOON, status="failure"),
            "",
            "pageSize=100&types=custom&status=failure&updatedAfter=2026-03-01T12:00:00.250Z",
        ),
        (
            JobFilter(created_after=NOON),
            "",
            "pageSize=100&createdAfter=2026-03-01T12:00:00.250Z",
        ),
        (
            JobFilter(created_after=NOON, updated_after=NOON, status="success"),
            "",
            "pageSize=100&createdAfter=2026-03-01T12:00:00.250Z",
        ),
        (
            JobFilter(created_after=NOON),
            "a+b/c==&d e",
            "pageSize=100&createdAfter=2026-03-01T12:00:00.250Z&paginationToken=a%2Bb/c%3D%3D%26d+e",
        ),
    ],
    ids=[
        "all",
        "changed",
        "of one status",
        "made",
        "made excludes the rest",
        "next page",
    ],
)
async def test_a_listing_asks_with_the_filters_the_service_allows(
    server, connect, which, token, query
):
    api = await connect(server)

    await api.list_jobs(which, token=token)

    assert target(server.requests[0][0]) == f"GET /jobs?{query} HTTP/1.1"


async def test_the_project_goes_with_every_call_when_known(server, connect):
    api = await connect(server, project_id="proj_1")

    await api.submit("model_x", {})
    await api.find_job("job_1")
    await api.list_jobs(JobFilter())
    await api.find_asset("asset_1")
    await api.find_assets(["asset_1"])
    await api.upload_image("a.png", b"x")
    await api.create_upload("a.png", 9, "image/png", 1)
    await api.complete_upload("u")
    await api.find_upload("u")
    await api.find_limits()

    assert len(server.requests) == 10
    assert all("projectId=proj_1" in target(head) for head, _ in server.requests)


async def test_without_a_project_none_is_named(server, connect):
    api = await connect(server)

    await api.find_job("job_1")

    assert target(server.requests[0][0]) == "GET /jobs/job_1 HTTP/1.1"


async def test_assets_are_asked_for_as_originals(server, connect):
    api = await connect(server)

    await api.find_asset("asset_1")
    await api.find_assets(["asset_1", "asset_2"])

    (one, _), (many, body) = server.requests
    assert target(one) == "GET /assets/asset_1?originalAssets=true HTTP/1.1"
    assert target(many) == "POST /assets/get-bulk?originalAssets=true HTTP/1.1"
    assert json.loads(body) == {"assetIds": ["asset_1", "asset_2"]}


async def test_a_small_image_is_sent_as_bare_base64(server, connect):
    api = await connect(server)

    await api.upload_image("ref.png", b"\x89PNG\x00")

    [(head, body)] = server.requests
    assert target(head) == "POST /assets HTTP/1.1"
    assert json.loads(body) == {"name": "ref.png", "image": "iVBORwA="}


@pytest.mark.parametrize(
    ("media_type", "kind"),
    [
        ("image/png", "image"),
        ("video/mp4", "video"),
        ("audio/mpeg", "audio"),
        ("model/gltf-binary", "3d"),
        ("application/zip", "asset"),
    ],
)
async def test_a_multipart_upload_names_its_parts_and_kind(
    server, connect, media_type, kind
):
    api = await connect(server)

    await api.create_upload("a.bin", 7_340_032, media_type, 2)
    await api.complete_upload("u_1")

    (first, created), (last, completed) = server.requests
    assert target(first) == "POST /uploads HTTP/1.1"
    assert json.loads(created) == {
        "fileName": "a.bin",
        "fileSize": 7_340_032,
        "contentType": media_type,
        "kind": kind,
        "parts": 2,
    }
    assert target(last) == "POST /uploads/u_1/action HTTP/1.1"
    assert json.loads(completed) == {"action": "complete"}


@pytest.mark.parametrize(
    "status", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"]
)
async def test_a_redirect_is_never_followed_with_credentials(
    serve, connect, answer, status
):
    stranger = await serve(answer(JOB))
    service = await serve(
        answer(
            status=status,
            headers=[f"Location: {stranger.url}/jobs/job_1", "Connection: close"],
        )
    )
    api = await connect(service)

    with pytest.raises(Unavailable):
        await api.find_job("job_1")
    with pytest.raises(OutcomeUnknown):
        await api.submit("model_x", {})

    assert stranger.connections == 0
    assert len(service.requests) == 2


async def test_a_gzipped_answer_is_read_and_a_bomb_is_not(serve, connect, answer):
    import gzip

    encoded = ["Content-Encoding: gzip", "Connection: close"]
    small = await serve(answer(gzip.compress(JOB), headers=encoded))
    bomb = await serve(answer(gzip.compress(b" " * (20 << 20)), headers=encoded))

    assert (await (await connect(small)).find_job("job_1")).remote_id == "job_1"
    with pytest.raises(Unavailable):
        await (await connect(bomb)).find_job("job_1")


async def test_a_netrc_login_is_never_used(
    serve, connect, answer, tmp_path, monkeypatch
):
    netrc = tmp_path / "netrc"
    netrc.write_text("default login stranger password stolen\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    server = await serve(answer(JOB))
    api = await connect(server)

    await api.find_job("job_1")

    login = fields(server.requests[0][0])["authorization"]
    assert login == "Basic " + base64.b64encode(b"the-key:the-secret").decode()
