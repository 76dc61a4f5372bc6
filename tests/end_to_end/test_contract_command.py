"""``doctor --contract`` as a process, the rehearsal it allows, and what a run says."""

import json
from typing import Any

import pytest
from doubles.shell import BASIC, KEY, SECRET, TREES
from end_to_end.test_emulator_command import base_url_in

from pipeline.emulator import Emulator, EmulatorProfile

TWISTED: dict[str, Any] = {
    "seed": 7,
    "fixed_size_px": 16,
    "job_seconds": (0.2, 0.2),
    "ceiling": 2,
    "transformed_urls": False,
    "altered_url_status": 403,
    "unknown_field_status": 400,
    "unknown_asset_status": 0,
    "list_newest_first": False,
    "echo_seed": "text",
    "submit_author_differs": True,
    "bulk_unknown": "404",
}
SPEND = ("--spend", "100", "--yes", "--skip-rate")


def seen_in(path):
    answers = json.loads(path.read_text())["answers"]
    return {key: (answer["seen"], answer["verdict"]) for key, answer in answers.items()}


@pytest.fixture
async def twisted(shell):
    async with Emulator(profile=EmulatorProfile.of(**TWISTED)) as emulator:
        shell.use(emulator)
        yield emulator


async def test_a_studio_rehearses_against_its_own_service(shell, twisted):
    real = await shell.run("doctor", "--contract", *SPEND)
    assert real.code == 0, real.out + real.err
    contract = shell.folder / "contract.json"
    seen = seen_in(contract)
    assert seen["submit.author"] == ("differs", "differ")
    assert seen["quote.unknown-asset"] == ("accepted", "differ")
    assert "differ  submit.author" in real.out
    assert "34 units" in real.err
    exchanges = (shell.folder / "contract.exchanges.jsonl").read_text()
    for text in (contract.read_text(), exchanges, real.out, real.err):
        for secret in (KEY, SECRET, BASIC):
            assert secret not in text

    options = ("--port", "0", "--job-seconds", "0.2", "--contract", "contract.json")
    async with shell.start("emulator", *options) as running:
        await running.until("assumptions seen")
        base_url = base_url_in(await running.until("emulating the service at"))
        again = await shell.run(
            "doctor",
            "--contract",
            "--out",
            "again.json",
            *SPEND,
            SCENARIO_BASE_URL=base_url,
        )

    assert again.code == 0, again.out + again.err
    assert seen_in(shell.folder / "again.json") == seen


async def test_a_run_says_what_is_not_as_it_thinks(shell, twisted):
    shell.write(TREES)
    asked = await shell.run("doctor", "trees.yaml", "--contract", "--skip-rate")
    done = await shell.run("run", "trees.yaml", "--yes", "--json")

    assert asked.code == done.code == 0
    (warned,) = [
        line for line in done.of("warning") if "contract.json" in line["message"]
    ]
    assert "quote.unknown-asset" in warned["message"]


async def test_nothing_is_spent_unless_agreed(shell, twisted):
    free = await shell.run("doctor", "--contract", "--skip-rate")
    asked = await shell.run("doctor", "--contract", "--spend", "10")

    assert (free.code, asked.code) == (0, 2)
    assert "--yes" in asked.err
    assert twisted.counters()["submits_received"] == 0


async def test_lost_answer_is_an_unknown_outcome(shell, twisted):
    twisted.faults.next("submit-drop-after")
    done = await shell.run("doctor", "--contract", *SPEND)

    assert done.code == 5
    assert "may be paid for" in done.out
    assert twisted.counters()["submits_received"] == 1
    assert (shell.folder / "contract.json").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--spend", "10"), "belong to --contract"),
        (("--contract", "--emulate"), "--emulate starts none"),
        (("--contract", "--spend", "much"), "not an amount of compute units"),
        (("--contract", "--out", "nowhere/x.json"), "there is no folder"),
    ],
)
async def test_what_cannot_be_obeyed_is_refused(arguments, says, shell, twisted):
    done = await shell.run("doctor", *arguments)
    assert done.code == 2
    assert says in done.err


async def test_emulator_refuses_what_is_no_contract(shell):
    (shell.folder / "x.json").write_text("{}")
    done = await shell.run("emulator", "--port", "0", "--contract", "x.json")
    assert done.code == 2
    assert "not a contract file" in done.err
