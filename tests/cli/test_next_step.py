"""The command to type next: the real one, with the manifest and what was typed."""

import shlex

import click
import pytest
from doubles.place import items
from knobs.world import HEAD

from pipeline.cli.commands import cli
from pipeline.cli.next_step import command_line, complete_hint


@pytest.fixture
def typed():
    """Within the block, this command line is being carried out."""

    def typed_as(*words):
        root = click.Context(cli, info_name="pipeline")
        command = cli.get_command(root, words[0])
        assert command is not None
        return command.make_context(words[0], list(words[1:]), parent=root)

    return typed_as


RUN = ("run", "my icons.yaml", "--output", "a b", "--select", "tree-*", "-s", "o'k")


@pytest.mark.parametrize(
    ("words", "verb", "line"),
    [
        (("run", "icons.yaml"), "rerun", "pipeline rerun icons.yaml"),
        (
            RUN,
            "rerun",
            "pipeline rerun 'my icons.yaml' --output 'a b' --select 'tree-*' "
            + shlex.join(["--select", "o'k"]),
        ),
        (RUN, "status", "pipeline status 'my icons.yaml' --output 'a b'"),
        (
            ("run", "a.yaml", "--emulate", "--max-cost", "31", "--job-timeout", "90"),
            "rerun",
            "pipeline rerun a.yaml --emulate --max-cost 31 --job-timeout 90",
        ),
        (
            ("run", "a.yaml", "--emulate", "--max-cost", "31"),
            "fetch",
            "pipeline fetch a.yaml --emulate",
        ),
        (("run", "--", "-a.yaml"), "run", "pipeline run ./-a.yaml"),
    ],
)
def test_a_command_repeats_what_was_typed_and_applies(typed, words, verb, line):
    with typed(*words):
        assert command_line(verb) == line


@pytest.mark.parametrize(
    "option",
    [
        ("--yes",),
        ("--force", "--select", "x"),
        ("--json",),
        ("--quiet",),
        ("--debug",),
        ("--log-file", "log"),
        ("--frozen",),
        ("--plan", "p.json"),
    ],
    ids=" ".join,
)
def test_neither_consent_nor_what_pays_again_is_repeated(typed, option):
    with typed("run", "icons.yaml", *option):
        assert option[0] not in command_line("run")


@pytest.mark.parametrize(
    ("hint", "full"),
    [
        ("decide with: pipeline resolve", "decide with: pipeline resolve i.yaml oak"),
        ("pipeline status lists them", "pipeline status i.yaml lists them"),
        (
            "look at the reasons, then: pipeline rerun",
            "look at the reasons, then: pipeline rerun i.yaml --max-jobs 2",
        ),
        ("free some space, then run again", "{0}: pipeline run i.yaml --max-jobs 2"),
        ("run again later", "run again later"),
        ("make one with: pipeline plan --out FILE", "make one with: {1}"),
        ("make one with: pipeline doctor --contract", "{0}"),
        ("use Scenario's pipeline runner", "{0}"),
    ],
)
def test_a_hint_names_the_real_command(typed, hint, full):
    with typed("run", "i.yaml", "--max-jobs", "2", "--plan", "my plan"):
        expected = full.format(hint, "pipeline plan i.yaml --out 'my plan'")
        assert complete_hint(hint, "oak") == expected


def test_a_hint_stays_as_it_is_where_no_manifest_was_typed(typed):
    with typed("spend"):
        assert complete_hint("then run: pipeline plan") == "then run: pipeline plan"
    assert complete_hint("then run: pipeline plan") == "then run: pipeline plan"


# --- at the end of a run


def next_lines(said):
    return [line.strip() for line in said.err.splitlines() if "next:" in line]


async def test_failures_are_said_once_with_their_place_and_the_next_command(place):
    text = items("an oak", "an elm [fail]", "an ash [fail]")
    (place.folder / "knobs.yaml").write_text(text)

    said = await place.type("run", "--yes", "--max-cost", "99")

    elm_line = 1 + text.splitlines().index(
        next(line for line in text.splitlines() if "elm" in line)
    )
    assert said.code == 3
    assert said.err.count("could not generate") == 2
    assert f"x b (knobs.yaml:{elm_line}): The provider" in said.err.replace(
        f"{place.folder}/", ""
    )
    (line,) = next_lines(said)
    assert line.startswith("next: look at the reasons, then: pipeline rerun ")
    assert line.endswith(f"knobs.yaml --output {place.output} --max-cost 99")


async def test_many_failures_are_cut_short_and_status_lists_them_all(place):
    numbers = [*range(25)]
    (place.folder / "knobs.yaml").write_text(
        f"{HEAD}items:\n  - id: tree-${{n}}\n    prompt: tree ${{n}} [fail]\n"
        f"    matrix: {{n: {numbers}}}\n"
    )

    said = await place.type("run", "--yes")
    status = await place.type("status")

    assert said.err.count("could not generate") == 20
    assert "… and 5 more: pipeline status " in said.err
    assert status.out.count("could not generate") == 25


async def test_a_job_that_took_too_long_is_collected_free(place):
    (place.folder / "knobs.yaml").write_text(items("an oak [never]"))

    said = await place.type("run", "--yes", "--job-timeout", "1")

    (line,) = next_lines(said)
    assert line.startswith("next: collect what is paid for, free: pipeline fetch ")
    assert line.endswith(f"knobs.yaml --output {place.output}")


async def test_when_all_is_saved_nothing_is_next(place):
    (place.folder / "knobs.yaml").write_text(items("an oak"))

    said = await place.type("run", "--yes")

    assert said.code == 0
    assert next_lines(said) == []


async def test_a_rehearsal_leads_to_the_real_price(place):
    (place.folder / "knobs.yaml").write_text(items("an oak"))

    where = "--output", "x", "--store", (place.folder / "files").as_uri()
    said = await place.type("run", "--emulate", *where, "--select", "*")
    again = await place.type("run", "--emulate", *where, "--select", "*")

    (line,) = next_lines(said)
    assert line.startswith("next: see what it costs for real, free: pipeline plan ")
    assert line.endswith("knobs.yaml --select '*'")
    assert next_lines(again) == []
