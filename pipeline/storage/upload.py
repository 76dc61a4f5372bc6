"""Upload: a file on its way to a bucket, in memory or sent in parts as it arrives.

A small file is held in memory as long as there is room. Any other one is sent under a
temporary name, in parts, and completed once all of it has arrived. Either way nothing
is seen under the file's own name before it is checked.
"""

import hashlib
import io
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import BinaryIO, Literal, Protocol, Self

import anyio
import anyio.to_thread

from pipeline.fault_points import reach
from pipeline.storage.batching import Batcher
from pipeline.storage.media_type import HEAD_SIZE_BYTES, media_type_of
from pipeline.storage.store import Pending, Watcher, WriteCall

MOST_HELD_BYTES = 16 << 20  # of one file
_BLOCKS_AHEAD = 2  # that wait to be sent


class Room:
    """Counts the bytes that are held in memory; any thread."""

    def __init__(self, total_bytes: int) -> None:
        self._free = total_bytes
        self._lock = threading.Lock()

    def take(self, size_bytes: int) -> bool:
        """Reserve so many bytes, if there is room now."""
        with self._lock:
            if size_bytes > self._free:
                return False
            self._free -= size_bytes
            return True

    def give_back(self, size_bytes: int) -> None:
        """Release so many bytes."""
        with self._lock:
            self._free += size_bytes


class Held:
    """A whole file in memory."""

    def __init__(self, content: bytes, room: Room) -> None:
        self.content = content
        self._room: Room | None = room

    def open(
        self,
        mode: Literal["rb"],  # noqa: ARG002
        buffering: int = -1,  # noqa: ARG002
    ) -> BinaryIO:
        """A reader."""
        return io.BytesIO(self.content)

    def unlink(self, missing_ok: bool = False) -> None:  # noqa: ARG002
        """Give it up."""
        if self._room is not None:
            self._room.give_back(len(self.content))
            self._room, self.content = None, b""


class _Stager(Protocol):
    def open_range(self, name: str, size_bytes: int) -> BinaryIO: ...

    def discard(self, name: str) -> None: ...


class Staged:
    """A whole file in the bucket, under a temporary name."""

    def __init__(self, store: _Stager, name: str, size_bytes: int) -> None:
        self.name = name
        self.size_bytes = size_bytes
        self._store = store

    def open(
        self,
        mode: Literal["rb"],  # noqa: ARG002
        buffering: int = -1,  # noqa: ARG002
    ) -> BinaryIO:
        """A reader."""
        return self._store.open_range(self.name, self.size_bytes)

    def unlink(self, missing_ok: bool = False) -> None:  # noqa: ARG002
        """Delete it."""
        self._store.discard(self.name)


Stage = Callable[[Iterator[bytes], str], Staged]


class Upload:
    """A file being filled; see :class:`~pipeline.storage.store.NewFile`.

    Args:
        room: For files in memory.
        stage: Sends blocks under a temporary name; blocking.
        watch: Called with all content, in order, in a thread.
    """

    def __init__(self, room: Room, *, stage: Stage, watch: Watcher | None) -> None:
        self.size_bytes = 0
        self.head = b""
        self._room = room
        self._stage = stage
        self._watch = watch
        self._digest = hashlib.sha256()
        self._held: list[bytes] = []
        self._sender: _Sender | None = None
        self._finished: Held | Staged | None = None

    @property
    def pending(self) -> Pending:
        """The finished file."""
        assert self._finished is not None
        return self._finished

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._give_up)

    async def write(self, pieces: Sequence[bytes]) -> None:
        """Append pieces, in one thread call.

        Raises:
            OutputError: The bucket cannot be written.
            Exception: Whatever ``watch`` raises.
        """
        # Not interrupted: an exception must leave nothing that is still being sent.
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self._append, pieces)

    async def finish(
        self,
        pieces: Sequence[bytes],
        batcher: Batcher[WriteCall, None] | None = None,  # noqa: ARG002 - for disks
    ) -> str:
        """Append the last pieces; what was sent in parts is completed.

        Returns:
            The SHA-256 of all content in hex.

        Raises:
            OutputError: The bucket cannot be written.
            Exception: Whatever ``watch`` raises.
        """

        def finish() -> None:
            self._append(pieces)
            if self._sender is not None:
                self._finished = self._sender.finish()
            else:
                self._finished = Held(b"".join(self._held), self._room)
                self._held = []

        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(finish)
        return self._digest.hexdigest()

    def _append(self, pieces: Sequence[bytes]) -> None:
        for piece in pieces:
            if len(self.head) < HEAD_SIZE_BYTES:
                self.head += piece[: HEAD_SIZE_BYTES - len(self.head)]
            self._digest.update(piece)
            if self._watch is not None:
                self._watch(piece)
            self.size_bytes += len(piece)
            self._keep(piece)
        reach("chunk-written")

    def _keep(self, piece: bytes) -> None:
        if self._sender is None:
            is_small = self.size_bytes <= MOST_HELD_BYTES
            if is_small and self._room.take(len(piece)):
                self._held.append(piece)
                return
            self._sender = _Sender(self._stage, media_type_of(self.head))
            for held in self._held:
                self._sender.send(held)
            self._release()
        self._sender.send(piece)

    def _give_up(self) -> None:
        if self._finished is not None:
            self._finished.unlink(missing_ok=True)
        elif self._sender is not None:
            self._sender.give_up()
        self._release()

    def _release(self) -> None:
        self._room.give_back(sum(map(len, self._held)))
        self._held = []


class _GivenUp(Exception):
    """The file will not be completed."""


class _Sender:
    """Sends the blocks of one file, in a thread of its own."""

    def __init__(self, stage: Stage, media_type: str) -> None:
        self._blocks: queue.Queue[bytes | _GivenUp | None] = queue.Queue(_BLOCKS_AHEAD)
        self._staged: Staged | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(
            target=self._send, args=(stage, media_type), daemon=True
        )
        self._thread.start()

    def send(self, block: bytes) -> None:
        """Append a block, waiting while others are being sent."""
        if self._error is not None:
            raise self._error
        self._blocks.put(block)

    def finish(self) -> Staged:
        """Complete the file."""
        self._blocks.put(None)
        self._thread.join()
        if self._staged is None:
            raise self._error or AssertionError("neither a file nor an error")
        return self._staged

    def give_up(self) -> None:
        """End without a file."""
        self._blocks.put(_GivenUp())
        self._thread.join()

    def _send(self, stage: Stage, media_type: str) -> None:
        ended = False

        def blocks() -> Iterator[bytes]:
            nonlocal ended
            while (block := self._blocks.get()) is not None:
                if isinstance(block, _GivenUp):
                    ended = True
                    raise block
                yield block
            ended = True

        try:
            self._staged = stage(blocks(), media_type)
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            self._error = error
        while not ended:  # whoever sends must not wait forever
            block = self._blocks.get()
            ended = block is None or isinstance(block, _GivenUp)
