"""``pipeline models``: what it prints of the emulator's models."""

import json

import pytest

from pipeline.cli.main import run_command
from pipeline.cli.models import _row
from pipeline.errors import ExitCode
from pipeline.models.public import CHOICES, read_public

WAN = "model_wan-2-7-image"


def test_each_model_is_a_line_that_can_be_copied(capsys):
    code = run_command(["models", "--emulate", "wan"])

    out, err = capsys.readouterr()
    lines = [line.split("  ") for line in out.splitlines()]
    rows = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    assert code is ExitCode.OK
    assert rows[0] == ["model", "name", "makes", "files", "units", "plan"]
    assert [WAN, "Wan 2.7 Image", "image", "images[]", "6", "free"] in rows
    assert "note: " in err


def test_json_has_a_line_for_each_and_the_numbers_last(capsys):
    run_command(["models", "--emulate", "--json", WAN, "--limit", "1"])

    *models, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert [model["model_id"] for model in models] == [WAN]
    assert models[0]["files"] == [{"name": "images", "kind": "image", "list": True}]
    assert last["event"] == "models"
    assert last["shown"] == 1 <= last["found"]


def test_nothing_found_is_said_and_is_no_error(capsys):
    code = run_command(["models", "--emulate", "no such words"])

    out, err = capsys.readouterr()
    assert (code, out) == (ExitCode.OK, "")
    assert "0 models" in err


@pytest.mark.parametrize("kind", CHOICES)
def test_every_kind_may_be_asked_for(kind):
    assert run_command(["models", "--emulate", "--kind", kind]) is ExitCode.OK


@pytest.mark.parametrize("wrong", [["--kind", "smell"], ["--limit", "0"]])
def test_what_cannot_be_obeyed_is_refused(wrong):
    assert run_command(["models", "--emulate", *wrong]) is ExitCode.USAGE


@pytest.mark.parametrize(
    ("record", "cells"),
    [
        ({}, ("m", "m", "?", "?", "?", "?")),
        ({"inputs": []}, ("m", "m", "?", "-", "?", "?")),
        (
            {
                "name": "a\x1b[2J\nb",
                "type": "zimage-lora",
                "accessRestrictions": 75,
                "performanceStats": {
                    "variants": [
                        {"costPerAssetMinCU": 3, "costPerAssetMaxCU": 7.25},
                        {"costPerAssetMinCU": "free", "costPerAssetMaxCU": -1},
                        None,
                    ]
                },
                "inputs": [
                    {"name": "mask", "type": "file"},
                    {"name": "any", "type": "file_array", "kind": ["3d", "image"]},
                ],
            },
            (
                "m",
                "a\\x1b[2J b",
                "lora",
                "mask (image), any[] (any file)",
                "3-7.25",
                "max",
            ),
        ),
    ],
)
def test_what_the_service_does_not_say_is_a_question_mark(record, cells):
    assert _row(read_public({"id": "m", **record})) == cells
