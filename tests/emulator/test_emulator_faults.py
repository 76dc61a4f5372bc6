"""Faults: names and rates, scripts, and how each looks to a client."""

import asyncio
import json

import aiohttp
import pytest

from pipeline.emulator.fault_injector import FaultInjector
from pipeline.emulator.faults import FAULTS, Effect, parse_fault_rate


async def test_rate_is_read_from_its_text():
    assert parse_fault_rate("poll-500=0.25") == ("poll-500", 0.25)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("submit-drop-aftre=1", "did you mean 'submit-drop-after'"),
        ("zzz=1", "names begin with one of: account"),
        ("poll-500", "write 'poll-500=0.1'"),
        ("poll-500=often", "'often' is no number"),
        ("poll-500=2", "from 0 to 1"),
        ("poll-500=nan", "from 0 to 1"),
    ],
)
def test_wrong_rate_is_explained(text, message):
    with pytest.raises(ValueError, match=message):
        parse_fault_rate(text)


def test_wrong_rates_are_refused_at_once():
    with pytest.raises(ValueError, match="did you mean"):
        FaultInjector({"pol-500": 0.1})
    with pytest.raises(ValueError, match="did you mean"):
        FaultInjector().next("cdn-trunkated")


def test_scripted_faults_come_first_in_first_out():
    faults = FaultInjector()
    faults.next("poll-500")
    faults.next("list-503")
    faults.next("poll-hang", times=2)
    drawn = [faults.draw("poll") for _ in range(4)]
    assert [fault and fault.name for fault in drawn] == [
        "poll-500",
        "poll-hang",
        "poll-hang",
        None,
    ]
    last = faults.draw("list")
    assert last is not None
    assert last.name == "list-503"


def test_cleared_faults_strike_no_more():
    faults = FaultInjector({"poll-500": 1})
    faults.next("list-500")
    faults.clear()
    assert faults.draw("poll") is faults.draw("list") is None


def test_same_seed_strikes_the_same_requests():
    def series(rates, seed):
        faults = FaultInjector(rates, seed)
        return [(faults.draw("poll") or "") and "hit" for _ in range(200)]

    alone = series({"poll-500": 0.3}, 1)
    assert alone == series({"poll-500": 0.3}, 1)
    assert alone != series({"poll-500": 0.3}, 2)
    assert 30 < alone.count("hit") < 90


def test_one_name_is_drawn_the_same_whatever_others_are_in_use():
    alone = FaultInjector({"poll-503": 0.3}, 1)
    beside = FaultInjector({"poll-500": 0.3, "poll-503": 0.3}, 1)
    hits = [bool(alone.draw("poll")) for _ in range(100)]
    for hit in hits:
        fault = beside.draw("poll")
        assert not hit or fault is not None


def outcome_names():
    return sorted(name for name in FAULTS if FAULTS[name].endpoint != "part")


async def provoke(client, clock, name, asset_url):
    """Send one request which this fault strikes."""
    endpoint = FAULTS[name].endpoint
    sent = {
        "submit": client.submit,
        "quote": lambda: client.call(
            "POST",
            "/generate/custom/model_wan-2-7-image?dryRun=true",
            json={"prompt": "x"},
        ),
        "poll": lambda: client.call("GET", f"/jobs/{client.job_id}"),
        "list": lambda: client.call("GET", "/jobs?types=custom"),
        "bulk": lambda: client.call("POST", "/assets/get-bulk", json={"assetIds": []}),
        "asset": lambda: client.call("GET", f"/assets/{client.asset_id}"),
        "model": lambda: client.call("GET", "/models/model_wan-2-7-image"),
        "account": lambda: client.call("GET", "/teams"),
        "upload": lambda: client.call(
            "POST", "/uploads", json={"url": "http://x.invalid/a.png", "kind": "image"}
        ),
        "cdn": lambda: client.download(asset_url, allow_redirects=False),
    }
    task = asyncio.ensure_future(sent[endpoint]())
    while not task.done():
        if clock.sleeper_count:
            clock.advance(1_000)
        await asyncio.sleep(0.001)
    return task.result()


@pytest.fixture
async def running(start, clock):
    async with start() as client:
        asset = await client.make_asset(clock)
        client.asset_id = asset["id"]
        client.job_id = asset["metadata"]["parentJobId"]
        client.asset_url = asset["url"]
        yield client


UNANSWERED = {Effect.DROP, Effect.RESET, Effect.HANG}
BROKEN = {*UNANSWERED, Effect.TRUNCATED}
READ_BY_GET = {"poll", "list", "asset", "model", "account", "cdn"}


@pytest.mark.parametrize("name", outcome_names())
async def test_fault_looks_as_its_name_says(running, clock, name):
    fault = FAULTS[name]
    # aiohttp repeats a GET by itself, once, when the connection breaks unanswered.
    is_repeated = fault.effect in UNANSWERED and fault.endpoint in READ_BY_GET
    times = 2 if is_repeated else 1
    running.emulator.faults.next(name, times=times)
    made_before = len(running.emulator.service.store.jobs)

    if fault.effect in BROKEN:
        with pytest.raises(aiohttp.ClientError):
            await provoke(running, clock, name, running.asset_url)
    elif fault.effect in {Effect.HTML, Effect.GARBAGE} and fault.endpoint != "cdn":
        with pytest.raises(json.JSONDecodeError):
            await provoke(running, clock, name, running.asset_url)
    else:
        answer = await provoke(running, clock, name, running.asset_url)
        assert answer[0] == (fault.status or 200)

    assert running.emulator.counters()["faults"] == {name: times}
    if fault.endpoint in {"submit", "upload"}:
        made = len(running.emulator.service.store.jobs) - made_before
        assert made == int(fault.after)


async def test_no_id_answers_2xx_without_an_id(running):
    running.emulator.faults.next("submit-no-id")
    status, body = await running.submit()
    assert status == 200
    assert body["job"] == {"status": "queued"}


async def test_cooldown_fault_tells_the_seconds(running):
    running.emulator.faults.next("submit-cooldown")
    status, body = await running.submit()
    assert (status, body["remainingSeconds"]) == (429, 2)


async def test_repeated_token_is_the_one_that_was_sent(running, clock):
    await running.submit()
    _, first = await running.call("GET", "/jobs?pageSize=1")
    token = first["nextPaginationToken"]
    running.emulator.faults.next("list-repeated-token")
    _, second = await running.call("GET", f"/jobs?pageSize=1&paginationToken={token}")
    assert second["nextPaginationToken"] == token


async def test_empty_page_and_endless_list_carry_tokens(running):
    running.emulator.faults.next("list-empty-page")
    _, empty = await running.call("GET", "/jobs")
    assert empty["jobs"] == []
    assert empty["nextPaginationToken"]
    running.emulator.faults.next("list-endless")
    _, endless = await running.call("GET", "/jobs")
    assert endless["jobs"]
    assert endless["nextPaginationToken"]


async def test_redirect_leads_to_a_foreign_host(running):
    running.emulator.faults.next("cdn-redirect")
    _, _, headers = await running.download(running.asset_url, allow_redirects=False)
    assert headers["Location"].startswith("http://foreign.invalid/")


async def test_longer_and_wrong_bytes_differ_from_the_file(running):
    _, data, _ = await running.download(running.asset_url)
    running.emulator.faults.next("cdn-longer")
    _, longer, _ = await running.download(running.asset_url)
    running.emulator.faults.next("cdn-wrong-bytes")
    _, wrong, _ = await running.download(running.asset_url)
    assert longer.startswith(data)
    assert len(longer) > len(data) == len(wrong)
    assert wrong != data


async def test_hanging_answer_does_not_hold_up_the_end(start, clock):
    async with start() as client:
        client.emulator.faults.next("submit-hang-after")
        task = asyncio.ensure_future(client.submit())
        await clock.until_someone_sleeps()
        assert client.emulator.counters()["jobs_made"] == 1
    with pytest.raises(aiohttp.ClientError):
        await task


async def test_rates_apply_to_a_running_emulator(start):
    async with start(faults={"poll-503": 1.0}) as client:
        status, body = await client.call("GET", "/jobs/job_x")
        assert (status, body["reason"]) == (503, "Service unavailable")
        assert body["trace_id"]
