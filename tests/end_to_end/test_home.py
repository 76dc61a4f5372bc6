"""``~`` is expanded where no shell does it: options, arguments and variables."""

import pytest
from doubles.shell import TREES, sidecars_in

from pipeline.api.rate_limiter_state import STATE_VARIABLE
from pipeline.models.catalog import CACHE_VARIABLE

RUN = ("--yes", "--rpm", "6000")  # a limit is shared through the state folder


@pytest.fixture
def home(real, tmp_path):
    """The home folder, beside the folder where the commands are typed."""
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "trees.yaml").write_text(TREES, encoding="utf-8")
    real.folder = tmp_path / "work"
    real.folder.mkdir()
    real.environment |= {"HOME": str(folder), "USERPROFILE": str(folder)}
    return folder


async def test_every_path_may_begin_with_the_home_folder(real, home):
    place = ("~/trees.yaml", "--output=~/out")
    real.environment[CACHE_VARIABLE] = "~/cache"
    real.environment[STATE_VARIABLE] = "~/state"

    made = [
        await real.run("plan", *place, "--out=~/plan.json"),
        await real.run("run", *place, "--plan=~/plan.json", "--log-file=~/log", *RUN),
        await real.run("status", *place),
        await real.run("why", "~/trees.yaml", "oak", "-o", "~/out"),
        await real.run("verify", "~/out"),
        await real.run("spend", "~/out"),
        await real.run("fetch", *place),
        await real.run("prune", *place),
        await real.run("validate", "~/trees.yaml"),
        await real.run("doctor", *place),
    ]

    assert [(done.code, done.err) for done in made if done.code] == []
    assert len(sidecars_in(home / "out")) == 4
    assert {path.name for path in home.iterdir()} == {
        *("trees.yaml", "trees.yaml.lock", "out", "plan.json", "log"),
        *("cache", "state"),
    }
    assert list(real.folder.iterdir()) == []


async def test_a_contract_may_be_in_the_home_folder(real, home):
    done = await real.run(
        "plan", "~/trees.yaml", PIPELINE_CONTRACT="~/contract-of-none.json"
    )

    assert str(home / "contract-of-none.json") in done.err


async def test_without_a_home_it_is_a_usage_error(real, home):
    done = await real.run("plan", "trees.yaml", "--output=~/out", HOME="relative")

    assert done.code == 2
    assert "the home folder in " in done.err
    assert list(real.folder.iterdir()) == []
