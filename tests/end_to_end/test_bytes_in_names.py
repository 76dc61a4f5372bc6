"""Names that are not UTF-8: folders work, what is looked up is refused unpaid."""

import json
import os
import sys

import pytest
from doubles.shell import TREES

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="other systems have no such names"
)
FOLDER = os.fsdecode(b"project-\xff")
OUTPUT = os.fsdecode(b"out-\xff")
LOG = os.fsdecode(b"log-\xff")


@pytest.fixture
def typed(real):
    """A manifest in a folder with such a name, and an output folder with one."""
    folder = real.folder / FOLDER
    folder.mkdir()
    (folder / "trees.yaml").write_text(TREES, encoding="utf-8")
    manifest, place = f"{FOLDER}/trees.yaml", ("-o", f"{FOLDER}/{OUTPUT}")

    async def run(name, *arguments, **environment):
        return await real.run(name, manifest, *arguments, *place, **environment)

    return run


@pytest.mark.parametrize("encoding", ["utf-8:strict", "ascii:strict"])
async def test_every_command_works(real, emulator, typed, encoding):
    real.environment["PYTHONIOENCODING"] = encoding
    made = real.folder / FOLDER / OUTPUT
    done = [
        await real.run("validate", f"{FOLDER}/trees.yaml"),
        await typed("plan"),
        await typed("plan", "--out", os.fsdecode(b"plan-\xff")),
        await typed("run", "--plan", os.fsdecode(b"plan-\xff"), "-y"),
        await typed("run", "--frozen", "--json", "--log-file", LOG),
        await typed("status"),
        await typed("why", "oak"),
        await typed("why", "oak", "--json"),
        await typed("prune"),
        await typed("fetch"),
        await typed("doctor"),
        await real.run("verify", f"{FOLDER}/{OUTPUT}", "--json"),
        await real.run("spend", f"{FOLDER}/{OUTPUT}", "--json"),
    ]

    assert [one.code for one in done] == [0] * len(done), [one.err for one in done]
    assert not any("Traceback" in one.err for one in done)
    assert len(list(made.glob("*.png"))) == 4
    assert emulator.counters()["jobs_made"] == 4
    sidecar = json.loads((made / "oak.png.json").read_bytes())
    assert sidecar["manifest"]["file"] == "project-\\xff/trees.yaml"


async def test_an_output_folder_elsewhere_belongs_to_the_manifest_there(
    real, emulator, typed
):
    (real.folder / FOLDER).joinpath("bushes.yaml").write_text(TREES, encoding="utf-8")

    made = await real.run("run", f"{FOLDER}/trees.yaml", "-y", "-o", "shared")
    again = await real.run("run", f"{FOLDER}/trees.yaml", "--frozen", "-o", "shared")
    other = await real.run("run", f"{FOLDER}/bushes.yaml", "-y", "-o", "shared")

    assert (made.code, again.code) == (0, 0), made.err + again.err
    assert other.code == 2
    assert "project-\\udcff/trees.yaml, not to" in other.err
    assert "Traceback" not in made.err + again.err + other.err
    assert emulator.counters()["jobs_made"] == 4


async def test_a_ledger_that_is_lost_is_rebuilt_there(real, emulator, typed):
    await typed("run", "-y")
    for path in (real.folder / FOLDER / OUTPUT).glob("ledger.*"):
        path.unlink()

    again = await typed("run", "--frozen")

    assert again.code == 0, again.err
    assert emulator.counters()["jobs_made"] == 4


async def test_a_project_in_such_a_folder_is_made_from_inside(real, emulator):
    folder = real.folder / FOLDER
    folder.mkdir()
    real.write(TREES, name=f"{FOLDER}/trees.yaml")
    real.folder = folder

    done = await real.run("run", "trees.yaml", "-y")

    assert done.code == 0, done.err
    assert len(list(real.output.glob("*.png"))) == 4


@pytest.mark.parametrize(
    "arguments",
    [("why", "trees.yaml"), ("resolve", "trees.yaml"), ("schema",)],
    ids=str,
)
async def test_what_is_looked_up_is_refused(real, arguments):
    done = await real.run(*arguments, os.fsdecode(b"oak\xff"))

    assert done.code == 2
    assert "is not UTF-8" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    "name",
    ["SCENARIO_PROJECT_ID", "SCENARIO_BASE_URL", "SCENARIO_SDK_API_KEY"],
)
async def test_an_environment_that_is_not_utf8_is_refused_unpaid(real, emulator, name):
    value = real.environment.get(name, "") + os.fsdecode(b"\xff")

    done = await real.run("run", "trees.yaml", "-y", **{name: value})

    assert done.code == 2, done.err
    assert name in done.err
    assert "Traceback" not in done.err
    assert emulator.counters()["jobs_made"] == 0
