"""Profiles from the command line: drafts and finals beside each other."""

import json
import shutil

import pytest
from doubles.shell import sidecars_in

from pipeline.errors import ExitCode

TEXT = """\
version: 1
name: trees
model: model_wan-2-7-image
params: {size: 1K, thinkingMode: false}
profiles:
  draft: {takes: 1}
  final: {takes: 2, model: model_wan-2-7-image-pro}
items:
  - {id: oak, prompt: an oak, takes: 3}
  - {id: elm, prompt: an elm}
"""


@pytest.fixture
def studio(real, emulator):
    """A shell beside a service that counts, with a manifest of two profiles."""
    real.write(TEXT)
    real.emulator = emulator
    return real


def paid(studio):
    return int(studio.emulator.counters()["jobs_made"])


async def ran(studio, *arguments, code=ExitCode.OK):
    done = await studio.run(*arguments)
    assert done.code == code, done
    return done


async def test_a_draft_never_replaces_a_final(studio):
    drafts = studio.folder / "output" / "trees.draft"
    finals = studio.folder / "output" / "trees.final"

    await ran(studio, "run", "trees.yaml", "--profile", "draft", "--yes")
    assert paid(studio) == 2
    await ran(studio, "run", "trees.yaml", "--profile", "final", "--yes")
    assert paid(studio) == 6
    await ran(studio, "run", "trees.yaml", "--profile", "draft", "--yes")

    assert paid(studio) == 6
    assert set(sidecars_in(drafts)) == {"oak.png", "elm.png"}
    assert set(sidecars_in(finals)) == {
        *("oak.png", "oak@2.png"),
        *("elm.png", "elm@2.png"),
    }
    assert not studio.output.exists()
    assert (studio.folder / "trees.yaml.draft.lock").is_file()
    assert (studio.folder / "trees.yaml.final.lock").is_file()
    assert not (studio.folder / "trees.yaml.lock").exists()


async def test_a_folder_of_one_profile_is_refused_with_another(studio):
    await ran(studio, "run", "trees.yaml", "-o", "art", "--profile", "final", "--yes")

    for profile in (["--profile", "draft"], []):
        for command in ("run", "plan", "prune"):
            done = await ran(
                studio,
                command,
                "trees.yaml",
                "-o",
                "art",
                *profile,
                code=ExitCode.USAGE,
            )
            assert "belongs to trees.yaml with profile 'final'" in done.err
    assert paid(studio) == 4

    # A profile that is gone has no claim.
    studio.write(TEXT.replace("  final:", "  best:"))
    await ran(studio, "run", "trees.yaml", "-o", "art", "--profile", "best", "--yes")
    assert paid(studio) == 4


async def test_a_checkout_of_one_profile_pays_nothing(studio):
    await ran(studio, "run", "trees.yaml", "--profile", "final", "--yes")
    shutil.rmtree(studio.folder / "output" / "trees.final")

    await ran(studio, "run", "trees.yaml", "--profile", "final", "--frozen", "--yes")

    assert paid(studio) == 4
    assert len(sidecars_in(studio.folder / "output" / "trees.final")) == 4


async def test_a_decision_is_about_one_profile(studio):
    await ran(studio, "run", "trees.yaml", "--profile", "draft", "--yes")
    await ran(studio, "run", "trees.yaml", "--profile", "final", "--yes")

    await ran(studio, "pick", "trees.yaml", "oak", "2", "--profile", "final")

    assert (studio.folder / "trees.review.final.yaml").is_file()
    assert not list(studio.folder.glob("trees.review.[!f]*"))
    taken = sidecars_in(studio.folder / "output" / "trees.final")
    assert taken["oak.png"]["item_id"] == "oak@2"


async def test_the_plan_shows_what_each_profile_would_cost(studio):
    plain = await ran(studio, "plan", "trees.yaml")
    assert "profiles: draft, final; --profiles shows what each would cost" in plain.out

    shown = await ran(studio, "plan", "trees.yaml", "--profiles")

    assert shown.out.splitlines() == [
        "draft: 2 items: 2 to submit; 2 files for 12 units",
        "final: 2 items, 4 jobs: 4 to submit; 4 files for 48 units",
    ]
    as_json = await ran(studio, "plan", "trees.yaml", "--profiles", "--json")
    assert [(one["name"], one["cost"]["bound"]) for one in as_json.of("profile")] == [
        ("draft", 12),
        ("final", 48),
    ]
    assert paid(studio) == 0


@pytest.mark.parametrize(
    "option",
    [
        *(["--profile", "draft"], ["--output", "art"], ["--out", "plan.json"]),
        *(["--max-cost", "3"], ["--long"], ["--prompts"]),
    ],
)
async def test_options_about_one_plan_are_refused_for_all(studio, option):
    done = await ran(
        studio, "plan", "trees.yaml", "--profiles", *option, code=ExitCode.USAGE
    )

    assert option[0] in done.err


async def test_every_profile_needs_profiles(studio):
    studio.write(
        TEXT.replace("profiles:", "# profiles:")
        .replace("  draft", "# draft")
        .replace("  final", "# final")
    )

    done = await ran(studio, "plan", "trees.yaml", "--profiles", code=ExitCode.USAGE)

    assert "trees.yaml has no profiles" in done.err


async def test_a_saved_plan_is_that_of_its_profile(studio):
    await ran(studio, "plan", "trees.yaml", "--profile", "draft", "--out", "plan.json")

    await ran(
        studio,
        *("run", "trees.yaml", "--plan", "plan.json", "--profile", "final", "--yes"),
        code=ExitCode.PLAN_MOVED,
    )
    assert paid(studio) == 0
    await ran(
        studio,
        *("run", "trees.yaml", "--plan", "plan.json", "--profile", "draft", "--yes"),
    )
    assert paid(studio) == 2


@pytest.mark.parametrize(
    "command",
    [
        ["validate", "--offline"],
        *(["plan"], ["run", "--yes"], ["rerun", "--yes"], ["fetch"], ["status"]),
        *(["prune", "--yes"], ["pick", "oak", "1"], ["approve", "oak"]),
        *(["reject", "oak"], ["redo", "oak"], ["restore", "oak", "--take", "1"]),
        *(["accept", "oak"], ["check", "--approved"], ["resolve", "oak"]),
        *(["why", "oak"], ["graph"], ["spend"]),
    ],
    ids=lambda command: command[0],
)
async def test_every_command_refuses_an_unknown_profile(studio, command):
    name, *rest = command

    done = await ran(
        studio, name, "trees.yaml", *rest, "--profile", "fnal", code=ExitCode.USAGE
    )

    assert "trees.yaml has no profile 'fnal'" in done.err
    assert "did you mean 'final'? known: draft, final" in done.err


async def test_a_run_without_credentials_looks_at_its_own_profile(studio):
    """With everything there, a run needs no credentials; otherwise it does."""
    await ran(studio, "run", "trees.yaml", "--profile", "draft", "--yes")
    studio.environment = {
        name: value
        for name, value in studio.environment.items()
        if not name.startswith("SCENARIO")
    }

    await ran(studio, "run", "trees.yaml", "--profile", "draft", "--yes")
    done = await studio.run("run", "trees.yaml", "--profile", "final", "--yes")

    assert done.code != ExitCode.OK
    assert paid(studio) == 2


async def test_spend_sums_up_one_profile(studio):
    await ran(studio, "run", "trees.yaml", "--profile", "draft", "--yes")
    await ran(studio, "run", "trees.yaml", "--profile", "final", "--yes")

    done = await ran(studio, "spend", "trees.yaml", "--profile", "draft", "--json")

    assert '"trees.draft"' in done.out
    assert '"trees.final"' not in done.out


async def test_why_names_the_profile_in_what_to_type_next(studio):
    done = await ran(studio, "why", "trees.yaml", "oak", "--profile", "final", "--json")

    commands = done.of("why")[0]["next"]
    assert commands
    assert all("--profile final" in one for one in commands), json.dumps(commands)


async def test_hints_name_the_profile(studio):
    await ran(studio, "run", "trees.yaml", "--profile", "draft", "--yes")
    final = ("trees.yaml", "--profile", "final")
    await ran(studio, "run", *final, "--select", "elm@1", "--yes")

    judged = await ran(studio, "approve", *final, "elm@2", code=ExitCode.USAGE)
    forced = await ran(studio, "plan", *final, "--select", "elm@1", "--force")

    assert "pipeline run trees.yaml --profile final --select elm@2" in judged.err
    assert "pipeline redo trees.yaml --profile final elm" in forced.err
