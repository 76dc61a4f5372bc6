"""What is kept of the exchanges: enough to ask again, nothing secret or personal."""

import json

import pytest
from contract.conftest import (
    CANARY_KEY,
    CANARY_SECRET,
    credentials_for,
    questions_for,
)

from pipeline.api.exchange import Exchange
from pipeline.contract import model_probes, paid_probes
from pipeline.contract.fixtures import OWN_TEXTS, Replay, line_of
from pipeline.contract.inquiry import Inquiry
from pipeline.errors import UsageError


def body_of(content, target="/jobs"):
    exchange = Exchange(
        method="GET", target=target, status=200, body=json.dumps(content).encode()
    )
    return json.loads(line_of(exchange))["body"]


async def replayed(lines, base_url, budget):
    inquiry = Inquiry(
        questions_for(base_url, budget=budget),
        Replay(lines),
        now=lambda: "then",
        tell=lambda _what: None,
        agree=lambda _steps: True,
    )
    await inquiry.ask()
    return inquiry.findings()


@pytest.mark.parametrize("spend", [0, 100])
async def test_recorded_exchanges_give_the_same_answers(spend, place_of):
    async with place_of(ceiling=2, echo_seed="text", job_seconds=(1.0, 1.0)) as place:
        found = await place.ask(spend=spend)
        base_url = place.emulator.base_url
    lines = [line_of(exchange) for exchange in found.exchanges]

    again = await replayed(lines, base_url, spend)

    assert {key: seen for key, (seen, _) in again.contract.seen.items()} == {
        key: seen for key, (seen, _) in found.contract.seen.items()
    }
    assert again.spent == found.spent


async def test_nothing_secret_is_kept(place_of):
    async with place_of(ceiling=2, job_seconds=(1.0, 1.0)) as place:
        found = await place.ask(spend=100)
        author = place.emulator.service.store.jobs[0].author_id
    text = "\n".join(line_of(exchange) for exchange in found.exchanges)

    assert "Signature=removed" in text
    assert author[:9] in text
    for secret in (CANARY_KEY, CANARY_SECRET, "Authorization", author):
        assert secret not in text


def test_texts_of_others_are_masked_and_ids_are_not():
    job = {
        "metadata": {
            "input": {
                "prompt": "our secret dragon",
                "lyrics": "la la la",
                "size": "1K",
                "seed": 7,
            },
            "error": "failed",
        },
        "authorId": "apiu_AbCdEfGhIjKlMnOpQrStUv",
    }
    archived = {"input": {"prompt": "asset_AbCdEfGh"}}

    assert body_of({"jobs": [job]})["jobs"] == [
        {
            "metadata": {
                "input": {
                    "prompt": "(17 characters)",
                    "lyrics": "(8 characters)",
                    "size": "1K",
                    "seed": 7,
                },
                "error": "failed",
            },
            "authorId": "apiu_AbCd...",
        }
    ]
    assert body_of(archived) == archived


def test_people_and_teams_have_no_names():
    team = {
        "id": "team_1",
        "name": "Our Studio",
        "email": "a@b.example",
        "members": [1],
    }
    shown = body_of({"teams": [team]}, "/teams")["teams"][0]
    assert shown["id"] == "team_1"
    assert "Studio" not in json.dumps(shown)
    assert body_of({"contact": "somebody@studio.example"})["contact"] == "[private]"


def test_credentials_are_taken_out_wherever_they_are_quoted():
    credentials_for("http://127.0.0.1:1/v1")  # known as secrets from here on
    body = {"reason": f"no {CANARY_SECRET} for {CANARY_KEY}"}
    assert body_of(body) == {"reason": "no [secret] for [secret]"}


def test_texts_of_the_probes_are_their_own():
    assert {model_probes.PROMPT, paid_probes.PROMPT} == OWN_TEXTS


async def test_other_questions_than_the_recorded_ones_are_refused():
    line = line_of(Exchange(method="GET", target="/teams", status=200))
    replay = Replay([line])
    with pytest.raises(UsageError, match="recorded: GET /teams, but asked: GET /jobs"):
        await replay.call("GET", "/jobs")
    with pytest.raises(UsageError, match="end before"):
        await replay.call("GET", "/jobs")
