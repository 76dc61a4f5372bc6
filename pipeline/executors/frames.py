"""Frames: what the process pool and its workers send over a pipe.

A frame is four bytes with the length of the rest, most significant first, then msgpack.
"""

import asyncio
import struct
from contextlib import suppress
from typing import BinaryIO

import msgspec

from pipeline.record import Struct

_LENGTH = struct.Struct(">I")
_MOST_BYTES = 64 << 20


class Frame(Struct, frozen=True, kw_only=True):
    """One message over a pipe.

    Attributes:
        number: Of the task; a reply has that of its task. 0 for the worker's setup, and
            for its answer that it is ready.
        body: The message; b"" to give the task up.
    """

    number: int
    body: bytes = b""


class BrokenPipe(Exception):
    """What came over the pipe is no frame."""


def pack(frame: Frame) -> bytes:
    """The bytes of a frame."""
    content = msgspec.msgpack.encode(frame)
    return _LENGTH.pack(len(content)) + content


def read_frame(pipe: BinaryIO) -> Frame | None:
    """As :func:`receive_frame`; blocking."""
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    with suppress(BrokenPipe):
        length = _length_of(head)
        content = pipe.read(length)
        return _decode(content) if len(content) == length else None
    return None


async def receive_frame(pipe: asyncio.StreamReader) -> Frame | None:
    """The next frame; None at the end of the pipe, or after what is no frame."""
    try:
        length = _length_of(await pipe.readexactly(_LENGTH.size))
        return _decode(await pipe.readexactly(length))
    except (asyncio.IncompleteReadError, ConnectionError, BrokenPipe):
        return None


def _length_of(head: bytes) -> int:
    length: int = _LENGTH.unpack(head)[0]
    if length > _MOST_BYTES:
        raise BrokenPipe(f"a frame of {length:,} bytes")
    return length


def _decode(content: bytes) -> Frame:
    try:
        return msgspec.msgpack.decode(content, type=Frame)
    except msgspec.DecodeError as error:
        raise BrokenPipe(str(error)) from error
