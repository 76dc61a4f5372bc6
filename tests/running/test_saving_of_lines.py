"""Saving beside steps, chains, takes and companions: what is made stays what it is."""

import io
import json
import shutil

import pytest
from doubles.media import glb_of
from doubles.outcome import Outcome
from doubles.pictures import png_of
from doubles.place import items
from doubles.trees import sidecar, with_sidecars
from PIL import Image

from pipeline.assets.originals import ORIGINALS_FOLDER
from pipeline.models.record import parse_model

WEBP = "save: {format: webp}\n"
LINE = """\
items:
  - {id: a, prompt: a}
  - {id: b, prompt: b, params: {images: ['item:a']}}
"""
STEPS = """\
checks: {min_px: 5000}
items:
  - id: hero
    prompt: hero
    keep: true
    steps:
      - {model: model_wan-2-7-image, prompt: up}
"""
RODIN = parse_model(
    {
        "id": "model_rodin",
        "capabilities": ["txt23d"],
        "inputs": [{"name": "prompt", "type": "string"}],
    },
    source="live",
)


def shown(workshop):
    return {name for name in workshop.files() if not name.startswith(".")}


@pytest.mark.parametrize("loses_ledger", [False, True])
async def test_another_form_of_a_parent_pays_for_no_child(place, loses_ledger):
    text = f"version: 1\nmodel: model_wan-2-7-image\n{LINE}"
    await place.play(text)
    played = await place.play(WEBP + text)
    assert played.result.counts["saved"] == 2
    if loses_ledger:
        place.lose_ledger()

    played = await place.play("save: {format: jpeg}\n" + text)

    assert played.result.counts["saved"] == 2
    assert place.paid == 2
    assert {path.name for path in place.output.glob("*.jpg")} == {"a.jpg", "b.jpg"}
    assert list(place.output.glob("*.webp*")) == []


async def test_a_child_is_known_by_what_the_service_made_not_by_what_is_saved(workshop):
    workshop.write(WEBP + LINE)
    await workshop.run()

    (used,) = sidecar(workshop, "b.webp")["parents"]
    (before,) = workshop.job("a").assets
    assert used["sha256"] in {"", before.content_sha256}
    assert (await workshop.run()).counts == {"done": 2}
    assert workshop.api.paid_by_prompt() == {"a": 1, "b": 1}


async def test_every_file_of_an_item_is_saved_alike_but_the_last_alone_is_checked(
    workshop,
):
    workshop.write(WEBP + STEPS)

    result = await workshop.run()

    assert shown(workshop) == with_sidecars("hero.webp", "hero@1.webp")
    assert sidecar(workshop, "hero@1.webp")["checks"] == {}
    assert set(sidecar(workshop, "hero.webp")["checks"]) == {"min_px"}
    assert result.needs_review == 1
    assert (await workshop.run()).counts == {"done": 2}


async def test_a_preview_stays_as_it_came_and_is_never_made_again(workshop):
    models = workshop.models
    workshop.api.model_ids |= {"model_rodin"}
    workshop.models = lambda name: RODIN if name == "model_rodin" else models(name)
    workshop.write(
        "save: {format: webp}\nembed: true\nchecks: {min_px: 5000}\n"
        "items:\n  - {id: chest, prompt: chest, model: model_rodin}\n"
    )
    text = (workshop.folder / "icons.yaml").read_text()
    text = text.replace("params: {size: 1K}\n", "")
    (workshop.folder / "icons.yaml").write_text(text)
    preview = png_of("chest")
    workshop.api.script("chest", Outcome(files=(preview, glb_of())))

    result = await workshop.run()

    assert shown(workshop) == with_sidecars("chest.glb", "chest.preview.png")
    assert (workshop.output / "chest.preview.png").read_bytes() == preview
    record = sidecar(workshop, "chest.preview.png")
    assert (record["save"], record["checks"]) == ({}, {})
    assert not (workshop.output / ORIGINALS_FOLDER).exists()
    assert result.needs_review == 0
    assert list((workshop.output / ".partial").iterdir()) == []
    assert (await workshop.run()).counts == {"done": 1}


@pytest.mark.parametrize("keeps_originals", [True, False])
async def test_takes_move_and_change_their_form_at_once_and_approvals_stand(
    place, keeps_originals
):
    text = items("an oak").replace("{id: a,", "{id: a, takes: 2,")
    webp = text.replace("items:", f"{WEBP}items:")
    await place.play(webp)
    manifest = place.folder / "knobs.yaml"
    assert (await place.type("approve", "a@1")).code == 0
    (review,) = place.folder.glob("*.review.yaml")
    first = review.read_bytes()
    assert (await place.type("pick", "a", "2")).code == 0
    if not keeps_originals:
        shutil.rmtree(place.output / ORIGINALS_FOLDER)
    manifest.write_text(text.replace("items:", "save: {format: jpeg}\nitems:"))
    review.write_bytes(first)  # as a colleague has decided

    said = await place.type("run")

    assert said.code == 0, said.err
    files = {path.name for path in place.output.glob("*.jpg")}
    assert files == {"a.jpg", "a@2.jpg"}
    assert list(place.output.glob("*.webp*")) == []
    record = json.loads((place.output / "a.jpg.json").read_text())
    assert record["item_id"] == "a"
    with Image.open(io.BytesIO((place.output / "a.jpg").read_bytes())) as image:
        assert image.format == "JPEG"
    approved = await place.type("check", "--approved")
    assert approved.code == 0, approved.out
    assert place.paid == 2


async def test_with_select_the_others_are_compared_with_and_not_listed(place):
    text = items("an oak", "an elm").replace(
        "items:", "checks: {similar_to_another: 0.98}\nitems:"
    )
    await place.play(text)
    picture = Image.radial_gradient("L")
    for name in ("a", "b"):
        picture.save(place.output / f"{name}.png")
    await place.type("check")

    said = await place.type("check", "--select", "a", "--json")

    assert [one["item_id"] for one in said.of("check")] == ["a"]
    assert "it is like b" in said.of("check")[0]["needs_review"]
    assert said.code == 3


@pytest.mark.parametrize("saving", ["", WEBP])
async def test_an_item_that_is_renamed_and_saved_otherwise_at_once_is_not_paid_again(
    workshop, saving
):
    text = "items:\n  - {id: oak, prompt: tree}\n  - {id: elm, prompt: elm}\n"
    workshop.write(saving + text)
    await workshop.run()
    renamed = text.replace("id: oak", "id: ash")
    workshop.write("save: {format: jpeg}\n" + renamed)

    result = await workshop.run()

    assert workshop.api.paid_by_prompt() == {"tree": 1, "elm": 1}
    assert shown(workshop) == with_sidecars("ash.jpg", "elm.jpg")
    assert result.exit_code == 0
    assert (await workshop.run()).counts == {"done": 2}


async def test_two_identical_items_that_are_renamed_keep_their_pictures(workshop):
    text = "items:\n  - {id: oak, prompt: t}\n  - {id: elm, prompt: t}\n"
    workshop.write(WEBP + text)
    await workshop.run()
    workshop.write("save: {format: jpeg}\n" + text.replace("oak", "oak2"))

    await workshop.run()

    assert workshop.api.paid_by_prompt() == {"t": 2}
    assert shown(workshop) == with_sidecars("oak2.jpg", "elm.jpg")
