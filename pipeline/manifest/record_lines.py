"""A file → its lines as text, each record of bounded size."""

from collections.abc import Iterator
from typing import BinaryIO

from pipeline.manifest.row import MAX_RECORD_BYTES, BadRows
from pipeline.manifest.text import WITH_SECRET, WITHOUT_SECRETS
from pipeline.redaction import SECRETS

_AS_UTF8 = 'save the file as UTF-8 (in Excel, as "CSV UTF-8")'


class RecordLines:
    """Lines of a file as text, with the raw text of the record being read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.line = 0
        self.start_line = 1
        self.raw: list[str] = []
        self._size_bytes = 0

    def __iter__(self) -> Iterator[str]:
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
            if data.startswith((b"\xff\xfe", b"\xfe\xff")):
                raise BadRows(1, 1, "the file is UTF-16", _AS_UTF8)
            if b"\0" in data[:2]:
                raise BadRows(1, 1, "the file looks like UTF-16", _AS_UTF8)
            data = data.removeprefix(b"\xef\xbb\xbf")
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as exc:
            column = len(data[: exc.start].decode("utf-8")) + 1
            message = f"byte 0x{data[exc.start]:02x} is not UTF-8"
            raise BadRows(self.line, column, message, _AS_UTF8) from None
        if SECRETS.holds(text):
            raise BadRows(self.line, 1, WITH_SECRET, WITHOUT_SECRETS)
        self.raw.append(text)
        return text

    def next_record(self) -> None:
        """Forget the record read so far."""
        self.raw.clear()
        self._size_bytes = 0
        self.start_line = self.line + 1
