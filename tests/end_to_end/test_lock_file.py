"""The lock file: a fresh checkout pays only for what is new.

The emulator's counters are the judge: what they charged is what was paid.
"""

import shutil

from doubles.pictures import png_bytes
from doubles.priced_batch import paid
from doubles.shell import TREES, sidecars_in


async def test_fresh_checkout_fetches_what_is_locked_and_pays_only_for_what_is_new(
    real, emulator
):
    await real.run("run", "trees.yaml", "--yes")
    lock = (real.folder / "trees.yaml.lock").read_bytes()
    before = {name: car["sha256"] for name, car in sidecars_in(real.output).items()}
    shutil.rmtree(real.folder / "output")
    planned = await real.run("plan", "trees.yaml", "--json")
    fetched = await real.run("fetch", "trees.yaml", "--json")
    after = {name: car["sha256"] for name, car in sidecars_in(real.output).items()}
    paid_then = paid(emulator)
    same_lock = (real.folder / "trees.yaml.lock").read_bytes() == lock
    real.write(TREES.replace("yew]", "yew, fir]"))
    shutil.rmtree(real.folder / "output")
    run = await real.run("run", "trees.yaml", "--yes", "--json")

    assert planned.events[-1]["counts"]["submit"] == 0
    assert planned.events[-1]["counts"]["fetch"] == 4
    assert (fetched.code, fetched.events[-1]["counts"]) == (0, {"saved": 4})
    assert after == before
    assert (paid_then, same_lock) == ((4, 24), True)
    assert (run.code, run.events[-1]["cost"]["charged"]) == (0, 6)
    assert paid(emulator) == (5, 30)
    assert b"fir" in (real.folder / "trees.yaml.lock").read_bytes()


async def test_budget_counts_what_the_lock_file_knows(real, emulator):
    await real.run("run", "trees.yaml", "--yes")
    shutil.rmtree(real.folder / "output")
    real.write(TREES.replace("yew]", "yew, fir]"))
    done = await real.run("run", "trees.yaml", "--yes", "--max-cost", "29")

    assert done.code == 4
    assert paid(emulator) == (4, 24)


async def test_frozen_checkout_with_its_lock_is_complete(real, emulator):
    await real.run("run", "trees.yaml", "--yes")
    shutil.rmtree(real.folder / "output")
    done = await real.run("run", "trees.yaml", "--frozen")

    assert done.code == 0, done.err
    assert len(sidecars_in(real.output)) == 4
    assert paid(emulator) == (4, 24)


async def test_lock_file_in_conflict_is_refused_and_left_as_it_is(real, emulator):
    await real.run("run", "trees.yaml", "--yes")
    lock = real.folder / "trees.yaml.lock"
    broken = "<<<<<<< ours\n" + lock.read_text("utf-8") + "=======\n>>>>>>> theirs\n"
    lock.write_text(broken, encoding="utf-8")
    done = await real.run("run", "trees.yaml", "--yes")

    assert done.code == 2
    assert "trees.yaml.lock:1" in done.err
    assert "conflict" in done.err
    assert lock.read_text("utf-8") == broken
    assert paid(emulator) == (4, 24)


async def test_what_a_lock_file_fetches_has_the_request_of_the_manifest(real, emulator):
    (real.folder / "style.png").write_bytes(png_bytes("purple", 16, 16))
    styled = "params: {size: 1K, thinkingMode: false, images: [file:style.png]}"
    real.write(TREES.replace("params: {size: 1K, thinkingMode: false}", styled))
    await real.run("run", "trees.yaml", "--yes")
    before = sidecars_in(real.output)
    shutil.rmtree(real.folder / "output")
    await real.run("fetch", "trees.yaml")
    after = sidecars_in(real.output)

    assert paid(emulator)[0] == len(before) == len(after) == 4
    for name, made in before.items():
        fetched = after[name]
        (reference,) = made["references"]
        # The lock file does not tell which asset id was sent.
        assert fetched["request"] == {**made["request"], "images": [None]}
        assert fetched["references"] == [{**reference, "asset_id": None}]
        assert fetched["variables"] == made["variables"] == {"name": name[:-4]}
        assert (reference["path"], reference["input"]) == ("style.png", "images")
        assert made["request"]["images"] == [reference["asset_id"]]


async def test_what_a_lock_file_fetched_can_be_edited_and_told_apart(real, emulator):
    await real.run("run", "trees.yaml", "--yes")
    shutil.rmtree(real.folder / "output")
    await real.run("fetch", "trees.yaml")
    real.write(TREES.replace("a ${name}", "one ${name}"))
    planned = await real.run("plan", "trees.yaml", "--json", "--offline")

    assert {line["reason"] for line in planned.of("item")} == {
        "prompt changed (line 7)"
    }
    assert paid(emulator)[0] == 4
