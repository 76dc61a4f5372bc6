"""Saving with the real command: another form, a kill at each point, the gate of CI."""

import io
import json

import pytest
from PIL import Image

from pipeline.assets.originals import ORIGINALS_FOLDER

HEAD = """\
version: 1
name: knobs
model: model_wan-2-7-image
params: {size: 1K, thinkingMode: false}
"""
ITEMS = "items:\n  - {id: oak, prompt: an oak}\n  - {id: elm, prompt: an elm}\n"
WEBP = "save: {format: webp, quality: 90, resize: 512, max_bytes: 200kB}\nembed: true\n"
JPEG = "save: {format: jpeg, resize: 300x200, fit: cover}\n"


async def emulate(shell, command="run", *arguments, **environment):
    return await shell.run(
        command, "trees.yaml", "--emulate", *arguments, **environment
    )


def seen(shell):
    output = shell.folder / "output" / "knobs.emulated"
    return output, {
        path.name
        for path in output.iterdir()
        if path.is_file() and path.suffix in {".png", ".jpg", ".webp"}
    }


async def test_pictures_of_1k_become_webp_of_512_px_and_then_something_else_for_free(
    shell,
):
    shell.write(HEAD + WEBP + ITEMS)
    made = await emulate(shell)
    output, names = seen(shell)

    assert made.code == 0, made.err
    assert names == {"oak.webp", "elm.webp"}
    content = (output / "oak.webp").read_bytes()
    with Image.open(io.BytesIO(content)) as image:
        assert (image.format, image.size) == ("WEBP", (512, 512))
    assert len(content) <= 200_000
    assert b"trainedAlgorithmicMedia" in content
    record = json.loads((output / "oak.webp.json").read_text())
    original = output / ORIGINALS_FOLDER / record["original_sha256"]
    with Image.open(original) as image:
        assert image.size == (1024, 1024)

    shell.write(HEAD + JPEG + ITEMS)
    plan = await emulate(shell, "plan")
    changed = await emulate(shell, "run", "--json")

    assert "< oak: saving changed: embed, fit and" in plan.out
    assert changed.code == 0, changed.err
    assert changed.of("launch")[0]["to_submit"] == 0
    assert changed.of("done")[0]["cost"]["charged"] == 0
    output, names = seen(shell)
    assert names == {"oak.jpg", "elm.jpg"}
    with Image.open(output / "oak.jpg") as image:
        assert image.size == (300, 200)
    assert (await shell.run("verify", str(output))).code == 0


@pytest.mark.parametrize(
    "point",
    [
        "end-recorded",
        "processed",
        "original-placed",
        "asset-placed",
        "sidecar-placed",
        "saved-recorded",
    ],
)
@pytest.mark.parametrize("before", ["", WEBP], ids=["as it came", "as WebP"])
async def test_a_kill_while_a_picture_is_saved_anew_leaves_one_file_of_each(
    before, point, shell
):
    shell.write(HEAD + before + ITEMS)
    assert (await emulate(shell)).code == 0
    shell.write(HEAD + JPEG + ITEMS)

    killed = await emulate(shell, PIPELINE_FAULT_POINT=point)
    done = await emulate(shell, "run", "--json")

    assert killed.code not in {0, 1, 2, 3}
    assert done.code == 0, done.err
    assert done.of("done")[0]["cost"]["charged"] == 0
    output, names = seen(shell)
    assert names == {"oak.jpg", "elm.jpg"}
    assert (await shell.run("verify", str(output))).code == 0
    assert {path.name for path in output.glob("*.json")} == {
        "oak.jpg.json",
        "elm.jpg.json",
    }


async def test_prune_removes_the_originals_that_nothing_uses(shell):
    shell.write(HEAD + WEBP + ITEMS)
    assert (await emulate(shell)).code == 0
    shell.write(HEAD + WEBP + ITEMS.replace("  - {id: elm, prompt: an elm}\n", ""))

    done = await emulate(shell, "prune", "--yes")

    output, names = seen(shell)
    assert done.code == 0, done.err
    assert names == {"oak.webp"}
    kept = [path.name for path in (output / ORIGINALS_FOLDER).glob("[0-9a-f]*")]
    record = json.loads((output / "oak.webp.json").read_text())
    assert kept == [record["original_sha256"]]


async def test_check_is_the_gate_for_ci(shell):
    shell.write(HEAD + "checks: {not_blank: true, min_px: 1024}\n" + ITEMS)
    assert (await emulate(shell)).code == 0
    assert (await emulate(shell, "check")).code == 0
    shell.write(HEAD + "checks: {alpha: true}\n" + ITEMS)

    said = await emulate(shell, "check")

    assert said.code == 3
    assert "? oak: oak.png: alpha: it has no transparency" in said.out
