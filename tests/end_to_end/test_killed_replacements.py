"""A kill while a file is replaced: no old file stays behind, no new one passes as old."""

import pytest
from doubles.place import items


def named(item_id, prompt):
    return items(prompt).replace("id: a,", f"id: {item_id},")


async def emulate(shell, *arguments, **environment):
    return await shell.run("run", "trees.yaml", "--emulate", *arguments, **environment)


@pytest.mark.parametrize(
    "point", ["job-recorded", "end-recorded", "asset-placed", "sidecar-placed"]
)
async def test_after_an_edit_a_kill_and_a_rename_nothing_stays_under_the_old_name(
    point, shell
):
    output = shell.folder / "output" / "knobs.emulated"
    shell.write(named("oak", "an oak"))
    assert (await emulate(shell)).code == 0
    shell.write(named("oak", "an old oak [jpeg]"))
    killed = await emulate(shell, PIPELINE_FAULT_POINT=point)
    assert killed.code not in {0, 1, 2, 3}

    shell.write(named("elm", "an old oak [jpeg]"))
    done = await emulate(shell)

    assert done.code == 0, done.err
    left = {path.name for path in output.iterdir() if path.name.startswith("oak")}
    assert left == set()
    assert {path.suffix for path in output.glob("elm.*")} == {".jpg", ".json"}


@pytest.mark.parametrize("option", ["--keep-old", "--quiet"])
async def test_a_new_picture_is_not_kept_as_the_old_one_after_a_kill(option, shell):
    output = shell.folder / "output" / "knobs.emulated"
    shell.write(named("oak", "an oak"))
    assert (await emulate(shell)).code == 0
    shell.write(named("oak", "an old oak"))
    killed = await emulate(shell, PIPELINE_FAULT_POINT="asset-placed")
    assert killed.code not in {0, 1, 2, 3}
    new = (output / "oak.png").read_bytes()

    done = await emulate(shell, option)

    assert done.code == 0, done.err
    assert (output / "oak.png").read_bytes() == new
    assert [path.name for path in output.glob("oak.old*")] == []
    assert "was edited" not in done.err


async def test_what_was_edited_by_hand_is_still_kept_after_a_kill(shell):
    output = shell.folder / "output" / "knobs.emulated"
    shell.write(named("oak", "an oak"))
    assert (await emulate(shell)).code == 0
    shell.write(named("oak", "an old oak"))
    await emulate(shell, PIPELINE_FAULT_POINT="end-recorded")
    (output / "oak.png").write_bytes(b"painted over by hand")

    done = await emulate(shell, "--keep-old")

    assert done.code == 0, done.err
    assert (output / "oak.old-1.png").read_bytes() == b"painted over by hand"
