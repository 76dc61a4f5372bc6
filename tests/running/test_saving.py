"""Saving in a run: a change of it is free, survives a kill, and loses nobody's work."""

import io
import json
import shutil

import pytest
from doubles.kills import run_killed_at
from doubles.trees import paid, sidecar, with_sidecars
from PIL import Image

from pipeline.assets.originals import ORIGINALS_FOLDER
from pipeline.errors import ExitCode
from pipeline.ledger.ledger import LEDGER_NAME, Ledger
from pipeline.output.rebuild import open_for_writing

WEBP = "save: {format: webp, resize: 4}\n"
JPEG = "save: {format: jpeg}\n"


def write(workshop, saving, *pairs):
    lines = (f"  - {{id: {name}, prompt: {prompt}}}\n" for name, prompt in pairs)
    workshop.write(f"{saving}items:\n{''.join(lines)}")


OAK = ("oak", "an oak")
ELM = ("elm", "an elm")


def shown(workshop):
    """The files that a person sees."""
    return {name for name in workshop.files() if not name.startswith(".")}


def requests(workshop):
    return len(workshop.transfer.reads), len(workshop.api.bulk_reads)


@pytest.fixture
async def saved(workshop):
    write(workshop, WEBP, OAK, ELM)
    result = await workshop.run()
    assert result.counts == {"saved": 2}
    return workshop


async def test_a_picture_is_saved_as_it_is_wanted_with_both_hashes(saved):
    record = sidecar(saved, "oak.webp")
    (asset,) = saved.job("oak").assets

    assert shown(saved) == with_sidecars("oak.webp", "elm.webp")
    with Image.open(saved.output / "oak.webp") as image:
        assert image.format == "WEBP"
        assert image.size == (4, 3)
    original = saved.output / ORIGINALS_FOLDER / record["original_sha256"]
    (asset_id,) = saved.job("oak").remote_assets
    assert original.read_bytes() == saved.api.files[asset_id]
    assert record["original_size_bytes"] == original.stat().st_size
    assert record["save"] == {"format": "webp", "resize": [4, 4]}
    assert asset.content_sha256 == record["original_sha256"] != asset.sha256


async def test_a_second_run_has_nothing_to_do(saved):
    before = requests(saved)

    result = await saved.run()

    assert result.counts == {"done": 2}
    assert requests(saved) == before


@pytest.mark.parametrize("saving", [JPEG, "", "save: {trim: true}\nembed: true\n"])
async def test_a_change_is_free_and_asks_the_service_for_nothing(saving, saved):
    before = requests(saved)
    calls = len(saved.api.calls) if hasattr(saved.api, "calls") else None
    write(saved, saving, OAK, ELM)

    result = await saved.run()

    ending = "jpg" if saving == JPEG else "png"
    assert result.counts == {"saved": 2}
    assert shown(saved) == with_sidecars(f"oak.{ending}", f"elm.{ending}")
    assert requests(saved) == before
    assert calls is None or len(saved.api.calls) == calls
    assert paid(saved) == 2
    assert (await saved.run()).counts == {"done": 2}


async def test_a_first_wish_is_fulfilled_from_the_file_that_is_there(workshop):
    write(workshop, "", OAK)
    await workshop.run()
    before = requests(workshop)
    content = (workshop.output / "oak.png").read_bytes()
    write(workshop, WEBP, OAK)

    await workshop.run()

    assert shown(workshop) == with_sidecars("oak.webp")
    assert requests(workshop) == before
    (kept,) = (workshop.output / ORIGINALS_FOLDER).glob("[0-9a-f]*")
    assert kept.read_bytes() == content


async def test_without_the_originals_each_costs_one_download(saved):
    reads, _ = requests(saved)
    shutil.rmtree(saved.output / ORIGINALS_FOLDER)
    write(saved, JPEG, OAK, ELM)

    result = await saved.run()

    assert result.counts == {"saved": 2}
    assert requests(saved)[0] == reads + 2
    assert paid(saved) == 2


async def test_a_file_that_was_deleted_is_made_again_byte_for_byte(saved):
    before = requests(saved)
    content = (saved.output / "oak.webp").read_bytes()
    (saved.output / "oak.webp").unlink()

    await saved.run()

    assert (saved.output / "oak.webp").read_bytes() == content
    assert requests(saved) == before


async def test_sidecars_alone_keep_all_of_it(saved):
    (saved.output / LEDGER_NAME).unlink()
    for path in saved.output.glob(f"{LEDGER_NAME}-*"):
        path.unlink()
    before = requests(saved)
    open_for_writing(saved.output).close()

    result = await saved.run()

    assert result.counts == {"done": 2}
    assert requests(saved) == before
    assert paid(saved) == 2


async def test_a_kill_anywhere_leaves_one_file_for_each_and_pays_nothing(workshop):
    """Cancelled at every await point: what stands then is what a kill would leave."""
    write(workshop, WEBP, OAK, ELM)
    await workshop.run()
    reads, _ = requests(workshop)
    kill_at, passed = 1, 1
    while passed >= kill_at - 1:
        ending = ("webp", "jpg")[kill_at % 2]
        write(workshop, {"jpg": JPEG, "webp": WEBP}[ending], OAK, ELM)

        passed = await run_killed_at(workshop, kill_at)
        open_for_writing(workshop.output).close()
        await workshop.run()

        assert shown(workshop) == with_sidecars(f"oak.{ending}", f"elm.{ending}"), (
            kill_at
        )
        with Ledger(workshop.output / LEDGER_NAME) as ledger:
            assert ledger.find_leftovers() == {}
        kill_at += 1
    assert kill_at > 4
    assert paid(workshop) == 2
    assert requests(workshop)[0] == reads


async def test_a_rename_to_another_form_that_is_killed_anywhere_is_finished(workshop):
    write(workshop, WEBP, OAK, ELM)
    await workshop.run()
    reads, _ = requests(workshop)
    kill_at, passed = 1, 1
    while passed >= kill_at - 1:
        ending = ("webp", "jpg")[kill_at % 2]
        name = ("oak", "zebrawood", "fir")[kill_at % 3]
        write(workshop, {"jpg": JPEG, "webp": WEBP}[ending], (name, "an oak"), ELM)

        passed = await run_killed_at(workshop, kill_at)
        open_for_writing(workshop.output).close()
        await workshop.run()
        open_for_writing(workshop.output).close()

        wanted = with_sidecars(f"{name}.{ending}", f"elm.{ending}")
        assert shown(workshop) == wanted, kill_at
        kill_at += 1
    assert kill_at > 4
    assert paid(workshop) == 2
    assert requests(workshop)[0] == reads


async def test_an_edit_is_kept_under_another_name(saved):
    (saved.output / "oak.webp").write_bytes(b"painted over by hand")
    write(saved, JPEG, OAK, ELM)

    await saved.run()

    assert shown(saved) == {
        *with_sidecars("oak.jpg", "elm.jpg"),
        "oak.old-1.webp",
    }
    assert (saved.output / "oak.old-1.webp").read_bytes() == b"painted over by hand"
    assert any("oak.old-1.webp" in warning for warning in saved.warnings())
    assert (await saved.run()).counts == {"done": 2}


async def test_an_edit_at_the_same_path_is_kept_too(saved):
    (saved.output / "oak.webp").write_bytes(b"painted over by hand")
    write(saved, "save: {format: webp, resize: 3}\n", OAK, ELM)

    await saved.run()

    assert (saved.output / "oak.old-1.webp").read_bytes() == b"painted over by hand"
    with Image.open(saved.output / "oak.webp") as image:
        assert image.size == (3, 2)


async def test_a_rename_with_another_form_is_free_and_leaves_nothing_behind(saved):
    before = requests(saved)
    write(saved, JPEG, ("fir", "an oak"), ELM)

    result = await saved.run()

    assert result.exit_code is ExitCode.OK
    assert shown(saved) == with_sidecars("fir.jpg", "elm.jpg")
    assert requests(saved) == before
    assert paid(saved) == 2
    open_for_writing(saved.output).close()
    assert shown(saved) == with_sidecars("fir.jpg", "elm.jpg")


async def test_a_new_picture_replaces_the_old_one_in_its_new_form(saved):
    write(saved, JPEG, ("oak", "an old oak"), ELM)

    await saved.run()

    assert shown(saved) == with_sidecars("oak.jpg", "elm.jpg")
    assert paid(saved) == 3


async def test_several_outputs_are_saved_each(workshop):
    workshop.write(
        f"{WEBP}items:\n  - {{id: oak, prompt: oaks, params: {{numOutputs: 2}}}}\n"
    )
    await workshop.run()
    before = requests(workshop)
    workshop.write(
        f"{JPEG}items:\n  - {{id: oak, prompt: oaks, params: {{numOutputs: 2}}}}\n"
    )

    await workshop.run()

    assert shown(workshop) == with_sidecars("oak-1.jpg", "oak-2.jpg")
    assert requests(workshop) == before
    assert paid(workshop) == 1


async def test_what_a_check_finds_is_told_and_recorded_and_fails_nothing(workshop):
    write(workshop, "checks: {alpha: true, min_px: 4}\n", OAK, ELM)

    result = await workshop.run()

    assert result.exit_code is ExitCode.OK
    assert result.needs_review == 2
    assert workshop.job("oak").review == "oak.png: alpha: it has no transparency"
    assert any("needs review" in warning for warning in workshop.warnings())
    assert sidecar(workshop, "oak.png")["checks"] == {
        "alpha": {"passed": False, "why": "it has no transparency"},
        "min_px": {"passed": True, "why": ""},
    }
    assert (await workshop.run()).needs_review == 2


async def test_a_file_that_cannot_be_small_enough_is_saved_and_needs_review(workshop):
    write(workshop, "save: {format: webp, max_bytes: 10}\n", OAK)

    result = await workshop.run()

    assert result.counts == {"saved": 1}
    assert "more than 10" in workshop.job("oak").review


async def test_equal_pictures_are_found_and_named(workshop):
    write(workshop, "checks: {similar_to_another: 1}\n", OAK, ELM)
    await workshop.run()
    names = [
        one.likeness for item in ("oak", "elm") for one in workshop.job(item).assets
    ]

    assert all(len(one) == 16 for one in names)
    same = names[0] == names[1]
    told = [workshop.job(item).review for item in ("oak", "elm")]
    assert sum("it is like" in one for one in told) == same


async def test_the_sidecar_says_which_files_were_used(workshop):
    files = {"style.png": (io.BytesIO(), Image.new("RGB", (300, 300)))}
    file, image = files["style.png"]
    image.save(file, "PNG")
    workshop.write(
        "items:\n  - {id: oak, prompt: an oak, params: {images: ['file:style.png']}}\n",
        files={"style.png": file.getvalue()},
    )
    await workshop.run()

    (reference,) = sidecar(workshop, "oak.png")["references"]
    (asset_id,) = workshop.job("oak").request["images"]
    assert reference["asset_id"] == asset_id
    assert reference["path"] == "style.png"
    assert len(reference["sha256"]) == 64
    assert json.dumps(reference)
