"""A file → its lines as text, each record of bounded size.

JSON Lines are UTF-8. A CSV may also be UTF-16, or in the 8-bit encoding of Western
Windows (cp1252, which has the printable characters of Latin-1): nothing in the file
says so, so that this is an assumption, which the user is told.
"""

import codecs
import io
import re
from typing import Any, BinaryIO, cast

from pipeline.manifest.row import MAX_RECORD_BYTES, BadRows
from pipeline.manifest.text import WITH_SECRET, WITHOUT_SECRETS
from pipeline.redaction import SECRETS

_AS_UTF8 = 'save the file as UTF-8 (in Excel, as "CSV UTF-8")'
_CHUNK_BYTES = 1 << 16
_WESTERN = "cp1252"
# What no Western text has, but texts in other encodings have when they are read as
# Western: three accented letters in a row, four of any such characters, and a sign such
# as the one of pounds between two letters.
_NOT_WESTERN = re.compile(
    r"[^\W\d_\x00-\x7f]{3}"
    r"|[^\x00-\x7f]{4}"
    r"|(?<=[^\W\d_])[\xa1-\xa9\xac\xae\xaf\xb1-\xb3\xb6\xb8\xb9\xbb-\xbf](?=[^\W\d_])"
)
_SAMPLE = re.compile(r"[\w' -]{0,20}[^\x00-\x7f][\w' -]{0,20}")


class RecordLines:
    """Lines of a file as text, with the raw text of the record being read.

    Args:
        file: Open for reading, and seekable.
        any_encoding: Whether it may be in another encoding than UTF-8.
    """

    def __init__(self, file: BinaryIO, *, any_encoding: bool = False) -> None:
        self._file = _as_utf8(file) if any_encoding else file
        self.line = 0
        self.start_line = 1
        self.raw: list[str] = []
        self._size_bytes = 0
        self._may_be_western = any_encoding
        self._western: tuple[int, str] | None = None  # the first such line

    def __iter__(self) -> "RecordLines":
        return self

    def __next__(self) -> str:
        data = self._file.readline(MAX_RECORD_BYTES - self._size_bytes + 1)
        if not data:
            raise StopIteration
        self.line += 1
        self._size_bytes += len(data)
        if self._size_bytes > MAX_RECORD_BYTES:
            limit = f"{MAX_RECORD_BYTES:,}"
            hint = "is a closing quote missing?" if self.line > self.start_line else ""
            text = f"a row is longer than {limit} bytes"
            raise BadRows(self.start_line, 1, text, hint)
        if self.line == 1:
            if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                raise BadRows(1, 1, "the file is UTF-16", _AS_UTF8)
            if b"\0" in data[:2]:
                raise BadRows(1, 1, "the file looks like UTF-16", _AS_UTF8)
            if data.startswith(codecs.BOM_UTF8):
                data = data.removeprefix(codecs.BOM_UTF8)
                self._may_be_western = False
        text = self._decoded(data)
        if SECRETS.holds(text):
            raise BadRows(self.line, 1, WITH_SECRET, WITHOUT_SECRETS)
        self.raw.append(text)
        return text

    def next_record(self) -> None:
        """Forget the record read so far."""
        self.raw.clear()
        self._size_bytes = 0
        self.start_line = self.line + 1

    @property
    def assumption(self) -> str:
        """What was assumed, worded to follow the name of the file; "" if nothing."""
        if self._western is None:
            return ""
        line, text = self._western
        found = _SAMPLE.search(text)
        sample = found.group().strip() if found else ""
        return (
            f"is not UTF-8, and is read as Western European text (Windows-1252): line"
            f" {line} says “{sample}”; if that is wrong, {_AS_UTF8}"
        )

    def _decoded(self, data: bytes) -> str:
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as exc:
            if self._may_be_western:
                return self._decoded_western(data)
            column = len(data[: exc.start].decode("utf-8")) + 1
            message = f"byte 0x{data[exc.start]:02x} is not UTF-8"
            raise BadRows(self.line, column, message, _AS_UTF8) from None
        if not text.isascii():
            if self._western is not None:
                message = f"this line is UTF-8, but line {self._western[0]} is not"
                raise BadRows(self.line, 1, message, _AS_UTF8)
            self._may_be_western = False
        return text

    def _decoded_western(self, data: bytes) -> str:
        try:
            text = data.decode(_WESTERN)
        except UnicodeDecodeError as exc:
            message = f"byte 0x{data[exc.start]:02x} is neither UTF-8 nor Windows-1252"
            raise BadRows(self.line, exc.start + 1, message, _AS_UTF8) from None
        if strange := _NOT_WESTERN.search(text):
            message = "this line is not UTF-8, and makes no sense as Windows-1252"
            raise BadRows(self.line, strange.start() + 1, message, _AS_UTF8)
        self._western = self._western or (self.line, text)
        return text


def _as_utf8(file: BinaryIO) -> BinaryIO:
    """The file, or what it says as UTF-8 if it is UTF-16."""
    start = file.tell()
    head = file.read(2)
    file.seek(start)
    encoding = {
        codecs.BOM_UTF16_LE: "utf-16-le",
        codecs.BOM_UTF16_BE: "utf-16-be",
    }.get(head, "")
    if len(head) == 2 and head.count(0) == 1:  # noqa: PLR2004 - no byte order mark
        encoding = "utf-16-le" if head[1] == 0 else "utf-16-be"
    if not encoding:
        return file
    return cast("BinaryIO", io.BufferedReader(_Recoded(file, encoding)))


class _Recoded(io.RawIOBase):
    """A file in UTF-16 as the bytes of the same text in UTF-8."""

    def __init__(self, file: BinaryIO, encoding: str) -> None:
        self._source = file
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._ready = b""
        self._line = 1

    def readable(self) -> bool:
        """True, for ``BufferedReader``."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer; 0 at the end.

        Raises:
            BadRows: The file is not valid UTF-16.
        """
        view = memoryview(buffer)
        while not self._ready:
            data = self._source.read(_CHUNK_BYTES)
            self._ready = self._decode(data)
            if not data:
                break
        count = min(len(view), len(self._ready))
        view[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def _decode(self, data: bytes) -> bytes:
        try:
            text = self._decoder.decode(data, final=not data)
        except UnicodeDecodeError as exc:
            valid = exc.object[: exc.start].decode(exc.encoding, "replace")
            line = self._line + valid.count("\n")
            text = "the file is UTF-16, but it has a broken character here"
            raise BadRows(line, 1, text, _AS_UTF8) from None
        self._line += text.count("\n")
        return text.encode()
