"""``show``: what it prints is a manifest that makes the same request again."""

import json
import shutil

import pytest
from doubles.pictures import png_bytes
from doubles.place import items
from hypothesis import given
from hypothesis import strategies as st

from pipeline import ExitCode
from pipeline.assets.embedding import Making
from pipeline.manifest import expand, load_manifest, validate_manifest
from pipeline.operations.show import Shown, render_item

SAVING = "save: {format: webp, resize: 64}\nembed: true\n"
STYLE = png_bytes("teal", 300, 300)


@pytest.fixture
async def made(place, monkeypatch):
    monkeypatch.chdir(place.folder)
    (place.folder / "refs").mkdir()
    (place.folder / "refs" / "style.png").write_bytes(STYLE)
    text = items("an oak, ${x} #1: $5", params="{images: ['file:refs/style.png']}")
    text = text.replace("${x}", "$${x}").replace("items:", f"{SAVING}items:")
    played = await place.play(text)
    assert played.code is ExitCode.OK
    return place


async def show(place, path):
    return await place.command("show", path)


def parsed(folder, text):
    (folder / "again.yaml").write_text(text)
    manifest, count = validate_manifest(folder / "again.yaml")
    assert count == 1
    (item,) = expand(manifest)
    return item


def same_request(place, item):
    (before,) = expand(load_manifest(place.folder / "knobs.yaml"))
    sent = place.job("a").request
    now = dict(item.params)
    assert now.pop("seed") == sent["seed"]
    return item.model_id == before.model_id and now == before.params


async def test_a_file_with_its_sidecar_becomes_its_item_with_the_file_it_used(made):
    said = await show(made, made.output / "a.webp")

    item = parsed(made.folder, said.out)
    assert said.code == 0
    assert item.item_id == "a"
    assert same_request(made, item)
    assert item.saving == next(expand(load_manifest(made.folder / "knobs.yaml"))).saving
    assert "# refs/style.png, sha256 " in said.out


async def test_a_copy_without_a_sidecar_says_the_same(made):
    copy = made.folder / "copy.webp"
    shutil.copy(made.output / "a.webp", copy)

    said = await show(made, copy)

    assert same_request(made, parsed(made.folder, said.out))
    assert "embedded" in said.err


async def test_the_sidecar_can_be_named_itself(made):
    one = await show(made, made.output / "a.webp")
    other = await show(made, made.output / "a.webp.json")

    assert one.out == other.out


@pytest.mark.parametrize("change", ["missing", "edited"])
async def test_a_file_that_is_gone_or_changed_is_named_by_its_asset_id(change, made):
    style = made.folder / "refs" / "style.png"
    style.unlink()
    if change == "edited":
        style.write_bytes(png_bytes("red", 300, 300))

    said = await show(made, made.output / "a.webp")

    item = parsed(made.folder, said.out)
    assert item.params["images"] == made.job("a").request["images"]
    assert "# refs/style.png, sha256 " in said.out


async def test_an_edited_file_is_shown_with_a_word_of_warning(made):
    (made.output / "a.webp").write_bytes(b"painted over")

    said = await show(made, made.output / "a.webp")

    assert said.code == 0
    assert "was changed since" in said.err


async def test_a_file_that_says_nothing_is_a_mistake_with_a_next_step(made):
    style = made.folder / "refs" / "style.png"

    said = await show(made, style)

    assert said.code == 2
    assert "nothing says how" in said.err
    assert "embed: true" in said.err


@pytest.mark.parametrize("name", ["nothing.png", "refs"])
async def test_a_path_that_is_no_file_is_a_mistake(name, made):
    assert (await show(made, made.folder / name)).code == 2


async def test_a_damaged_sidecar_is_a_mistake(made):
    path = made.output / "a.webp.json"
    record = json.loads(path.read_text()) | {"size_bytes": -1}
    path.write_text(json.dumps(record))

    said = await show(made, made.output / "a.webp")

    assert said.code == 2
    assert "impossible value" in said.err


TEXTS = st.text(st.characters(codec="utf-8"), max_size=40)
VALUES = st.recursive(
    st.booleans() | st.integers(-(10**9), 10**9) | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.from_regex("[a-z]{1,5}", fullmatch=True), inner, max_size=3
        )
    ),
    max_leaves=5,
)


@given(prompt=TEXTS, value=VALUES, item_id=TEXTS)
def test_whatever_was_sent_it_is_read_back_as_it_was(
    prompt, value, item_id, tmp_path_factory
):
    folder = tmp_path_factory.mktemp("shown")
    making = Making(
        model_id="model_unknown",
        request={"prompt": prompt, "extra": value},
        seed=5,
        item_id=item_id,
        job_id="job\n- x",
        asset_id="a",
    )

    text = "\n".join(render_item(Shown(path="x\ny.png", making=making))) + "\n"

    (folder / "again.yaml").write_text(text, encoding="utf-8")
    manifest = load_manifest(folder / "again.yaml")
    (template,) = manifest.templates
    assert template.params["seed"] == 5
    assert template.params["prompt"] == prompt
    assert template.params["extra"] == value
