"""A log on GitHub: no text of others is obeyed, wherever its writes are cut."""

import io
import json
import re
import sys

import pytest
from doubles.hostile_texts import HOSTILE
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.cli.console.printing import print_json
from pipeline.cli.console.streams import clean_output, send_command
from pipeline.cli.console.workflow import CommandFilter

COMMANDS = [
    "::error::x",
    "  ::add-mask::e",
    "\t::set-output name=a::b",
    "fine\n::error::x",
    "fine\r::error::x",
    "see ##[add-mask]e",
    "\u200b::error::x",
    "\x1b::error::x",
    ":\u200b:error::x",
    "#\u200d#[error]x",
    "##\t[error]x",
    ":::error::x",
]
PIECES = st.lists(
    st.sampled_from([*"::##[] \n\r\tx", "::", "##[", "\u200b", "error"]), max_size=12
)


def is_obeyed(text: str) -> bool:
    """As the runner reads it, where a comparison passes over what has no width."""
    for line in re.split(r"[\r\n]", text):
        plain = "".join(
            char for char in line if char.isprintable() or char.isspace()
        ).lstrip()
        if plain.startswith("::") or "##[" in plain.replace("\t", ""):
            return True
    return False


@pytest.mark.parametrize("text", COMMANDS)
def test_a_command_is_made_harmless_and_can_still_be_read(text):
    assert is_obeyed(text)

    cleaned = CommandFilter().clean(text)

    assert not is_obeyed(cleaned)
    assert cleaned.replace("\\", "") == text


@given(pieces=PIECES)
@example(pieces=[":", ":"])
@example(pieces=["x##", "["])
@example(pieces=["x#" + "\u200b" * 20, "#", "["])
@example(pieces=["##[", "#", "["])
@example(pieces=["#", "#", "\t", "["])
@example(pieces=["x\n", " ", ":", "\u200b", ":"])
def test_so_it_is_when_it_comes_in_pieces(pieces):
    commands = CommandFilter()

    assert not is_obeyed("".join(map(commands.clean, pieces)))


@pytest.mark.parametrize("text", ["a::b", "std::vector", "12:30", "## [x]", "x: :y"])
def test_other_text_is_left_alone(text):
    assert CommandFilter().clean(text) == text


def replace_streams(monkeypatch):
    """Stdout and stderr in memory, as a process of ours has them."""
    for stream in ("stdout", "stderr", "__stdout__", "__stderr__"):
        fake = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", line_buffering=True)
        monkeypatch.setattr(sys, stream, fake)
    clean_output()


def said_on(name):
    stream = getattr(sys, name)
    stream.flush()
    return stream.buffer.getvalue().decode()


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_on_github_the_streams_hold_no_command_but_ours(monkeypatch, name):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    replace_streams(monkeypatch)

    for text in HOSTILE:
        print(text.replace("\ud800", ""), file=getattr(sys, name))
    send_command("::group::ours")

    said = said_on(name)
    assert not is_obeyed(said.replace("::group::ours\n", ""))
    assert ("\n::group::ours\n" in said) == (name == "stderr")


def test_elsewhere_nothing_changes(monkeypatch):
    replace_streams(monkeypatch)

    sys.stdout.write("::error::x ##[error]y\n")

    assert said_on("stdout") == "::error::x ##[error]y\n"


def test_json_is_the_same_json(monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    replace_streams(monkeypatch)

    print_json(event="item", reason="##[add-mask]e\n::error::x")

    said = said_on("stdout")
    assert json.loads(said)["reason"] == "##[add-mask]e\n::error::x"
    assert not is_obeyed(said)
