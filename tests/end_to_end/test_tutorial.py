"""The tutorial and the first screen of the README: typed as they are printed.

Every box of the tutorial is carried out in order: a manifest is saved, a change is
made, a command is typed. A box of text after a command is what it has to print.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

import pipeline

ROOT = Path(pipeline.__file__).parents[1]
TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text("utf-8")
README = (ROOT / "README.md").read_text("utf-8")
# Typed by people alone: the tests run in an environment that has it installed.
INSTALLS = {
    "python3 -m venv .venv",
    ". .venv/bin/activate",
    "pip install .",
}
BOX = re.compile(
    r"(?:<!-- (?P<key>file|exit code): (?P<value>[^\n]+) -->\n)?"
    r"^```(?P<language>\w*)\n(?P<body>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
DURATION = re.compile(r"\bin \d+ s\b")


@dataclass(frozen=True, slots=True)
class Box:
    """One fenced block of a page.

    Attributes:
        language: After the opening fence.
        body: What is in it.
        notes: What a comment before it says for this test: ``file``, ``exit code``.
    """

    language: str
    body: str
    notes: dict[str, str]


def boxes_of(page: str) -> Iterator[Box]:
    for match in BOX.finditer(page):
        key, value = match["key"], match["value"]
        yield Box(match["language"], match["body"], {key: value} if key else {})


def changed(text: str, diff: str) -> str:
    """A file after a change: ``-`` lines go, ``+`` lines come, others are there.

    What only adds is added at the end.
    """
    lines = diff.splitlines(keepends=True)
    before = "".join(line[1:] for line in lines if line[0] != "+")
    after = "".join(line[1:] for line in lines if line[0] != "-")
    if not before:
        return text + after
    assert text.count(before) == 1, f"not there once: {before!r}"
    return text.replace(before, after)


def missing_lines(expected: str, printed: str) -> list[str]:
    """Lines of a box that were not printed in this order.

    ``…`` stands for anything; how long a run took does not count.
    """
    waiting = [DURATION.sub("in … s", line.rstrip()) for line in expected.splitlines()]
    waiting = [line for line in waiting if line not in {"", "…"}]
    for line in printed.splitlines():
        if waiting:
            said = DURATION.sub("in … s", line.rstrip())
            wanted = re.escape(waiting[0]).replace("…", ".*")
            if re.fullmatch(wanted, said):
                waiting.pop(0)
    return waiting


class Reader:
    """Somebody who types what a page says.

    Args:
        shell: Where the commands are typed.

    Attributes:
        typed: How many commands of ours were typed.
    """

    def __init__(self, shell) -> None:
        self._shell = shell
        self.typed = 0

    async def follow(self, box: Box) -> str:
        """Do what a box says; returns what is printed."""
        match box.language:
            case "sh":
                wanted = int(box.notes.get("exit code", "0"))
                lines = box.body.splitlines()
                printed = [await self._type(line, wanted) for line in lines]
                return "\n".join(printed)
            case "yaml":
                self._shell.write(box.body, box.notes["file"])
            case "diff":
                path = self._shell.folder / box.notes["file"]
                self._shell.write(changed(path.read_text("utf-8"), box.body), path.name)
            case language:
                assert language == "text", f"a box that nobody can type: {box}"
        return ""

    async def _type(self, line: str, wanted: int) -> str:
        program, *arguments = shlex.split(line)
        folder = self._shell.folder
        match program:
            case "pipeline":
                self.typed += 1
                done = await self._shell.run(*arguments)
                assert done.code == wanted, f"{line}: {done.code}\n{done.err}{done.out}"
                return f"{done.err}\n{done.out}"
            case "mkdir":
                (folder / arguments[0]).mkdir()
            case "cd":
                self._shell.folder = folder / arguments[0]
            case "ls":
                names = (path.name for path in (folder / arguments[0]).iterdir())
                return "\n".join(sorted(names))
            case _:
                assert line in INSTALLS, f"a command that nobody knows: {line}"
        return ""


@pytest.mark.timeout(300)
async def test_the_tutorial_prints_what_it_says(shell):
    boxes = list(boxes_of(TUTORIAL))
    reader = Reader(shell)
    compared = 0

    for box, after in pairwise([*boxes, Box("text", "", {})]):
        printed = await reader.follow(box)
        if box.language == "sh" and after.language == "text" and after.body:
            compared += 1
            missing = missing_lines(after.body, printed)
            assert missing == [], f"{box.body}{after.body}\nprinted:\n{printed}"

    made = {
        path.relative_to(shell.folder).as_posix()
        for path in shell.folder.rglob("output/icons.emulated/**/*.png")
    }
    assert len(made) == 12
    assert "output/icons.emulated/money/coin.png" in made
    assert compared == sum(box.language == "text" for box in boxes)
    assert reader.typed >= 15


@pytest.mark.timeout(300)
async def test_the_readme_shows_what_the_first_command_prints(shell):
    (command, shown), *_ = [
        (box.body, after.body)
        for box, after in pairwise(boxes_of(README))
        if "quickstart.yaml --emulate" in box.body and after.language == "text"
    ]
    manifest = ROOT / "manifests" / "quickstart.yaml"
    assert command.rstrip().endswith("pipeline run manifests/quickstart.yaml --emulate")

    done = await shell.run("run", str(manifest), "--emulate")

    assert done.code == 0
    assert missing_lines(shown, done.err) == [], done.err


def test_a_line_that_is_not_printed_is_noticed():
    printed = "one\ntwo in 3 s\nthree units\n"

    assert missing_lines("one\n…\nthree …\n", printed) == []
    assert missing_lines("two in 5 s\n", printed) == []
    assert missing_lines("three units\none\n", printed) == ["one"]
    assert missing_lines("two\n", printed) == ["two"]
