"""An object of a bucket → a file that can be read and sought. Blocking."""

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from pipeline.storage.bucket_errors import obstore

if TYPE_CHECKING:
    from obstore.store import ObjectStore as Client


class ObjectContent:
    """An object as :class:`~pipeline.storage.store.Content`.

    Args:
        open_name: Opens an object by its name.
        name: The object.

    Attributes:
        name: As given.
    """

    def __init__(self, open_name: Callable[[str], BinaryIO], name: str) -> None:
        self._open = open_name
        self.name = name

    def open(
        self,
        mode: Literal["rb"] = "rb",  # noqa: ARG002
        buffering: int = -1,  # noqa: ARG002
    ) -> BinaryIO:
        """A reader."""
        return self._open(self.name)


class ObjectReader(io.RawIOBase):
    """Reads an object by ranges.

    Args:
        client: Of the bucket.
        name: The object.
        size_bytes: Its size.
    """

    def __init__(self, client: "Client", name: str, size_bytes: int) -> None:
        self._client = client
        self._name = name
        self._size_bytes = size_bytes
        self._at = 0

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to another place; it may be beyond the end."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size_bytes}
        self._at = max(0, start[whence] + offset)
        return self._at

    def readall(self) -> bytes:
        """The rest with one request; by default it would be read 8 KiB at a time."""
        return self.read(max(0, self._size_bytes - self._at)) or b""

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer with one request, or a part of it at the end."""
        length = min(len(buffer), self._size_bytes - self._at)
        if length <= 0:
            return 0
        exceptions = obstore().exceptions
        try:
            found = obstore().get_range(
                self._client, self._name, start=self._at, length=length
            )
        except exceptions.BaseError as error:
            raise OSError(f"cannot read {self._name}") from error
        data = memoryview(found)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
