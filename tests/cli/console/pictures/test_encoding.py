"""Pictures for a terminal: decoded again, they are what they were."""

import base64
import io
import re

import pytest
from PIL import Image
from rich.console import Console

from pipeline.cli.console.pictures.encoding import Kind, blocks, drawn
from pipeline.cli.console.pictures.sixel import sixels_of

PLACED = re.compile(r"\n{3}\x1b\[3A\x1b7(.*)\x1b8\x1b\[3B", re.DOTALL)


@pytest.fixture
def picture():
    """Twenty pixels wide, with a red, a blue and a transparent part."""
    made = Image.new("RGBA", (20, 13), (255, 0, 0, 255))
    made.paste((0, 0, 255, 255), (10, 0, 20, 7))
    made.paste((0, 0, 0, 0), (0, 10, 20, 13))
    return made


def body_of(picture, kind):
    found = PLACED.fullmatch(drawn(picture, kind, columns=4, rows=3))
    assert found is not None
    return found[1]


def test_kitty_gets_a_png_in_chunks_that_does_not_move_the_cursor():
    noise = Image.effect_noise((90, 90), 80).convert("RGBA")
    commands = re.findall(r"\x1b_G(.*?);(.*?)\x1b\\", body_of(noise, Kind.KITTY))

    assert [keys for keys, _ in commands] == [
        "a=T,f=100,c=4,r=3,C=1,q=2,m=1",
        *["m=1"] * (len(commands) - 2),
        "m=0",
    ]
    assert max(len(data) for _, data in commands) <= 4096
    data = base64.b64decode("".join(data for _, data in commands))
    assert Image.open(io.BytesIO(data)).tobytes() == noise.tobytes()


def test_iterm_gets_a_png_with_its_size(picture):
    found = re.fullmatch(
        r"\x1b\]1337;File=inline=1;size=(\d+);width=4;height=3"
        r";preserveAspectRatio=1:(.*)\x07",
        body_of(picture, Kind.ITERM),
    )

    assert found is not None
    data = base64.b64decode(found[2])
    assert len(data) == int(found[1])
    assert Image.open(io.BytesIO(data)).size == (20, 13)


def decoded(sixels):
    """The pixels that sixels draw, by place, as percentages of red, green and blue."""
    head, text = sixels.removesuffix("\x1b\\").split('"', 1)
    assert head == "\x1bP0;1;0q"
    registers, pixels = {}, {}
    raster = re.match(r"1;1;([\d;]+)", text)
    assert raster is not None
    size, text = raster[1], text[raster.end() :]
    colour = column = band = 0
    for token in re.findall(r"#\d+(?:;2;\d+;\d+;\d+)?|!\d+[?-~]|[?-~$-]", text):
        if token.startswith("#") and ";" in token:
            number, _, *parts = token[1:].split(";")
            registers[int(number)] = tuple(map(int, parts))
        elif token.startswith("#"):
            colour = int(token[1:])
        elif token == "$":
            column = 0
        elif token == "-":
            column, band = 0, band + 6
        else:
            count = int(token[1:-1]) if token[0] == "!" else 1
            bits = ord(token[-1]) - 63
            for x in range(column, column + count):
                for bit in range(6):
                    if bits >> bit & 1:
                        assert (x, band + bit) not in pixels
                        pixels[x, band + bit] = registers[colour]
            column += count
    return size, pixels


def test_sixels_draw_each_opaque_pixel_once_in_its_colour(picture):
    size, pixels = decoded(sixels_of(picture))

    assert size == "20;13"
    assert pixels == {
        (x, y): (0, 0, 100) if x >= 10 and y < 7 else (100, 0, 0)
        for x in range(20)
        for y in range(10)
    }


def test_blocks_are_two_pixels_a_character(picture):
    text = io.StringIO()
    console = Console(
        file=text, force_terminal=True, color_system="truecolor", width=80
    )

    console.print(blocks(picture.resize((4, 4), Image.Resampling.NEAREST)), end="")

    first, second = text.getvalue().splitlines()
    assert first.count("▀") == second.count("▀") == 4
    assert "38;2;255;0;0;48;2;255;0;0" in first
    assert "38;2;0;0;255" in first
    assert "48;2" not in second  # the lower half is transparent
