"""The bytes of a PNG, piece by piece as they arrive → its size, or why it is invalid.

As strict as decoding the pixels, in bounded memory and one pass: the checksum of each
chunk covers every byte, the compressed rows are decompressed to their last byte, and
each row must name a filter that exists. Bytes after the end are not checked. The rows
of a small image are decompressed in one go, which takes two thirds of the time.

Source: Portable Network Graphics (PNG) Specification, third edition, W3C 2025.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator

from pipeline.assets.checks.damage import Damaged

try:  # two thirds of the time, measured on images of the service's sizes
    from isal import isal_zlib as expanding
except ImportError:  # no wheel for this machine
    import zlib as expanding  # type: ignore[no-redef]

try:
    import deflate
except ImportError:  # no wheel either
    deflate = None  # type: ignore[assignment]

_ERRORS = (zlib.error, getattr(expanding, "error", zlib.error))

MAX_PIXELS = 150_000_000  # nine times the largest size on offer; more is a bomb

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_IHDR_SIZE_BYTES = 13
_MAX_CHUNK_BYTES = 2**31 - 1
_PIECE_BYTES = 1 << 16  # of compressed rows per step
_EXPANDED_BYTES = 1 << 16  # of decompressed rows per step: more means page faults
_AT_ONCE_BYTES = 1 << 20  # of compressed rows that are decompressed in one go
_EXPANDED_AT_ONCE_BYTES = 16 << 20
_FILTERS = bytes(range(5))
_PALETTE = 3
_METHODS = ([0, 0, 0], [0, 0, 1])  # compression, filter, interlacing
# Colour type → samples per pixel, and the allowed bit depths.
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
# The seven passes of an interlaced image: first column and row, then their steps.
_PASSES = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)


class NotAnImage(Damaged):
    """The file is damaged, truncated, or too large to be what it claims."""


class PngCheck:
    """Checks a PNG as it arrives: :meth:`feed` all of it, then :meth:`finish`.

    A file that does not begin like a PNG is not checked.
    """

    def __init__(self) -> None:
        self._waiting = bytearray()  # the start of an incomplete field
        self._field_bytes = len(_SIGNATURE)
        self._read_field = self._read_signature
        self._name = b""
        self._body_left = 0
        self._checksum = 0
        self._header = bytearray()
        self._size = (0, 0)
        self._rows: _Rows | None = None
        self._has_palette = False
        self._is_over = False

    def feed(self, content: bytes) -> None:
        """Check the next bytes, however many; blocking.

        Raises:
            NotAnImage: They cannot be part of a valid image.
        """
        left = memoryview(content)
        while left and not self._is_over:
            if self._body_left:
                body, left = left[: self._body_left], left[self._body_left :]
                self._body_left -= len(body)
                self._checksum = expanding.crc32(body, self._checksum)
                self._read_body(body)
                continue
            missing = self._field_bytes - len(self._waiting)
            self._waiting += left[:missing]
            left = left[missing:]
            if len(self._waiting) == self._field_bytes:
                field = bytes(self._waiting)
                self._waiting.clear()
                self._read_field(field)

    def finish(self) -> tuple[int, int]:
        """The width and height in pixels.

        Raises:
            NotAnImage: Something was missing, or it was not a PNG.
        """
        if self._rows is None or not self._is_over:
            raise NotAnImage("the file ends before the image is complete")
        return self._size

    def _read_signature(self, field: bytes) -> None:
        self._is_over = field != _SIGNATURE
        self._await_chunk()

    def _await_chunk(self) -> None:
        self._field_bytes, self._read_field = 8, self._begin_chunk

    def _begin_chunk(self, field: bytes) -> None:
        length, name = struct.unpack(">I4s", field)
        if length > _MAX_CHUNK_BYTES or not name.isalpha():
            raise NotAnImage(f"a chunk cannot begin with {field.hex()}")
        if (name == b"IHDR") != (self._rows is None) or (
            name == b"IHDR" and length != _IHDR_SIZE_BYTES
        ):
            raise NotAnImage("the header is missing, wrong or duplicated")
        if self._name == b"IDAT" != name:
            self._end_rows()
        if name == b"IDAT" and not self._has_palette:
            raise NotAnImage("the palette is missing")
        self._has_palette |= name == b"PLTE"
        self._name, self._body_left = name, length
        self._checksum = expanding.crc32(name)
        self._field_bytes, self._read_field = 4, self._end_chunk

    def _read_body(self, body: memoryview) -> None:
        if self._name == b"IHDR":
            self._header += body
        elif self._name == b"IDAT" and self._rows is not None:
            self._rows.feed(body)

    def _end_chunk(self, field: bytes) -> None:
        if int.from_bytes(field) != self._checksum:
            name = self._name.decode("ascii")
            raise NotAnImage(f"the checksum of a chunk {name} is wrong")
        if self._name == b"IHDR":
            self._read_header()
        elif self._name == b"IEND":
            self._end_rows()
            self._is_over = True
        self._await_chunk()

    def _read_header(self) -> None:
        width_px, height_px, depth, colour, *methods = struct.unpack(
            ">IIBBBBB", self._header
        )
        check_size((width_px, height_px))
        if depth not in _DEPTHS.get(colour, ()) or methods not in _METHODS:
            raise NotAnImage("the header names a kind of image that does not exist")
        self._size = (width_px, height_px)
        self._has_palette = colour != _PALETTE
        self._rows = _Rows(
            _passes(self._size, depth * _SAMPLES[colour], interlaced=bool(methods[2]))
        )

    def _end_rows(self) -> None:
        if self._rows is None:
            return
        self._rows.finish()
        if not self._rows.are_whole:
            raise NotAnImage("the image is not complete")


class _Rows:
    """The compressed rows of an image, decompressed, checked and discarded.

    Args:
        passes: For each, the number of rows and the bytes per row, filter byte
            included.
    """

    def __init__(self, passes: Iterable[tuple[int, int]]) -> None:
        passes = tuple(passes)
        self._expected_bytes = sum(rows * row_bytes for rows, row_bytes in passes)
        self._passes = iter(passes)
        self._row_bytes = 0
        self._pass_left = 0  # bytes
        self._expander = expanding.decompressobj()
        self._is_done = False  # whatever else arrives is ignored
        self.are_whole = False
        self._next_pass()
        is_small = self._expected_bytes <= _EXPANDED_AT_ONCE_BYTES
        self._holds_back = deflate is not None and is_small
        self._held = bytearray()  # to be decompressed in one go

    def feed(self, compressed: memoryview) -> None:
        """Decompress the next bytes, or all of them in :meth:`finish` if they are few.

        Bytes after the last row are ignored.

        Raises:
            NotAnImage: They cannot be decompressed, or not to rows of this image.
        """
        if not self._holds_back:
            self._expand_in_pieces(compressed)
            return
        if len(self._held) + len(compressed) <= _AT_ONCE_BYTES:
            self._held += compressed
            return
        self._holds_back = False
        held, self._held = self._held, bytearray()
        self._expand_in_pieces(memoryview(held))
        self._expand_in_pieces(compressed)

    def finish(self) -> None:
        """Decompress what was held back.

        Raises:
            NotAnImage: As for :meth:`feed`.
        """
        held, self._held = self._held, bytearray()
        # If something is wrong with them, going piece by piece finds out what.
        if held and not self._expand_at_once(held):
            self._expand_in_pieces(memoryview(held))

    def _expand_at_once(self, compressed: bytearray) -> bool:
        """Whether they decompress to exactly the rows; if not, nothing has changed."""
        try:
            expanded = deflate.zlib_decompress(compressed, self._expected_bytes)
        except deflate.DeflateError:
            return False
        if len(expanded) != self._expected_bytes:
            return False
        self._pass_by(expanded)
        self._is_done = True
        return True

    def _expand_in_pieces(self, compressed: memoryview) -> None:
        for start in range(0, len(compressed), _PIECE_BYTES):
            rest: bytes | memoryview = compressed[start : start + _PIECE_BYTES]
            has_more = True
            while has_more and not self._is_done:
                expanded = self._expand(rest)
                rest = self._expander.unconsumed_tail
                has_more = bool(rest) or len(expanded) == _EXPANDED_BYTES
                left = self._pass_by(expanded)
                # After the last row, the checksum is still to come.
                self._is_done = self._expander.eof or left > 0

    def _expand(self, compressed: bytes | memoryview) -> bytes:
        try:
            return self._expander.decompress(compressed, _EXPANDED_BYTES)
        except _ERRORS as error:
            raise NotAnImage(f"cannot be decompressed: {error}") from None

    def _pass_by(self, expanded: bytes | bytearray) -> int:
        """Count bytes, check the first of each row; return how many are too many."""
        position = 0
        while position < len(expanded) and not self.are_whole:
            end = min(position + self._pass_left, len(expanded))
            first = position + self._pass_left % self._row_bytes
            filters = expanded[first : end : self._row_bytes]
            if filters.translate(None, _FILTERS):
                raise NotAnImage("a row names a filter that does not exist")
            self._pass_left -= end - position
            position = end
            if not self._pass_left:
                self._next_pass()
        return len(expanded) - position

    def _next_pass(self) -> None:
        rows, self._row_bytes = next(self._passes, (0, 0))
        self._pass_left = rows * self._row_bytes
        self.are_whole = not rows


def check_size(size: tuple[int, int]) -> None:
    """Refuse an image without pixels, or with more than is plausible.

    Raises:
        NotAnImage: It is refused.
    """
    width_px, height_px = size
    if not width_px * height_px:
        raise NotAnImage("an image without pixels")
    if width_px * height_px > MAX_PIXELS:
        raise NotAnImage(f"{width_px} x {height_px} pixels are more than is plausible")


def _passes(
    size: tuple[int, int], pixel_bits: int, *, interlaced: bool
) -> Iterator[tuple[int, int]]:
    width_px, height_px = size
    for left, top, across, down in _PASSES if interlaced else ((0, 0, 1, 1),):
        columns = -(-(width_px - left) // across)
        rows = -(-(height_px - top) // down)
        if columns > 0 and rows > 0:
            yield rows, 1 + (columns * pixel_bits + 7) // 8
