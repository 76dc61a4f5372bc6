"""A finished GLB → nothing, or the reason why it is not complete. Blocking.

Source: glTF 2.0 specification, section 4 ("GLB File Format Specification").
"""

import io
import json
import struct
from collections.abc import Mapping
from typing import BinaryIO

from pipeline.assets.checks.damage import Damaged
from pipeline.storage.files import size_of
from pipeline.storage.store import Content

GLB = "model/gltf-binary"
_MAGIC = b"glTF"
_VERSION = 2
_HEADER_BYTES, _CHUNK_HEADER_BYTES = 12, 8
_JSON, _BIN = b"JSON", b"BIN\0"
_MOST_CHUNKS = 1000
_MOST_JSON_BYTES = 64 << 20  # more is not read, and then not checked


def check_glb(whole: Content) -> None:
    """Check header, chunks and JSON, and that the buffers are all there.

    Raises:
        Damaged: It is not a complete GLB.
    """
    with whole.open("rb") as file:
        size_bytes = size_of(file)
        header = file.read(_HEADER_BYTES)
        if len(header) < _HEADER_BYTES:
            raise Damaged("a GLB without a header")
        magic, version, length = struct.unpack("<4sII", header)
        if magic != _MAGIC or version != _VERSION:
            raise Damaged(f"not a GLB of version {_VERSION}")
        if length != size_bytes:
            raise Damaged(f"its header says {length} bytes, the file has {size_bytes}")
        content, binary_bytes = _read_chunks(file, size_bytes)
    if content is not None:
        _check_json(content, binary_bytes)


def _read_chunks(file: BinaryIO, size_bytes: int) -> tuple[bytes | None, int]:
    """The JSON (None if it is too large to be read) and the size of the binary."""
    content: bytes | None = b""
    binary_bytes = 0
    at, number = _HEADER_BYTES, 0
    while at < size_bytes:
        chunk = file.read(_CHUNK_HEADER_BYTES)
        if len(chunk) < _CHUNK_HEADER_BYTES or number == _MOST_CHUNKS:
            raise Damaged(f"chunk {number + 1} is not complete")
        length, name = struct.unpack("<I4s", chunk)
        at += _CHUNK_HEADER_BYTES + length
        if at > size_bytes:
            raise Damaged(f"chunk {number + 1} ends after the file")
        if (name == _JSON) != (number == 0):
            raise Damaged("the first chunk, and only it, must be JSON")
        if number == 0:
            content = file.read(length) if length <= _MOST_JSON_BYTES else None
        elif name == _BIN and number == 1:
            binary_bytes = length
        file.seek(at)
        number += 1
    return content, binary_bytes


def _check_json(content: bytes, binary_bytes: int) -> None:
    try:
        scene = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Damaged(f"its JSON cannot be read: {error}") from error
    asset = scene.get("asset") if isinstance(scene, Mapping) else None
    if not isinstance(asset, Mapping) or not isinstance(asset.get("version"), str):
        raise Damaged("its JSON names no version of glTF")
    buffers = scene.get("buffers")
    first = buffers[0] if isinstance(buffers, list) and buffers else None
    if isinstance(first, Mapping) and "uri" not in first:
        wanted = first.get("byteLength")
        if isinstance(wanted, int) and wanted > binary_bytes:
            raise Damaged(f"{binary_bytes} of the {wanted} bytes of its buffer")


def find_extensions(content: bytes) -> frozenset[str]:
    """The extensions of glTF that a reader of a whole GLB has to know.

    Raises:
        Damaged: It cannot be read.
    """
    with io.BytesIO(content) as file:
        file.seek(_HEADER_BYTES)
        text, _ = _read_chunks(file, len(content))
    try:
        scene = json.loads(text or b"{}")
    except (ValueError, RecursionError) as error:
        raise Damaged(f"its JSON cannot be read: {error}") from error
    named = scene.get("extensionsRequired") if isinstance(scene, Mapping) else None
    return frozenset(map(str, named if isinstance(named, list) else ()))
