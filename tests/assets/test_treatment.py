"""Treatment: a file as it arrived → the file that is saved, and nothing is ever lost."""

import hashlib

import pytest
from doubles.pictures import png_bytes

from pipeline.assets import treatment as module
from pipeline.assets.embedding import Making
from pipeline.assets.processing import Processed
from pipeline.assets.receipt import Receipt
from pipeline.assets.treatment import Treatment, treat
from pipeline.errors import OutputError
from pipeline.save_spec import CheckSpec, SaveSpec, Saving
from pipeline.storage.atomic_file import PARTIAL_FOLDER
from pipeline.storage.media_type import media_type_of

MAKING = Making(
    model_id="model_x",
    request={},
    seed=None,
    item_id="oak",
    job_id="job_1",
    asset_id="asset_1",
)


@pytest.fixture
def arrived(tmp_path):
    def arrived(content):
        partial = tmp_path / PARTIAL_FOLDER / "one"
        partial.parent.mkdir(exist_ok=True)
        partial.write_bytes(content)
        media_type = media_type_of(content)
        is_picture = media_type.startswith("image/")
        return Receipt(
            partial=partial,
            sha256=hashlib.sha256(content).hexdigest(),
            size_bytes=len(content),
            media_type=media_type,
            kind="image" if is_picture else "video",
            width_px=8 if is_picture else None,
            height_px=6 if is_picture else None,
        )

    return arrived


def treated(receipt, *, compares=False, checks=None, **spec):
    saving = Saving(save=SaveSpec(**spec), checks=checks or CheckSpec())
    treatment = Treatment(saving=saving, making=MAKING, compares=compares)
    return treat(receipt, treatment, receipt.partial.parent.parent)


def test_another_form_has_its_own_file_hash_and_size_beside_the_original(arrived):
    original = arrived(png_bytes())

    found = treated(original, format="webp", resize=(4, 4))

    content = found.partial.read_bytes()
    assert found.partial != original.partial
    assert found.sha256 == hashlib.sha256(content).hexdigest()
    assert (found.size_bytes, found.media_type) == (len(content), "image/webp")
    assert (found.width_px, found.height_px) == (4, 3)
    assert found.original is not None
    assert found.original.partial.read_bytes() == png_bytes()
    assert found.recipe == '{"format": "webp", "resize": [4, 4]}'


def test_what_already_is_as_wanted_is_its_own_original(arrived):
    original = arrived(png_bytes())

    found = treated(original, format="png")

    assert found.original is None
    assert found.partial == original.partial
    assert found.recipe == '{"format": "png"}'


def test_a_video_is_left_alone_with_a_note_and_without_a_recipe(arrived):
    original = arrived(b"\0\0\0\x20ftypisom" + b"\0" * 40)

    found = treated(original, format="webp", checks=CheckSpec(alpha=True))

    assert found.sha256 == original.sha256
    assert found.recipe == ""
    assert found.checks == ()
    assert found.notes == (
        "it is video/mp4, which 'save' and 'embed' leave as it came",
    )
    assert treated(original, checks=CheckSpec(alpha=True)) == original


def test_what_cannot_be_processed_is_saved_as_it_came_and_needs_review(
    arrived, monkeypatch
):
    original = arrived(png_bytes())
    failed = Processed(shortfall="the reason")
    monkeypatch.setattr(module, "process", lambda *_: failed)

    found = treated(original, format="webp")

    assert found.original is None
    assert found.sha256 == original.sha256
    (result,) = found.checks
    assert (result.name, result.why) == ("save", "it is saved as it came: the reason")
    assert found.recipe  # so that it is not tried again and again


def test_what_an_encoder_breaks_is_not_saved(arrived, monkeypatch):
    original = arrived(png_bytes())
    broken = Processed(content=b"\x89PNG\r\n\x1a\n broken")
    monkeypatch.setattr(module, "process", lambda *_: broken)

    found = treated(original, format="webp")

    assert found.sha256 == original.sha256
    assert found.checks[0].name == "save"
    assert [path.name for path in original.partial.parent.iterdir()] == ["one"]


def test_a_disk_that_is_full_stops_the_run(arrived, monkeypatch):
    original = arrived(png_bytes())

    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "sync_file", full)

    with pytest.raises(OutputError, match="No space left"):
        treated(original, format="webp")


def test_the_checks_are_of_the_file_that_is_saved(arrived):
    found = treated(
        arrived(png_bytes("red", 30, 20)),
        resize=(6, 6),
        checks=CheckSpec(min_px=5, not_blank=True),
        compares=True,
    )

    assert {one.name: one.why for one in found.checks} == {
        "min_px": "its shorter edge has 4 px",
        "not_blank": "it is all one colour",
    }
    assert found.likeness == ""
