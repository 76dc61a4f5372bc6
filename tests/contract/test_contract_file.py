"""The contract file: written, read, and what a run says of one."""

import json
import os

import pytest

from pipeline.contract.assumptions import ASSUMPTIONS
from pipeline.contract.contract_file import (
    CONTRACT_VARIABLE,
    Contract,
    notes_on_contract,
    read_contract,
    write_contract,
)
from pipeline.errors import UsageError
from pipeline.settings import Service

URL = "https://api.example/v1"
HERE = Service(base_url=URL)
CONTRACT = Contract(
    base_url=URL,
    project_id="proj_1",
    model_id="model_x",
    seen={
        "quote.status": (200, "2026-11-30T10:00:00.000Z"),
        "cdn.range": ("ignored", "2026-11-30T10:00:00.000Z"),
        "job.unknown": (404, "2026-11-30T10:00:00.000Z"),
    },
    models={"model_x": {"id": "model_x"}},
)


def write(folder, contract=CONTRACT, name="contract.json"):
    write_contract(folder / name, contract, lambda text: text)
    return folder / name


def test_what_is_written_is_read(tmp_path):
    path = write(tmp_path)
    assert read_contract(path) == CONTRACT
    assert [entry.name for entry in tmp_path.iterdir()] == ["contract.json"]


def test_every_assumption_has_its_verdict(tmp_path):
    answers = json.loads(write(tmp_path).read_text())["answers"]
    assert list(answers) == [assumption.key for assumption in ASSUMPTIONS]
    assert answers["quote.status"] == {
        "assumed": "a dry run is answered with 269",
        "expected": [269],
        "seen": 200,
        "verdict": "differ",
        "at": "2026-11-30T10:00:00.000Z",
    }
    assert answers["job.unknown"]["verdict"] == "agree"
    assert answers["list.order"]["verdict"] == "unknown"


def test_what_is_unsafe_is_said_before_a_run_and_nothing_else(tmp_path):
    write(tmp_path)
    (note,) = notes_on_contract(tmp_path, HERE, {})
    assert "quote.status" in note
    assert "seen: 200 (2026-11-30)" in note
    assert "a dry run may start a paid job" in note


def test_contract_of_another_service_or_of_nobody_says_nothing(tmp_path):
    assert notes_on_contract(tmp_path, HERE, {}) == []
    write(tmp_path)
    assert notes_on_contract(tmp_path, Service(base_url="https://x/v1"), {}) == []
    assert notes_on_contract(tmp_path, Service(base_url="emulator"), {}) == []


def test_variable_names_another_file(tmp_path):
    path = write(tmp_path, name="ours.json")
    environment = {CONTRACT_VARIABLE: str(path)}
    assert len(notes_on_contract(tmp_path, HERE, environment)) == 1
    path.unlink()
    (note,) = notes_on_contract(tmp_path, HERE, environment)
    assert "there is no file" in note


def hostile(**changes):
    return json.dumps({**CONTRACT.as_json(), **changes})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SECRET=canary-of-a-secret-file",
        "[]",
        "[" * 100_000,
        hostile(schema="another/9"),
        hostile(service=None),
        hostile(service={"base_url": 7, "project_id": ""}),
        hostile(answers=[]),
        hostile(answers={"quote.status": {"seen": [1]}}),
        hostile(answers={"quote.status": {"seen": {"a": 1}}}),
        hostile(models={"x": 7}),
        "\ud800".encode("utf-8", "surrogatepass"),
    ],
)
def test_what_is_no_contract_is_refused_and_never_quoted(text, tmp_path):
    path = tmp_path / "contract.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UsageError) as refused:
        read_contract(path)
    assert "canary" not in str(refused.value)
    (note,) = notes_on_contract(tmp_path, HERE, {})
    assert "not a contract file" in note


def test_unknown_keys_are_passed_over(tmp_path):
    path = tmp_path / "contract.json"
    answers = {"some.future": {"seen": 1}, "job.unknown": {"seen": 404}}
    path.write_text(hostile(answers=answers, more=1))
    assert read_contract(path).seen == {"job.unknown": (404, "")}


def test_long_answers_are_cut(tmp_path):
    path = tmp_path / "contract.json"
    path.write_text(hostile(answers={"quote.status": {"seen": "x" * 10_000}}))
    (note,) = notes_on_contract(tmp_path, HERE, {})
    assert len(note) < 600


@pytest.mark.skipif(os.name != "posix", reason="pipes are POSIX")
def test_pipe_in_its_place_hangs_nothing(tmp_path):
    os.mkfifo(tmp_path / "contract.json")
    assert notes_on_contract(tmp_path, HERE, {}) == []
    with pytest.raises(UsageError):
        read_contract(tmp_path / "contract.json")


def test_huge_file_is_refused(tmp_path):
    path = tmp_path / "contract.json"
    path.write_bytes(b" " * (5 << 20))
    with pytest.raises(UsageError, match="not a contract file"):
        read_contract(path)
