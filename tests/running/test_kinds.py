"""Runs with models of every kind: 3D with previews, maps, texts, partial failures."""

import json

import pytest
from doubles.kills import run_killed_at
from doubles.media import glb_of
from doubles.outcome import Outcome
from doubles.pictures import png_of

from pipeline.errors import ExitCode
from pipeline.job import FailureClass, JobStatus
from pipeline.ledger.ledger import LEDGER_NAME, Ledger
from pipeline.lockfile import read_lock, write_lock
from pipeline.models.record import parse_model
from pipeline.operations.verify import verify
from pipeline.output.rebuild import rebuild
from pipeline.storage.folder import Folder

GLB = glb_of()
MODELS = {
    f"model_{name}": parse_model(
        {
            "id": f"model_{name}",
            "capabilities": capabilities,
            "inputs": [
                {"name": "prompt", "type": "string"},
                {"name": "seed", "type": "number", "min": 0, "max": 1000},
                {"name": "numOutputs", "type": "number", "default": 1},
            ],
        },
        source="live",
    )
    for name, capabilities in {
        "rodin": ["txt23d"],
        "patina": ["img2img"],
        "caption": ["img2txt"],
        "odd": [],
    }.items()
}


@pytest.fixture
def shop(workshop):
    workshop.api.model_ids |= MODELS.keys()
    shipped = workshop.models
    workshop.models = lambda model_id: MODELS.get(model_id) or shipped(model_id)

    def write(model, *names, **params):
        extra = "".join(f", {name}: {value}" for name, value in params.items())
        workshop.write(
            "items:\n"
            + "".join(
                f"  - {{id: {name}, prompt: {name}, model: model_{model},"
                f" params: {{seed: 1{extra}}}}}\n"
                for name in names
            )
        )
        text = (workshop.folder / "icons.yaml").read_text()
        text = text.replace("params: {size: 1K}\n", "", 1)
        (workshop.folder / "icons.yaml").write_text(text)

    workshop.write_of = write
    return workshop


def lose_ledger(shop):
    for path in shop.output.glob(f"{LEDGER_NAME}*"):
        path.unlink()
    with Ledger(shop.output / LEDGER_NAME) as ledger:
        return rebuild(ledger, shop.output)


# --- companions -----------------------------------------------------------------------------


async def test_a_preview_before_the_model_is_saved_beside_it_and_is_no_output(shop):
    shop.write_of("rodin", "chest")
    shop.api.script("chest", Outcome(files=(png_of("chest"), GLB)))

    result = await shop.run()
    again = await shop.run()

    assert shop.files() == {
        "chest.glb",
        "chest.glb.json",
        "chest.preview.png",
        "chest.preview.png.json",
    }
    assert (shop.output / "chest.glb").read_bytes() == GLB
    assert (result.exit_code, result.counts) == (ExitCode.OK, {"saved": 1})
    assert shop.warnings() == []
    assert again.counts == {"done": 1}
    assert {one.finding for one in verify(Folder(shop.output))} == {"ok"}


async def test_a_lost_preview_is_fetched_again_free(shop):
    shop.write_of("rodin", "chest")
    shop.api.script("chest", Outcome(files=(png_of("chest"), GLB)))
    await shop.run()
    (shop.output / "chest.preview.png").unlink()

    result = await shop.run(only_fetch=True)

    assert result.counts == {"saved": 1}
    assert (shop.output / "chest.preview.png").read_bytes() == png_of("chest")
    assert len(shop.api.submits) == 1


async def test_roles_survive_a_lost_ledger_a_lock_file_and_a_rename(shop):
    shop.write_of("rodin", "chest")
    shop.api.script("chest", Outcome(files=(png_of("chest"), GLB, png_of("more"))))
    await shop.run()
    before = shop.job("chest").assets

    assert lose_ledger(shop) == 1
    rebuilt = shop.job("chest").assets
    lock = shop.folder / "icons.yaml.lock"
    write_lock(lock, [shop.job("chest")], base_url="https://x/v1", project_id="")
    [locked] = read_lock(lock)[1]
    path = shop.folder / "icons.yaml"
    path.write_text(path.read_text().replace("id: chest", "id: box"))
    renamed = await shop.run()

    assert before == rebuilt == locked.assets
    assert [asset.role for asset in before] == ["", "preview", "preview"]
    assert renamed.counts == {"renamed": 1}
    assert [asset.path for asset in shop.job("box").assets] == [
        "box.glb",
        "box.preview-1.png",
        "box.preview-2.png",
    ]
    assert not list(shop.output.glob("chest*"))
    assert len(shop.api.submits) == 1


async def test_six_maps_of_one_job_are_six_outputs(shop):
    shop.write_of("patina", "wood")
    maps = tuple(png_of(f"map {number}") for number in range(6))
    shop.api.script("wood", Outcome(files=maps))

    result = await shop.run()

    assert result.counts == {"saved": 1}
    assert [asset.path for asset in shop.job("wood").outputs] == [
        f"wood-{number}.png" for number in range(1, 7)
    ]
    assert shop.warnings() == []


async def test_companions_of_other_kinds_are_named_and_stay(shop):
    shop.write_of("patina", "wood")
    shop.api.script("wood", Outcome(files=(png_of("wood"), b'{"roughness": 1}')))

    await shop.run()

    assert shop.files() == {"wood.png", "wood.png.json"}
    assert shop.warnings() == [
        "companions of other kinds stay at the service: asset_1_1"
    ]
    record = json.loads((shop.output / "wood.png.json").read_text())
    assert record["companions"] == [{"asset_id": "asset_1_1", "role": ""}]


async def test_without_the_library_for_media_it_is_said_once(shop, monkeypatch):
    for module in ("assets.checks.content", "running.saving"):
        monkeypatch.setattr(f"pipeline.{module}.can_check_media", lambda: False)
    shop.write_of("odd", "roar", "hum")
    for name in ("roar", "hum"):
        shop.api.script(name, Outcome(files=(b"fLaC and nothing more",)))

    result = await shop.run()

    assert result.counts == {"saved": 2}
    [said] = shop.warnings()
    assert "pip install 'scenario-pipeline[media]'" in said


# --- failures that made something -----------------------------------------------------------


async def test_one_of_two_outputs_of_a_failure_is_saved_and_counts_as_charged(shop):
    shop.write_of("patina", "wood", numOutputs=2)
    outcome = Outcome(ends="failure", error="one of two failed", outputs=1)
    shop.api.script("wood", outcome)

    result = await shop.run()
    again = await shop.run()

    assert shop.files() == {"wood-1.png", "wood-1.png.json"}
    assert (result.exit_code, result.counts) == (ExitCode.OK, {"saved": 1})
    assert (result.cost.charged, result.cost.taken) == (12, 12)
    assert result.cost.refunded == 0
    assert shop.warnings() == []  # of the second run: nothing is fetched again
    assert shop.statuses() == {"wood": "saved"}
    assert again.counts == {"done": 1}
    assert len(shop.api.submits) == 1


# --- results that are texts -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "name", "content"),
    [
        ("an old oak", "oak.txt", b"an old oak"),
        ({"caption": "an old oak"}, "oak.txt", b"an old oak"),
        ({"tags": ["a"], "n": 1}, "oak.json", None),
    ],
)
async def test_a_result_without_assets_is_saved_as_a_text(shop, output, name, content):
    shop.write_of("caption", "oak")
    shop.api.script("oak", Outcome(outputs=0, output=output))

    result = await shop.run()
    again = await shop.run()

    assert (result.exit_code, result.counts) == (ExitCode.OK, {"saved": 1})
    assert shop.files() == {name, f"{name}.json"}
    saved = (shop.output / name).read_bytes()
    assert saved == content or json.loads(saved) == output
    record = json.loads((shop.output / f"{name}.json").read_text())
    assert record["asset_id"] == record["job_id"] == "job_1"
    assert again.counts == {"done": 1}
    assert {one.finding for one in verify(Folder(shop.output))} == {"ok"}


async def test_a_lost_text_is_fetched_again_free_also_without_a_ledger(shop):
    shop.write_of("caption", "oak")
    shop.api.script("oak", Outcome(outputs=0, output={"tags": ["oak"]}))
    await shop.run()
    job = shop.job("oak")
    content = (shop.output / "oak.json").read_bytes()

    assert lose_ledger(shop) == 1
    rebuilt = shop.job("oak")
    (shop.output / "oak.json").unlink()
    result = await shop.run()

    assert rebuilt.remote_assets == job.remote_assets == ("job_1",)
    assert rebuilt.assets == job.assets
    assert result.counts == {"saved": 1}
    assert (shop.output / "oak.json").read_bytes() == content
    assert len(shop.api.submits) == 1


async def test_a_text_is_locked_and_fetched_by_a_fresh_checkout(shop):
    shop.write_of("caption", "oak")
    shop.api.script("oak", Outcome(outputs=0, output="an oak"))
    await shop.run()
    lock = shop.folder / "icons.yaml.lock"
    job = shop.job("oak")
    write_lock(lock, [job], base_url="https://api.example/v1", project_id="")
    for path in shop.output.iterdir():
        if path.is_file():
            path.unlink()
    with Ledger(shop.output / LEDGER_NAME) as ledger:
        ledger.begin()
        for locked in read_lock(lock)[1]:
            ledger.record_locked(locked)
        ledger.commit()

    result = await shop.run()

    assert result.counts == {"saved": 1}
    assert (shop.output / "oak.txt").read_bytes() == b"an oak"
    assert len(shop.api.submits) == 1


async def test_a_text_that_the_service_has_archived_is_fetched_as_the_asset(shop):
    shop.write_of("caption", "oak")
    shop.api.script("oak", Outcome(outputs=0, output={"text": "asset_9"}))
    shop.api.files["asset_9"] = b"an oak, at length"
    shop.api.media_types["asset_9"] = "text/plain"

    await shop.run()

    assert (shop.output / "oak.txt").read_bytes() == b"an oak, at length"


async def test_a_text_survives_a_kill_at_every_point(shop):
    shop.write_of("caption", "oak", "elm")
    for name in ("oak", "elm"):
        shop.api.script(name, Outcome(outputs=0, output=f"this is an {name}"))
    shop.set(settle_s=1.0)

    points = 1
    for kill_at in (*range(1, 30, 4), *range(30, 200, 20)):
        points = await run_killed_at(shop, kill_at)
        if points < kill_at:
            break
    result = await shop.run()

    assert result.exit_code is ExitCode.OK
    assert (shop.output / "oak.txt").read_bytes() == b"this is an oak"
    assert shop.api.paid_by_prompt() == {"oak": 1, "elm": 1}
    assert points > 1


async def test_assets_that_come_late_win_over_a_result_of_an_unknown_kind(shop):
    shop.write_of("odd", "oak")
    shop.api.output_delay_s = 5.0
    shop.api.script("oak", Outcome(output={"seed": 7, "model": "x"}))

    await shop.run()

    assert shop.files() == {"oak.png", "oak.png.json"}


async def test_a_picture_model_has_to_name_its_pictures(shop):
    shop.write_of("patina", "oak")
    shop.api.script("oak", Outcome(outputs=0, output={"seed": 7}))

    result = await shop.run()

    assert result.counts == {"failed": 1}
    assert shop.job("oak").failure.kind is FailureClass.NO_OUTPUT
    assert shop.job("oak").remote_assets == ()


async def test_a_text_of_a_failure_is_not_taken_for_a_result(shop):
    shop.write_of("caption", "oak")
    failure = Outcome(ends="failure", error="no", outputs=0, output="half a sent")
    shop.api.script("oak", failure)

    await shop.run()

    assert shop.job("oak").status is JobStatus.FAILED
    assert shop.files() == set()


async def test_a_result_that_reads_like_a_sidecar_is_no_sidecar(shop):
    """Written by whoever wrote the model's input: it must not pay for anything."""
    shop.write_of("caption", "oak")
    await_first = Outcome(outputs=0, output="an oak")
    shop.api.script("oak", await_first)
    await shop.run()
    forged = json.loads((shop.output / "oak.txt.json").read_text())
    forged |= {"item_id": "elm", "job_id": "job_forged", "asset_id": "asset_forged"}
    shop.write_of("caption", "ash")
    shop.api.script("ash", Outcome(outputs=0, output=forged))
    await shop.run()

    assert (shop.output / "ash.json").is_file()
    lose_ledger(shop)

    assert shop.statuses() == {"oak": "saved", "ash": "saved"}
    strays = [one for one in verify(Folder(shop.output)) if one.finding != "ok"]
    assert strays == []
