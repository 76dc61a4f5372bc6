"""Encodes pictures as H.264 video without a codec library.

A picture is one slice of ``I_PCM`` macroblocks: its samples as they are. The frames
after it are slices that skip every macroblock, so they repeat it in a few bytes. The
clause numbers are those of ITU-T H.264.
"""

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.emulator.media.bits import BitWriter

if TYPE_CHECKING:
    from PIL.Image import Image

BASELINE, CONSTRAINTS, LEVEL = 66, 0xC0, 31
BLOCK_PX = 16
FRAME_NUMBER_BITS = 4
I_PCM = 25  # mb_type in an I slice, table 7-11
KEY_UNIT, REPEAT_UNIT, SEQUENCE_UNIT, PICTURE_UNIT = 0x65, 0x41, 0x67, 0x68
ONLY_I, ONLY_P = 7, 5  # slice_type, table 7-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """A video stream.

    Attributes:
        width_px: The width.
        height_px: The height.
        sequence: The sequence parameter set.
        picture: The picture parameter set.
        frames: Each frame, as a unit with its length before it.
        key_frames: The positions of the frames that stand alone.
    """

    width_px: int
    height_px: int
    sequence: bytes
    picture: bytes
    frames: tuple[bytes, ...]
    key_frames: tuple[int, ...]


def encode_pictures(pictures: "list[Image]", repeats: int) -> Encoded:
    """A video of pictures of one size, each shown for some frames.

    Args:
        pictures: The pictures, in mode RGB. Sides are multiples of 16 pixels.
        repeats: For how many frames each is shown, from 1 to 16.
    """
    width_px, height_px = pictures[0].size
    blocks = (width_px // BLOCK_PX, height_px // BLOCK_PX)
    frames: list[bytes] = []
    keys: list[int] = []
    for number, picture in enumerate(pictures):
        keys.append(len(frames))
        frames.append(_with_length(_key_frame(picture, blocks, number % 2)))
        frames += [
            _with_length(_repeating_frame(position, blocks))
            for position in range(1, repeats)
        ]
    return Encoded(
        width_px=width_px,
        height_px=height_px,
        sequence=_sequence_set(blocks),
        picture=_picture_set(),
        frames=tuple(frames),
        key_frames=tuple(keys),
    )


def _sequence_set(blocks: tuple[int, int]) -> bytes:
    bits = BitWriter()
    bits.put_golomb(0)  # its id
    bits.put_golomb(FRAME_NUMBER_BITS - 4)
    bits.put_golomb(2)  # frames are shown in the order of the stream
    bits.put_golomb(1)  # one reference frame
    bits.put(0, 1)
    bits.put_golomb(blocks[0] - 1)
    bits.put_golomb(blocks[1] - 1)
    bits.put(0b1100, 4)  # frames, not fields; 8x8 inference; no cropping; no VUI
    head = bytes([SEQUENCE_UNIT, BASELINE, CONSTRAINTS, LEVEL])
    return _escaped(head + _closed(bits))


def _picture_set() -> bytes:
    bits = BitWriter()
    bits.put_golomb(0)
    bits.put_golomb(0)
    bits.put(0, 2)  # CAVLC
    bits.put_golomb(0)  # one slice group
    bits.put_golomb(0)
    bits.put_golomb(0)
    bits.put(0, 3)  # no weighted prediction
    for _ in range(3):
        bits.put_golomb(0)  # quantizers as they are by default
    bits.put(0b100, 3)  # slices say whether they are deblocked
    return _escaped(bytes([PICTURE_UNIT]) + _closed(bits))


def _key_frame(picture: "Image", blocks: tuple[int, int], picture_id: int) -> bytes:
    bits = BitWriter()
    bits.put_golomb(0)
    bits.put_golomb(ONLY_I)
    bits.put_golomb(0)
    bits.put(0, FRAME_NUMBER_BITS)
    bits.put_golomb(picture_id)  # neighbours must differ
    bits.put(0, 2)
    bits.put_golomb(0)  # quantizer
    bits.put_golomb(1)  # not deblocked
    bits.put_golomb(I_PCM)
    data = bytearray(bits.to_bytes())
    another = BitWriter()
    another.put_golomb(I_PCM)
    separator = another.to_bytes()
    luma, blue, red = _samples(picture)
    columns, rows = blocks
    stride, half = columns * BLOCK_PX, BLOCK_PX // 2
    for number in range(columns * rows):
        row, column = divmod(number, columns)
        if number:
            data += separator
        for y in range(row * BLOCK_PX, (row + 1) * BLOCK_PX):
            start = y * stride + column * BLOCK_PX
            data += luma[start : start + BLOCK_PX]
        for plane in (blue, red):
            for y in range(row * half, (row + 1) * half):
                start = y * stride // 2 + column * half
                data += plane[start : start + half]
    return _escaped(bytes([KEY_UNIT]) + bytes(data) + b"\x80")


def _repeating_frame(position: int, blocks: tuple[int, int]) -> bytes:
    bits = BitWriter()
    bits.put_golomb(0)
    bits.put_golomb(ONLY_P)
    bits.put_golomb(0)
    bits.put(position % 2**FRAME_NUMBER_BITS, FRAME_NUMBER_BITS)
    bits.put(0, 3)
    bits.put_golomb(0)
    bits.put_golomb(1)
    bits.put_golomb(blocks[0] * blocks[1])  # skip them all
    return _escaped(bytes([REPEAT_UNIT]) + _closed(bits))


def _samples(picture: "Image") -> tuple[bytes, bytes, bytes]:
    luma, blue, red = picture.convert("YCbCr").split()
    half = (picture.width // 2, picture.height // 2)
    return (
        _levels(luma, 235),
        _levels(blue.resize(half), 240),
        _levels(red.resize(half), 240),
    )


def _levels(plane: "Image", highest: int) -> bytes:
    # Video levels begin at 16.
    table = [16 + level * (highest - 16) // 255 for level in range(256)]
    return plane.point(table).tobytes()


def _closed(bits: BitWriter) -> bytes:
    bits.put(1, 1)
    return bits.to_bytes()


def _escaped(unit: bytes) -> bytes:
    # Two zeros must not be followed by a byte below four (7.4.1).
    if b"\0\0" not in unit:
        return unit
    safe = bytearray()
    zeros = 0
    for byte in unit:
        if zeros >= 2 and byte <= 3:  # noqa: PLR2004 - see above
            safe.append(3)
            zeros = 0
        safe.append(byte)
        zeros = 0 if byte else zeros + 1
    return bytes(safe)


def _with_length(unit: bytes) -> bytes:
    return struct.pack(">I", len(unit)) + unit
