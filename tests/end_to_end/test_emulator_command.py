"""``pipeline emulator`` as a process of its own, as in somebody's CI."""

import asyncio
import base64
import json
import signal
import sys
import urllib.error
import urllib.request
from typing import Any

import pytest

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")


async def get(url: str, **headers: str) -> tuple[int, Any]:
    def read() -> tuple[int, Any]:
        request = urllib.request.Request(url, headers=headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)

    return await asyncio.to_thread(read)


def base_url_in(line: str) -> str:
    return next(word for word in line.split() if word.startswith("http")).rstrip(";")


@POSIX
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_emulator_answers_when_it_says_so_and_a_signal_ends_it(number, shell):
    token = base64.b64encode(b"any:pair").decode()
    async with shell.start("emulator", "--port", "0", "--seed", "7") as running:
        base_url = base_url_in(await running.until("emulating the service at"))
        status, teams = await get(f"{base_url}/teams", Authorization=f"Basic {token}")
        running.signal(number)
        done = await running.end()

    assert base_url.startswith("http://127.0.0.1:")
    assert base_url.endswith("/v1")
    assert (status, len(teams["teams"])) == (200, 1)
    assert (done.code, done.err) == (0, "")


async def test_run_against_the_emulator_command_with_faults_and_a_ceiling(shell):
    shell.write(
        "version: 1\nname: trees\nmodel: model_wan-2-7-image\n"
        "items:\n  - {id: '${n}', prompt: 'a ${n}', params: {size: 1280*720},"
        " matrix: {n: [oak, elm, ash]}}\n"
    )
    options = ("--ceiling", "1", "--job-seconds", "0.1", "--fault", "poll-500=0.3")
    async with shell.start("emulator", "--port", "0", *options) as running:
        base_url = base_url_in(await running.until("emulating the service at"))
        done = await shell.run(
            "run",
            "trees.yaml",
            "--yes",
            "--json",
            SCENARIO_SDK_API_KEY="any",
            SCENARIO_SDK_API_SECRET="pair",
            SCENARIO_BASE_URL=base_url,
        )
        _, counters = await get(f"{base_url.removesuffix('/v1')}/emulator/counters")

    assert done.code == 0, done.out + done.err
    assert done.events[0]["ceiling"] == 1
    assert (done.code, done.events[-1]["counts"]) == (0, {"saved": 3})
    assert (counters["jobs_made"], counters["most_in_flight"]) == (3, 1)


@pytest.mark.parametrize(
    ("options", "path", "body"),
    [
        (("--rpm", "1"), "/teams", None),
        (
            ("--cooldown", "1/3600"),
            "/generate/custom/model_wan-2-7-image",
            b'{"prompt": "an oak"}',
        ),
    ],
    ids=["rpm", "cooldown"],
)
async def test_emulator_limits_requests_and_has_cooldowns_on_request(
    options, path, body, shell
):
    token = base64.b64encode(b"any:pair").decode()
    headers = {
        "Authorization": f"Basic {token}",
        "Content-Type": "application/json",
    }

    def ask(base_url):
        request = urllib.request.Request(base_url + path, data=body, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    async with shell.start("emulator", "--port", "0", *options) as running:
        base_url = base_url_in(await running.until("emulating the service at"))
        answers = [await asyncio.to_thread(ask, base_url) for _ in range(2)]

    assert answers == [200, 429]


@pytest.mark.parametrize("text", ["90", "0/90", "10/0", "10/-1", "a/b", "10/99999999"])
async def test_cooldown_that_cannot_be_is_a_usage_error(text, shell):
    done = await shell.run("emulator", "--port", "0", "--cooldown", text)

    assert done.code == 2
    assert "write it like 10/90" in done.err


async def test_port_that_is_taken_is_a_usage_error(shell, emulator):
    port = emulator.base_url.removesuffix("/v1").rpartition(":")[2]
    done = await shell.run("emulator", "--port", port)

    assert done.code == 2
    assert f"cannot listen on port {port}" in done.err
    assert "Traceback" not in done.err


DEFINITION = {
    "model": {
        "id": "model_mine",
        "name": "Mine",
        "type": "custom",
        "inputs": [{"name": "text", "type": "string"}],
    },
    "outputs": ["3d"],
    "price_cu": 7,
}


async def test_models_of_a_file_are_served_with_their_prices(shell):
    (shell.folder / "mine.json").write_text(json.dumps([DEFINITION]), "utf-8")
    token = base64.b64encode(b"any:pair").decode()
    options = ("--port", "0", "--models", "mine.json")
    async with shell.start("emulator", *options) as running:
        base_url = base_url_in(await running.until("emulating the service at"))
        url = f"{base_url}/models/model_mine"
        _, read = await get(url, Authorization=f"Basic {token}")

        def quote() -> Any:
            request = urllib.request.Request(
                f"{base_url}/generate/custom/model_mine?dryRun=true",
                data=b'{"text": "a rock"}',
                headers={"Authorization": f"Basic {token}"},
            )
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)

        quoted = await asyncio.to_thread(quote)

    assert read["model"]["name"] == "Mine"
    assert quoted["creativeUnitsCost"] == 7


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{\n  oops", "mine.json:2:3: not JSON"),
        ("[3]", "mine.json: [0]: Expected `object`, got `int`"),
        (
            json.dumps({**DEFINITION, "outputs": ["vidoe"]}),
            "mine.json: unknown output 'vidoe'; did you mean 'video'?",
        ),
        ("\udcff", "mine.json: 'utf-8' codec can't decode"),
        ("[" * 100_000, "mine.json: "),
        (None, "cannot read mine.json: No such file or directory"),
    ],
    ids=["json", "shape", "word", "bytes", "deep", "missing"],
)
async def test_models_that_cannot_be_read_are_a_usage_error(text, complaint, shell):
    if text is not None:
        data = text.encode("utf-8", "surrogateescape")
        (shell.folder / "mine.json").write_bytes(data)
    done = await shell.run("emulator", "--port", "0", "--models", "mine.json")

    assert done.code == 2
    assert complaint in done.err
    assert "Traceback" not in done.err
