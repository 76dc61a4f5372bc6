"""The command at real terminals: narrow, dumb, colourless, quiet, with pictures."""

import os
import re

import pytest
from doubles.shell import manifest_of
from doubles.terminal import terminal

from pipeline.cli.console.pictures.terminal import QUESTION

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs a pseudo terminal")

RUN = ("run", "trees.yaml", "--emulate")
CONTROL = re.compile(r"\x1b\[[\d;?]*[A-Za-z]")
COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3\d|4\d|9\d|10\d)(?:;\d+)*m")


def ending_of(screen):
    """What stays on the terminal once the live picture is gone."""
    last_erase = max(found.end() for found in re.finditer(r"\x1b\[2K", screen.shown))
    return CONTROL.sub("", screen.shown[last_erase:]).replace("\r", "").strip("\n")


async def test_the_end_of_a_run_fits_a_screen_and_names_the_real_command(shell):
    shell.write(manifest_of(*["an oak [fail]"] * 16))

    async with terminal(shell, *RUN) as screen:
        code = await screen.end()
        await screen.until("look at the reasons")

    ending = ending_of(screen)
    assert code == 3
    assert len(ending.splitlines()) < 24
    assert "x 16 items: The provider could not generate the image" in ending
    assert " (trees.yaml:" in ending
    assert ending.endswith("pipeline rerun trees.yaml --emulate")
    assert "MANIFEST" not in ending


async def test_a_plan_ends_with_the_command_that_carries_it_out(shell):
    shell.write(manifest_of("an oak"))

    async with terminal(
        shell, "plan", "trees.yaml", "--emulate", "--offline", "--select", "a"
    ) as screen:
        assert await screen.end() == 0
        await screen.until("next:")

    assert screen.shown == "next: pipeline run trees.yaml --emulate --select a\n"


async def test_a_narrow_terminal_breaks_between_words(shell):
    shell.write(manifest_of("an oak [fail]", "an elm"))

    async with terminal(shell, *RUN, columns=40) as screen:
        await screen.end()
        await screen.until("pipeline rerun")

    ending = ending_of(screen)
    assert max(map(len, ending.splitlines())) <= 40
    assert "could not generate the" in " ".join(ending.split())
    assert ending.endswith("    pipeline rerun trees.yaml --emulate")


async def test_without_colours_nothing_is_coloured(shell):
    shell.write(manifest_of("an oak [fail]"))

    async with terminal(shell, *RUN, NO_COLOR="1") as screen:
        await screen.end()
        await screen.until("next:")

    assert "█" in screen.shown or "░" in screen.shown
    assert not COLOUR.search(screen.shown)


async def test_a_dumb_terminal_gets_plain_lines(shell):
    shell.write(manifest_of("an oak"))

    async with terminal(shell, *RUN, "--pictures", TERM="dumb") as screen:
        await screen.end()
        await screen.until("next:")

    assert "\x1b" not in screen.shown
    assert "1 item: 0 done, 1 to submit" in screen.shown
    assert "no terminal that can show pictures" in " ".join(screen.shown.split())


async def test_quiet_says_what_failed_and_nothing_else(shell):
    shell.write(manifest_of("an oak [fail]", "an elm"))

    done = await shell.run(*RUN, "--quiet")

    assert done.code == 3
    first, hint = done.err.splitlines()
    assert first.startswith("x a (trees.yaml:")
    assert hint.startswith("    ")
    assert done.out == ""


ANSWERS = {
    "\x1b_Gi=31;OK\x1b\\\x1b[?62c": "\x1b_Ga=T,f=100,",
    "\x1bP>|iTerm2 3.5\x1b\\\x1b[?62c": "\x1b]1337;File=inline=1;",
    "\x1b[6;20;10t\x1b[?62;4c": "\x1bP0;1;0q",
    "\x1b[?62c": "▀",
}


async def test_pictures_are_shown_as_the_terminal_can(shell):
    shell.write(manifest_of("an oak"))
    await shell.run(*RUN)
    shown = []

    for answer in ANSWERS:
        async with terminal(
            shell,
            *("show", "output/trees.emulated/a.png", "--pictures"),
            TERM="xterm-256color",
        ) as screen:
            await screen.until(QUESTION)
            screen.press(answer)
            assert await screen.end() == 0
            await screen.until("a.png")
        shown.append(screen.shown)

    for text, (answer, mark) in zip(shown, ANSWERS.items(), strict=True):
        assert mark in text
        assert answer not in text  # it is not echoed


async def test_a_run_with_pictures_shows_them_before_its_end(shell):
    shell.write(manifest_of("an oak", "an elm"))

    async with terminal(shell, *RUN, "--pictures", TERM="xterm-256color") as screen:
        await screen.until(QUESTION)
        screen.press("\x1b[?62c")
        await screen.end()
        await screen.until("next:")

    shown = screen.shown
    assert shown.index("▀") < shown.rindex("b.png") < shown.rindex("2 saved")
