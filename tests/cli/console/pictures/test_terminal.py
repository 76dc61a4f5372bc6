"""What a terminal can show: as it answers, or as the user says."""

import io

import pytest

from pipeline.cli.console.pictures.encoding import Kind
from pipeline.cli.console.pictures.sheet import is_picture, show_pictures
from pipeline.cli.console.pictures.terminal import (
    Graphics,
    find_graphics,
    understand,
)

ATTRIBUTES = b"\x1b[?62;22c"


@pytest.mark.parametrize(
    ("answer", "graphics"),
    [
        (b"", Graphics(kind=Kind.BLOCKS)),
        (ATTRIBUTES, Graphics(kind=Kind.BLOCKS)),
        (b"\x1b[?62;4;6c", Graphics(kind=Kind.SIXEL)),
        (b"\x1b[?64c", Graphics(kind=Kind.BLOCKS)),
        (b"\x1b_Gi=31;OK\x1b\\" + ATTRIBUTES, Graphics(kind=Kind.KITTY)),
        (b"\x1b_Gi=31;EINVAL\x1b\\" + ATTRIBUTES, Graphics(kind=Kind.BLOCKS)),
        (
            b"\x1bP>|iTerm2 3.5.1\x1b\\\x1b[6;18;9t\x1b[?62;4c",
            Graphics(kind=Kind.ITERM, cell=(9, 18)),
        ),
        (b"\x1bP>|WezTerm 2024\x1b\\\x1b[?62;4c", Graphics(kind=Kind.ITERM)),
        (b"\x1bP>|XTerm(390)\x1b\\\x1b[?62;4c", Graphics(kind=Kind.SIXEL)),
        (b"\x1b[6;0;0t\x1b[?4c", Graphics(kind=Kind.SIXEL)),
        (b"\x1b[6;9999;9999t\x1b[?4c", Graphics(kind=Kind.SIXEL)),
    ],
)
def test_an_answer_is_understood(answer, graphics):
    assert understand(answer) == graphics


class Tty(io.StringIO):
    """A terminal without a device: it answers nothing."""

    def isatty(self):
        return True

    def fileno(self):
        raise ValueError


@pytest.fixture
def tty(monkeypatch):
    for name in ("NO_COLOR", "PIPELINE_PICTURES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    return Tty()


def test_what_is_no_terminal_is_not_asked():
    assert find_graphics(io.StringIO()) is None


def test_a_terminal_that_says_nothing_shows_blocks_if_it_has_colours(tty):
    assert find_graphics(tty) == Graphics(kind=Kind.BLOCKS)


@pytest.mark.parametrize(
    ("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb"), ("TERM", "xterm")]
)
def test_a_terminal_without_colours_shows_nothing(tty, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    monkeypatch.delenv("COLORTERM", raising=False)

    assert find_graphics(tty) is None


def test_the_user_has_the_last_word(tty, monkeypatch):
    monkeypatch.setenv("PIPELINE_PICTURES", "sixel")

    assert find_graphics(tty) == Graphics(kind=Kind.SIXEL)


def test_without_a_terminal_one_line_says_that_there_are_no_pictures(capsys, tmp_path):
    show_pictures([tmp_path / "oak.png"])

    said = capsys.readouterr()
    assert said.err == "note: --pictures: there is no terminal that can show pictures\n"
    assert said.out == ""


def test_without_pictures_nothing_is_said(capsys):
    assert show_pictures([]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("name", "is_shown"),
    [("oak.png", True), ("a/oak.WEBP", True), ("oak.glb", False), ("oak.mp4", False)],
)
def test_only_pictures_are_shown(name, is_shown):
    assert is_picture(name) == is_shown
