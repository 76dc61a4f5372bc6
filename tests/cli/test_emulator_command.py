"""``pipeline emulator``: what its options make of the service, without starting one."""

import json

import pytest

from pipeline.cli.main import run_command
from pipeline.contract.contract_file import Contract, write_contract
from pipeline.errors import ExitCode

WAN = "model_wan-2-7-image"  # has a price of its own
MODEL = {
    "model": {
        "id": WAN,
        "name": "Ours",
        "type": "custom",
        "inputs": [{"name": "prompt", "type": "string", "required": {"always": True}}],
    },
    "price_cu": 4,
}


@pytest.fixture
def served(monkeypatch):
    """Types the command; what the service would have been started with."""
    started = []

    async def serve(**given):
        started.append(given)

    monkeypatch.setattr("pipeline.cli.emulator.serve", serve)

    def start(*options):
        code = run_command(["emulator", "--port", "0", *map(str, options)])
        return code, started[-1] if started else None

    return start


def test_the_limits_are_those_of_the_options(served):
    code, given = served("--ceiling", 3, "--rpm", 90, "--cooldown", "10/90")

    limits = given["profile"].limits
    assert code is ExitCode.OK
    assert (limits.ceiling, limits.requests_per_minute) == (3, 90)
    assert (limits.cooldown_after, limits.cooldown_s) == (10, 90.0)


@pytest.mark.parametrize(
    ("text", "span"), [("2.5", (2.5, 2.5)), ("1-3", (1.0, 3.0)), ("0", (0.0, 0.0))]
)
def test_jobs_take_as_long_as_is_said(served, text, span):
    _, given = served("--job-seconds", text)

    assert given["profile"].jobs.job_seconds == span


@pytest.mark.parametrize("text", ["soon", "3-1", "-1", "1-x", "nan"])
def test_what_is_no_span_of_seconds_is_refused(served, capsys, text):
    code, given = served(f"--job-seconds={text}")

    assert (code, given) == (ExitCode.USAGE, None)
    assert (
        f"--job-seconds '{text}' is not a range of seconds" in capsys.readouterr().err
    )


@pytest.mark.parametrize("text", ["10", "10/", "0/90", "10/0", "x/90", "10/99999999"])
def test_what_is_no_cooldown_is_refused(served, capsys, text):
    code, given = served(f"--cooldown={text}")

    assert (code, given) == (ExitCode.USAGE, None)
    assert f"--cooldown '{text}' is not a cooldown" in capsys.readouterr().err


def test_a_model_of_a_file_is_served_at_its_price(served, tmp_path):
    path = tmp_path / "ours.json"
    path.write_text(json.dumps(MODEL))

    _, given = served("--models", path)

    assert given["profile"].jobs.extra_models[WAN] == MODEL
    assert WAN not in given["profile"].money.unit_prices_cu


def test_what_was_seen_of_a_service_is_imitated(served, tmp_path, capsys):
    contract = Contract(
        base_url="https://api.example/v1",
        seen={"limits.ceiling": (7, "2026-11-30T10:00:00.000Z")},
    )
    path = tmp_path / "contract.json"
    write_contract(path, contract, lambda text: text)

    _, given = served("--contract", path)

    assert given["profile"].limits.ceiling == 7
    assert "behaving like https://api.example/v1: 1 assumption seen" in (
        capsys.readouterr().out
    )
