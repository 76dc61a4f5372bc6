"""png_check: as strong as decoding, whatever the pieces, in bounded memory."""

import io
import random
import struct
import tracemalloc
import zlib

import pytest
from PIL import Image

from pipeline.assets.checks import png as png_check
from pipeline.assets.checks.png import NotAnImage, PngCheck

SIGNATURE = b"\x89PNG\r\n\x1a\n"
SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
KINDS = [
    *((0, depth) for depth in (1, 2, 4, 8, 16)),
    *((3, depth) for depth in (1, 2, 4, 8)),
    *((colour, depth) for colour in (2, 4, 6) for depth in (8, 16)),
]
PASSES = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)]
PASSES += [(0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
WIDTH_PX, HEIGHT_PX = 21, 13


@pytest.fixture(autouse=True, params=["at once", "in pieces", "without deflate"])
def _way(request, monkeypatch):
    """A small picture's rows are expanded in one go, others in pieces: alike."""
    if request.param == "in pieces":
        monkeypatch.setattr(png_check, "_AT_ONCE_BYTES", 0)
    elif request.param == "without deflate":
        monkeypatch.setattr(png_check, "deflate", None)


def chunk(name, body=b""):
    checksum = zlib.crc32(name + body)
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", checksum)


def header(colour=0, depth=8, methods=(0, 0, 0), size=(WIDTH_PX, HEIGHT_PX)):
    return chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, colour, *methods))


def rows(colour=0, depth=8, *, interlaced=False):
    dice = random.Random(depth * 10 + colour)
    made = b""
    for left, top, across, down in PASSES if interlaced else [(0, 0, 1, 1)]:
        columns = len(range(left, WIDTH_PX, across))
        bits = columns * SAMPLES[colour] * depth
        for _ in range(top, HEIGHT_PX, down):
            made += bytes([dice.randrange(5)]) + dice.randbytes((bits + 7) // 8)
    return made


def png(*chunks):
    return SIGNATURE + b"".join(chunks)


def png_of_rows(content):
    """With right checksums, whatever the rows are."""
    return png(header(), chunk(b"IDAT", zlib.compress(content)), chunk(b"IEND"))


def check(content, piece_bytes=1 << 20):
    looking = PngCheck()
    for start in range(0, len(content), piece_bytes):
        looking.feed(content[start : start + piece_bytes])
    return looking.finish()


def decodes(content):
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        return image.size


PALETTE = chunk(b"PLTE", bytes(3 * 256))
DATA = chunk(b"IDAT", zlib.compress(rows()))
PLAIN = png(header(), DATA, chunk(b"IEND"))


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_every_kind_of_picture_is_measured_in_pieces_of_any_size(kind, interlaced):
    colour, depth = kind
    packed = zlib.compress(rows(colour, depth, interlaced=interlaced))
    content = png(
        header(colour, depth, (0, 0, int(interlaced))),
        chunk(b"PLTE", bytes(3 * 2 ** min(depth, 8))),
        *(chunk(b"IDAT", packed[start : start + 40]) for start in range(0, 9999, 40)),
        chunk(b"IEND"),
    )

    sizes = {check(content, piece_bytes) for piece_bytes in (1, 7, 100, 1 << 20)}

    assert sizes == {(WIDTH_PX, HEIGHT_PX)} == {decodes(content)}


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (3, 1), (5, 5)], ids=str)
def test_a_small_interlaced_picture_has_passes_without_rows(size):
    image = Image.new("RGB", size)
    target = io.BytesIO()
    image.save(target, "PNG")
    width_px, height_px = size
    made = b""
    for left, top, across, down in PASSES:
        columns = len(range(left, width_px, across))
        if columns:
            made += bytes(1 + 3 * columns) * len(range(top, height_px, down))
    interlaced = png(
        header(2, 8, (0, 0, 1), size),
        chunk(b"IDAT", zlib.compress(made)),
        chunk(b"IEND"),
    )

    assert check(target.getvalue()) == check(interlaced) == decodes(interlaced) == size


def test_a_flipped_bit_anywhere_is_found():
    passed = []
    for position in range(len(PLAIN)):
        content = bytearray(PLAIN)
        content[position] ^= 1 << position % 8
        try:
            check(bytes(content))
        except NotAnImage:
            continue
        passed.append(position)

    assert passed == []


def test_a_file_that_is_cut_anywhere_is_refused():
    passed = []
    for size_bytes in range(len(PLAIN)):
        try:
            check(PLAIN[:size_bytes])
        except NotAnImage:
            continue
        passed.append(size_bytes)

    assert passed == []


UNFILTERED = bytes(1 + WIDTH_PX)
ROWS_THAT_ARE_NONE = {
    "no rows at all": b"",
    "one row too few": UNFILTERED * (HEIGHT_PX - 1),
    "one byte too few": (UNFILTERED * HEIGHT_PX)[:-1],
    "a filter that there is not": UNFILTERED * 12 + b"\x05" + bytes(WIDTH_PX),
    "noise": random.Random(1).randbytes(len(UNFILTERED) * HEIGHT_PX),
}


@pytest.mark.parametrize("content", ROWS_THAT_ARE_NONE.values(), ids=ROWS_THAT_ARE_NONE)
def test_right_checksums_around_what_is_no_picture_do_not_help(content):
    with pytest.raises(NotAnImage):
        check(png_of_rows(content))


PACKED = zlib.compress(rows())
WRONG = {
    "an incomplete stream": (header(), chunk(b"IDAT", PACKED[:-30])),
    "no stream": (header(), chunk(b"IDAT", rows())),
    "a wrong checksum of the rows": (header(), chunk(b"IDAT", PACKED[:-1] + b"!")),
    "that checksum in a chunk of its own": (
        header(),
        chunk(b"IDAT", PACKED[:-4]),
        chunk(b"IDAT", PACKED[-4:-1] + b"!"),
    ),
    "rows that another chunk breaks off": (
        header(),
        chunk(b"IDAT", PACKED[:50]),
        chunk(b"tEXt", b"a\0b"),
        chunk(b"IDAT", PACKED[50:]),
    ),
    "no rows": (header(),),
    "rows before the header": (DATA, header()),
    "two headers": (header(), header(), DATA),
    "a header of another length": (chunk(b"IHDR", bytes(14)), DATA),
    "no palette": (header(3), chunk(b"IDAT", zlib.compress(rows(3)))),
    "a palette behind the rows": (header(3), DATA, PALETTE),
    "a depth that its kind has not": (header(2, 4), DATA),
    "a kind that there is not": (header(5), DATA),
    "another compression": (header(methods=(1, 0, 0)), DATA),
    "another interlacing": (header(methods=(0, 0, 2)), DATA),
    "no width": (header(size=(0, 5)), DATA),
    "a size that is a bomb": (header(size=(2**31 - 1, 1)), DATA),
    "a name that is none": (header(), chunk(b"\0\0\0\0"), DATA),
}


@pytest.mark.parametrize("chunks", WRONG.values(), ids=WRONG)
def test_what_is_built_wrong_is_refused(chunks):
    with pytest.raises(NotAnImage):
        check(png(*chunks, chunk(b"IEND")))


@pytest.mark.parametrize("content", [b"", SIGNATURE, b"GIF89a" + bytes(99)], ids=repr)
def test_what_is_no_png_passes_by_and_is_none_at_the_end(content):
    looking = PngCheck()

    looking.feed(content)

    with pytest.raises(NotAnImage):
        looking.finish()


LONG = zlib.compress(rows() + bytes(1 << 20))
LEFT_ALONE = {
    "bytes behind the end": PLAIN + b"junk" * 99,
    "annotations": png(header(), chunk(b"tEXt", b"a\0b"), DATA, chunk(b"IEND")),
    "a private chunk": png(header(), chunk(b"juNk", bytes(999)), DATA, chunk(b"IEND")),
    "more than the rows need": png_of_rows(rows() + bytes(999)),
    "what does not expand behind the last row": png(
        header(),
        chunk(b"IDAT", LONG[:-4]),
        chunk(b"IDAT", b"none"),
        chunk(b"IEND"),
    ),
}


@pytest.mark.parametrize("content", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_what_a_decoder_overlooks_is_overlooked(content):
    assert check(content) == decodes(content) == (WIDTH_PX, HEIGHT_PX)


def test_a_broken_beginning_is_refused_before_the_rest_has_come():
    looking = PngCheck()

    with pytest.raises(NotAnImage):
        looking.feed(SIGNATURE + chunk(b"IHDR", bytes(13)))


def test_rows_that_are_many_when_packed_are_expanded_as_they_come(monkeypatch):
    monkeypatch.setattr(png_check, "_AT_ONCE_BYTES", 100)
    looking = PngCheck()

    with pytest.raises(NotAnImage):
        looking.feed(png(header(), chunk(b"IDAT", rows())[:200]))


def test_the_memory_does_not_grow_with_the_picture():
    row = bytes(1 + 10_000)
    content = png(
        header(size=(10_000, 4_000)),
        chunk(b"IDAT", zlib.compress(row * 4_000, 1)),
        chunk(b"IEND"),
    )
    tracemalloc.start()

    size = check(content)

    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size == (10_000, 4_000)
    assert most_bytes < 2 << 20  # of 40 MB


def test_the_memory_does_not_grow_with_the_number_of_chunks():
    dice = random.Random(1)
    size = (1, 20_000)
    packed = zlib.compress(bytes(dice.randrange(5) for _ in range(2 * size[1])), 0)
    chunks = (chunk(b"IDAT", packed[start : start + 1]) for start in range(40_500))
    content = png(header(size=size), *chunks, chunk(b"IEND"))
    tracemalloc.start()

    assert check(content) == size

    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most_bytes < 1 << 20  # 40,000 views of the content take 11 MB


def test_what_expands_without_end_is_left_after_the_last_row():
    packed = zlib.compress(rows() + bytes(50 << 20))
    content = png(header(), chunk(b"IDAT", packed), chunk(b"IEND"))
    tracemalloc.start()

    size = check(content, 4096)

    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size == (WIDTH_PX, HEIGHT_PX)
    assert most_bytes < 2 << 20
