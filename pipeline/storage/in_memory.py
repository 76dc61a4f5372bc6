"""Bytes in memory as something that can be read."""

import io
from typing import BinaryIO, Literal


class InMemory:
    """Bytes in memory as :class:`~pipeline.storage.store.Content`."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def open(
        self,
        mode: Literal["rb"] = "rb",  # noqa: ARG002 - there is no other
        buffering: int = -1,  # noqa: ARG002
    ) -> BinaryIO:
        """A reader."""
        return io.BytesIO(self._content)
