"""Who agrees to a price: an option, a person at a terminal, or nobody.

The emulator's counters are the judge: what they charged is what was paid.
"""

import os

import pytest
from doubles.priced_batch import paid
from doubles.shell import TREES
from doubles.terminal import terminal


async def test_run_that_nobody_agreed_to_spends_nothing(batch, cheap):
    refused = await batch.run("run", "trees.yaml")
    rerun = await batch.run("rerun", "trees.yaml")
    agreed = await batch.run("run", "trees.yaml", "--yes")
    nothing_left = await batch.run("run", "trees.yaml")

    assert refused.code == 2
    assert "99 units" in refused.err
    assert "add --yes" in refused.err
    assert "Traceback" not in refused.err
    assert rerun.code == 0  # nothing has failed, so nothing would be paid
    assert agreed.code == 0, agreed.err
    assert nothing_left.code == 0
    assert paid(cheap) == (31, 99)


async def test_emulated_run_asks_nothing(shell):
    shell.write(TREES)
    done = await shell.run("run", "trees.yaml", "--emulate", "--json")

    assert done.code == 0
    assert done.events[-1]["cost"]["charged"] == 24
    assert not list(shell.folder.glob("*.lock"))


POSIX = pytest.mark.skipif(os.name != "posix", reason="needs a pseudo terminal")


@POSIX
async def test_on_a_terminal_no_leaves_with_nothing_paid(real, emulator):
    async with terminal(real, "run", "trees.yaml") as screen:
        await screen.until("[y/N]")
        screen.press("n\n")
        code = await screen.end()

    assert code == 130
    assert "+ oak: new" in screen.shown
    assert "4 items: 4 to submit; 4 files for 24 units" in screen.shown
    assert "Spend 24 units" in screen.shown
    assert emulator.counters()["submits_received"] == 0


@POSIX
async def test_on_a_terminal_yes_goes_on_and_is_asked_once(real, emulator):
    async with terminal(real, "run", "trees.yaml") as screen:
        await screen.until("[y/N]")
        screen.press("y\n")
        code = await screen.end()

    assert code == 0, screen.shown
    assert screen.shown.count("[y/N]") == 1
    assert "24 charged" in screen.shown
    assert paid(emulator) == (4, 24)


@POSIX
async def test_several_manifests_are_shown_and_asked_about_once(real, emulator):
    text = (real.folder / "trees.yaml").read_text()
    bushes = text.replace("name: trees", "name: bushes")
    (real.folder / "bushes.yaml").write_text(bushes)

    async with terminal(real, "run", "trees.yaml", "bushes.yaml") as screen:
        await screen.until("[y/N]")
        screen.press("y\n")
        code = await screen.end()

    assert code == 0, screen.shown
    assert screen.shown.count("[y/N]") == 1
    assert screen.shown.count("+ oak: new") == 2
    assert "2 manifests, 8 items: 8 to submit" in screen.shown
    assert "for 2 manifests?" in " ".join(screen.shown.split())
    assert "4 jobs of another run taken over" in " ".join(screen.shown.split())
    assert paid(emulator) == (4, 24)  # both ask for the same


@POSIX
async def test_interrupt_at_the_question_is_a_no(real, emulator):
    async with terminal(real, "run", "trees.yaml") as screen:
        await screen.until("[y/N]")
        screen.interrupt()
        code = await screen.end()

    assert code == 130
    assert "Traceback" not in screen.shown
    assert emulator.counters()["submits_received"] == 0


@POSIX
async def test_on_a_terminal_nothing_is_asked_that_was_answered_or_costs_nothing(
    real, emulator
):
    async with terminal(real, "run", "trees.yaml", "--yes") as screen:
        first = await screen.end()
    async with terminal(real, "run", "trees.yaml") as again:
        second = await again.end()

    assert (first, second) == (0, 0)
    assert "[y/N]" not in screen.shown + again.shown
    assert paid(emulator) == (4, 24)
