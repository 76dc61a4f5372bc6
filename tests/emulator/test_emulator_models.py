"""Definitions of models: what a file may say, and what the emulator makes of it."""

import json
import re
from typing import Any

import pytest

from pipeline.emulator.model_definition import parse_definition, read_definitions
from pipeline.emulator.model_records import load_models
from pipeline.emulator.outputs import RECIPES, kind_of, parse_output
from pipeline.emulator.profiles.jobs import JobsProfile
from pipeline.emulator.profiles.money import MoneyProfile

RECORD = {"id": "model_mine", "inputs": [{"name": "prompt", "type": "string"}]}


def words_of(definition):
    return [output.recipe for output in definition.traits.outputs]


@pytest.mark.parametrize(
    ("capabilities", "recipe"),
    [
        (["txt2img", "img2img"], "image"),
        (["img2video"], "video"),
        (["txt23d"], "3d"),
        (["video2audio"], "audio"),
        (["img2txt", "txt2txt"], "answer"),
        ([], "image"),
        (None, "image"),
    ],
)
def test_saved_answer_is_a_definition(capabilities, recipe):
    record = {**RECORD, "capabilities": capabilities}
    assert words_of(parse_definition({"model": record})) == [recipe]


def test_words_say_what_a_model_makes():
    definition = parse_definition(
        {"model": RECORD, "outputs": ["image:webp", "3d", "map:normal"]}
    )
    types = [output.media_type for output in definition.traits.outputs]
    assert types == ["image/webp", "model/gltf-binary", "image/png"]


def test_every_recipe_can_be_named():
    for recipe, variants in RECIPES.items():
        for variant in filter(None, variants):
            assert parse_output(f"{recipe}:{variant}").variant == variant
        assert parse_output(recipe).variant == variants[0]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"model": None}, "Expected `object`"),
        ({"model": {"inputs": []}}, "missing required field `id` - at `$.model`"),
        ({"model": {"id": "", "inputs": []}}, "length >= 1"),
        ({"model": {"id": "model_x"}}, "missing required field `inputs`"),
        ({"model": {"id": "m", "inputs": [{"type": "file"}]}}, "`name`"),
        ({"outputs": []}, "length >= 1"),
        ({"outputs": ["vidoe"]}, "'vidoe'; did you mean 'video'?"),
        ({"outputs": ["hologram:x"]}, "use image, cutout"),
        ({"outputs": ["map:colour"]}, "use map:albedo, map:normal"),
        ({"price_cu": -1}, "`float` >= 0.0"),
        ({"price_when": {"size": 3}}, "Expected `object`"),
        ({"time_factor": "slow"}, "Expected `float`"),
        ({"price": 3}, "unknown field `price`"),
    ],
)
def test_definition_that_cannot_be_used_says_why(changes, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        parse_definition({"model": RECORD, **changes})


def test_file_holds_one_definition_or_a_list():
    one = {"model": RECORD}
    assert read_definitions(json.dumps(one)) == [one]
    assert read_definitions(json.dumps([one, one])) == [one, one]
    with pytest.raises(ValueError, match=r"^\[1\]: "):
        read_definitions(json.dumps([one, {}]))
    with pytest.raises(json.JSONDecodeError):
        read_definitions("{")


def test_definition_of_the_profile_replaces_a_shipped_one():
    name = "model_pixel-snapper"
    jobs = JobsProfile(
        extra_models={name: {"model": {**RECORD, "id": name}, "outputs": ["text"]}}
    )
    model = load_models(jobs, MoneyProfile())[name]
    assert [output.recipe for output in model.traits.outputs] == ["text"]
    assert model.file_inputs == ()


def test_bare_record_keeps_what_a_shipped_model_makes():
    name = "model_pixel-snapper"
    jobs = JobsProfile(extra_models={name: {**RECORD, "id": name}})
    model = load_models(jobs, MoneyProfile())[name]
    assert [output.recipe for output in model.traits.outputs] == ["pixels"]
    assert [item.name for item in model.inputs] == ["prompt"]


def test_statistics_are_those_of_the_model():
    models = load_models(JobsProfile(job_seconds=(2.0, 4.0)), MoneyProfile())
    statistics: Any = models["model_tripo-p1-image-to-3d"].record["performanceStats"]
    first = statistics["variants"][0]
    assert first["capability"] == "img23d"
    assert first["totalLatencyP75Sec"] == 24
    assert first["costPerAssetP50CU"] == 100


@pytest.mark.parametrize(
    ("media_type", "kind"),
    [
        ("image/webp", "image"),
        ("video/webm", "video"),
        ("audio/wav", "audio"),
        ("model/obj", "3d"),
        ("text/plain", "text"),
        ("application/json", "json"),
        ("application/pdf", "document"),
    ],
)
def test_kind_follows_the_media_type(media_type, kind):
    assert kind_of(media_type) == kind
