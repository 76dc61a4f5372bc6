"""``pipeline init`` at a terminal, with keys that are really pressed."""

import sys

import pytest
from doubles.shell import Shell
from doubles.terminal import terminal

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a terminal")


async def test_questions_are_asked_and_ctrl_c_leaves_nothing_behind(shell: Shell):
    async with terminal(shell, "init") as screen:
        await screen.until("Model [model_wan-2-7-image]:")
        screen.press("\n")
        await screen.until("background]:")
        screen.interrupt()
        assert await screen.end() == 130
    assert [*shell.folder.iterdir()] == []

    async with terminal(shell, "init", "trees.yaml") as screen:
        await screen.until("Model")
        screen.press("\n")
        await screen.until("background]:")
        screen.press("ink drawing\n")
        await screen.until("A picture to make")
        screen.press("an oak\n")
        await screen.until("Another one")
        screen.press("\n")
        assert await screen.end() == 0
    text = (shell.folder / "trees.yaml").read_text("utf-8")
    assert "  look: ink drawing\n" in text
    assert "  - id: oak\n    prompt: an oak, ${look}\n" in text
