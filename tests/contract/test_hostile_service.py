"""A service that answers anything at all: the inquiry ends, and pays for no nonsense."""

import json
import random

import pytest
from contract.conftest import MODEL, questions_for
from msgspec import structs

from pipeline.api.exchange import Exchange
from pipeline.contract.assumptions import verdict_on
from pipeline.contract.contract_file import read_contract, write_contract
from pipeline.contract.fixtures import clean, line_of
from pipeline.contract.inquiry import Inquiry
from pipeline.contract.rehearsal import knobs_of
from pipeline.emulator import EmulatorProfile

WORDS = (
    "job",
    "jobs",
    "jobId",
    "id",
    "asset",
    "assets",
    "assetIds",
    "metadata",
    "input",
    "output",
    "entityId",
    "status",
    "statusHistory",
    "createdAt",
    "updatedAt",
    "authorId",
    "url",
    "properties",
    "size",
    "model",
    "inputs",
    "name",
    "type",
    "creativeUnitsCost",
    "details",
    "actionLimit",
    "limits",
    "parallelCustomJobs",
    "teams",
    "seed",
    "prompt",
    "modelId",
    "nextPaginationToken",
    "maxLength",
    "minCooldown",
    "performanceStats",
    "billing",
    "cuCost",
    "mimeType",
    "outputIndex",
    "reason",
    "requiredPlan",
    "images",
    "numOutputs",
    "imageSetMode",
)
VALUES = (
    None,
    True,
    0,
    -1,
    1.5,
    1e300,
    10**30,
    "",
    "success",
    "queued",
    "failure",
    "custom",
    "asset_x",
    "job_x/../..",
    "2026-11-30T10:00:00.000Z",
    "yesterday",
    "https://cdn.cloud.scenario.com/assets/a?Policy=p&Signature=s&Key-Pair-Id=k",
    "http://169.254.169.254/",
    "//",
    "http://[",
    "ModelAccessRestrictedError",
    "x" * 10_000,
)


class Nonsense:
    """``Exchanges`` whose answers are drawn: JSON with the right words at wrong places."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now_s = 0.0
        self.paid = 0
        self.fetched: list[str] = []

    async def call(self, method, path, *, query=None, **_options):
        query = query or {}
        self.paid += path.startswith("/generate/") and "dryRun" not in query
        return self._answer(method, path)

    async def fetch(self, method, url, **_options):
        self.fetched.append(url)
        return self._answer(method, url)

    async def sleep(self, duration_s):
        self.now_s += 20 * duration_s

    def _answer(self, method, target):
        self.now_s += 1.0
        status = self.random.choice((0, 200, 200, 200, 269, 269, 404, 429, 500))
        body = json.dumps(self._value(0)).encode()
        if self.random.random() < 0.1:
            body = self.random.choice((b"", b"<html>", b"\xff\xfe", b"[" * 5000, b"7"))
        return Exchange(
            method=method,
            target=target,
            sent_at_s=self.now_s - 0.5,
            at_s=self.now_s,
            status=status,
            headers={
                "date": self.random.choice(("", "x", "Mon, 30 Nov 2026 10:00:00 GMT"))
            },
            body=body,
        )

    def _value(self, depth):
        draw = self.random.random()
        if depth < 4 and (depth == 0 or draw < 0.5):
            names = self.random.sample(WORDS, 8)
            return {name: self._value(depth + 1) for name in names}
        if depth < 4 and draw < 0.75:
            return [self._value(depth + 1) for _ in range(self.random.randrange(3))]
        return self.random.choice(VALUES)


@pytest.mark.parametrize("seed", range(30))
async def test_whatever_is_answered_is_survived(seed, tmp_path):
    service = Nonsense(seed)
    url = "https://api.cloud.scenario.com/v1"
    questions = questions_for(url, budget=20, asks_rate=True, is_loopback=False)
    inquiry = Inquiry(
        questions,
        service,
        now=lambda: "2026-11-30T10:00:00.000Z",
        tell=lambda _what: None,
        agree=lambda _steps: True,
    )
    await inquiry.ask()
    found = inquiry.findings()

    for key, (seen, _) in found.contract.seen.items():
        assert verdict_on(key, seen) in {"agree", "differ"}
    assert all(
        url.startswith("https://cdn.cloud.scenario.com/") for url in service.fetched
    )
    for exchange in found.exchanges:
        line = line_of(exchange)
        assert "Signature=s" not in line
        json.loads(line)
    write_contract(tmp_path / "contract.json", found.contract, clean)
    contract = read_contract(tmp_path / "contract.json")
    assert contract.model_id == MODEL
    EmulatorProfile.of(**knobs_of(contract))


async def test_nonsense_is_sometimes_paid_for_and_never_beyond_the_budget():
    """The answers that make an inquiry pay are drawn too, so this looks at many."""
    for seed in range(200, 220):
        service = Nonsense(seed)
        inquiry = Inquiry(
            questions_for("https://x/v1", budget=20, is_loopback=False),
            service,
            now=str,
            tell=lambda _what: None,
            agree=lambda _steps: True,
        )
        await inquiry.ask()
        assert service.paid <= 20


class Mutating:
    """``Exchanges`` of a real conversation in which some values are others."""

    def __init__(self, client, seed: int) -> None:
        self._client = client
        self._random = random.Random(seed)

    async def call(self, method, path, **options):
        return self._change(await self._client.call(method, path, **options))

    async def fetch(self, method, url, **options):
        return self._change(await self._client.fetch(method, url, **options))

    async def sleep(self, duration_s):
        await self._client.sleep(duration_s)

    def _change(self, exchange):
        if not exchange.json:
            return exchange
        body = json.dumps(self._mutated(dict(exchange.json))).encode()
        return structs.replace(exchange, body=body)

    def _mutated(self, value):
        if self._random.random() < 0.03:
            return self._random.choice([*VALUES, [], {}, [7], [[]], {"a": 1}])
        if isinstance(value, dict):
            return {key: self._mutated(entry) for key, entry in value.items()}
        if isinstance(value, list):
            return [self._mutated(entry) for entry in value]
        return value


@pytest.mark.parametrize("seed", range(12))
async def test_answers_that_are_wrong_in_places_are_survived(seed, place_of):
    async with place_of(ceiling=2, job_seconds=(1.0, 1.0)) as place:
        found = await place.ask(spend=30, through=lambda c: Mutating(c, seed))

        assert found.contract.seen
        assert place.emulator.counters()["charged_cu"] <= 30
        EmulatorProfile.of(**knobs_of(found.contract))


class Replacing(Mutating):
    """``Exchanges`` of a real conversation in which a key's first values are another."""

    def __init__(self, client, key: str, value: object, times: int) -> None:
        super().__init__(client, seed=0)
        self._key = key
        self._value = value
        self._left = times

    def _mutated(self, value):
        if isinstance(value, list):
            return [self._mutated(entry) for entry in value]
        if not isinstance(value, dict):
            return value
        changed = {key: self._mutated(entry) for key, entry in value.items()}
        if self._key in changed and self._left:
            self._left -= 1
            changed[self._key] = self._value
        return changed


@pytest.mark.parametrize("value", [{"a": 1}, [[]], None, 7])
@pytest.mark.parametrize("key", ["status", "jobId", "statusHistory", "metadata"])
async def test_a_record_of_another_kind_is_survived(key, value, place_of):
    async with place_of(ceiling=2, job_seconds=(1.0, 1.0)) as place:
        found = await place.ask(
            spend=30, through=lambda c: Replacing(c, key, value, 40)
        )

        assert found.contract.seen


@pytest.mark.parametrize("url", ["http://[", "https://x:port/", "//", {"a": 1}])
async def test_what_is_no_url_is_not_read(url, place_of):
    async with place_of() as place:
        found = await place.ask(through=lambda c: Replacing(c, "url", url, 99))

        assert "cdn.range" not in found.contract.seen
