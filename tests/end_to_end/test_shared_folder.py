"""Two manifests and one output folder: refused, unless the folder says it is shared."""

import pytest
from doubles.shell import TREES


@pytest.fixture
def two(real):
    """Two manifests of one file name, whose default folder is the same."""
    for name in ("characters", "props"):
        (real.folder / name).mkdir()
        (real.folder / name / "manifest.yaml").write_text(
            TREES.replace("name: trees\n", "")
        )
    return real


FIRST, SECOND = "characters/manifest.yaml", "props/manifest.yaml"


async def test_a_second_manifest_is_refused_before_anything_is_paid(two, emulator):
    first = await two.run("run", FIRST, "--yes")
    paid = emulator.counters()["submits_received"]

    refused = [
        await two.run("run", SECOND, "--yes"),
        await two.run("plan", SECOND),
        await two.run("prune", SECOND, "--yes"),
    ]

    assert first.code == 0
    assert [done.code for done in refused] == [2, 2, 2]
    for done in refused:
        assert "output/manifest belongs to the manifest" in done.err
        assert f"{two.folder / FIRST}, not to {two.folder / SECOND}" in done.err
        assert "'name:'" in done.err
        assert "--output" in done.err
    assert emulator.counters()["submits_received"] == paid
    assert (await two.run("run", FIRST, "--yes")).code == 0


async def test_both_ways_out_work(two):
    await two.run("run", FIRST, "--yes")
    named = two.folder / SECOND
    named.write_text(
        named.read_text().replace("version: 1\n", "version: 1\nname: props\n")
    )

    by_name = await two.run("run", SECOND, "--yes")
    by_option = await two.run("run", SECOND, "--yes", "--output", "elsewhere")

    assert (by_name.code, by_option.code) == (0, 0)


@pytest.fixture
async def shared(two):
    """Both have made their trees in one folder: four of the first, two of the second."""
    (two.folder / "output" / "manifest").mkdir(parents=True)
    (two.folder / "output" / "manifest" / ".shared").touch()
    other = two.folder / SECOND
    other.write_text(other.read_text().replace("[oak, elm, ash, yew]", "[fir, beech]"))
    for name in (FIRST, SECOND):
        assert (await two.run("run", name, "--yes")).code == 0
    return two


def pictures(shared):
    return {path.stem for path in (shared.folder / "output/manifest").glob("*.png")}


async def test_a_folder_that_says_so_is_shared(shared):
    again = await shared.run("run", FIRST, "--yes", "--json")
    verified = await shared.run("verify", "output/manifest")

    assert again.code == verified.code == 0
    assert again.events[-1]["counts"]["done"] == 4
    assert again.events[-1]["cost"]["charged"] == 0


async def test_prune_in_a_shared_folder_removes_a_manifests_own_files_alone(shared):
    other = shared.folder / SECOND
    other.write_text(other.read_text().replace("[fir, beech]", "[fir]"))

    pruned = await shared.run("prune", SECOND, "--yes")

    assert pruned.code == 0
    assert pictures(shared) == {"oak", "elm", "ash", "yew", "fir"}


async def test_a_renamed_item_in_a_shared_folder_is_recognised(shared, emulator):
    paid = emulator.counters()["submits_received"]
    other = shared.folder / SECOND
    other.write_text(other.read_text().replace("id: ${name}", "id: big-${name}"))

    renamed = await shared.run("run", SECOND, "--yes", "--json")

    assert renamed.events[-1]["counts"]["renamed"] == 2
    assert emulator.counters()["submits_received"] == paid
    assert pictures(shared) == {"oak", "elm", "ash", "yew", "big-fir", "big-beech"}


async def test_the_item_of_another_manifest_is_never_taken_for_a_renamed_one(shared):
    """The second manifest asks for what the first has made, under another id."""
    other = shared.folder / SECOND
    first = (shared.folder / FIRST).read_text()
    other.write_text(first.replace("id: ${name}", "id: big-${name}"))

    await shared.run("run", SECOND, "--yes")

    assert {"oak", "elm", "ash", "yew", "big-oak"} <= pictures(shared)


async def test_a_manifest_that_was_moved_keeps_its_folder(two):
    await two.run("run", FIRST, "--yes")
    (two.folder / "people").mkdir()
    (two.folder / FIRST).rename(two.folder / "people" / "manifest.yaml")

    done = await two.run("run", "people/manifest.yaml", "--yes", "--json")

    assert done.code == 0
    assert done.events[-1]["counts"]["done"] == 4
    assert done.events[-1]["cost"]["charged"] == 0


async def test_a_checkout_that_was_moved_as_a_whole_keeps_its_folders(two):
    await two.run("run", FIRST, "--yes")
    moved = two.folder / "moved"
    moved.mkdir()
    for name in ("characters", "output"):
        (two.folder / name).rename(moved / name)
    two.folder = moved

    done = await two.run("run", FIRST, "--yes", "--json")

    assert done.events[-1]["counts"]["done"] == 4
    assert done.events[-1]["cost"]["charged"] == 0
