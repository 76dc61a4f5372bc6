"""Store: where the files of a manifest are. In a folder, or in a bucket.

Ledger, lock and sidecars are always in the local output folder, ``home``. The assets
are in the store, each with its sidecar beside it, which is written last: an asset with
a sidecar is complete. For :class:`~pipeline.storage.folder.Folder` the two are usually
one place.

Everything here blocks and belongs in a thread, except for a new file being filled.
Names are relative, with parts separated by ``/``.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Literal, Protocol, Self

from pipeline.errors import DownloadFailed
from pipeline.record import Struct
from pipeline.storage.batching import Batcher

WriteCall = Callable[[], None]  # writes one small file, in a thread
Watcher = Callable[[bytes], None]  # gets all content in order; may raise


class Content(Protocol):
    """Something whose bytes can be read; a ``Path`` is one."""

    def open(self, mode: Literal["rb"], buffering: int = -1) -> BinaryIO:
        """A new reader at the first byte, which can seek.

        Raises:
            OSError: It cannot be read.
        """


class NamedContent(Content, Protocol):
    """A file that has a name; a ``Path`` is one."""

    @property
    def name(self) -> str:
        """Its name, at least the last part of it."""


class Pending(Content, Protocol):
    """A whole file that is not under its name yet; a ``Path`` is one."""

    def unlink(self, missing_ok: bool = False) -> None:
        """Give it up."""


class NewFile(Protocol):
    """A file being written: ``async with``, :meth:`write`, and a last :meth:`finish`.

    Leaving the block by an exception removes it.

    Attributes:
        size_bytes: Bytes written so far.
        head: The first bytes, for recognising the type.
    """

    size_bytes: int
    head: bytes

    async def __aenter__(self) -> Self:
        """Begin."""

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End; see the class."""

    async def write(self, pieces: Sequence[bytes]) -> None:
        """Append pieces.

        Raises:
            OutputError: They cannot be written.
        """

    async def finish(
        self, pieces: Sequence[bytes], batcher: Batcher[WriteCall, None] | None = None
    ) -> str:
        """Append the last pieces; the SHA-256 of all content in hex.

        Raises:
            OutputError: They cannot be written.
        """

    @property
    def pending(self) -> Pending:
        """The finished file."""


class Entry(Struct, frozen=True, kw_only=True):
    """A file as a listing shows it.

    Attributes:
        name: Its name.
        size_bytes: Its size.
        changed_s: When it was last changed, in seconds since 1970.
    """

    name: str
    size_bytes: int
    changed_s: float


class NameTaken(DownloadFailed):
    """Another run has put another file under the name."""


class Store(Protocol):
    """Where the files of a manifest are.

    Attributes:
        home: The local output folder, with the ledger and the sidecars.
        workspace: A local folder whose ``.partial`` holds files being processed.
        is_remote: Whether each call waits for a network.
    """

    home: Path
    workspace: Path
    is_remote: bool

    def load(self) -> None:
        """Look again at what is there; a bucket is only listed when this is called.

        Raises:
            OutputError: It cannot be read; the hint says what to change.
        """

    def check_writable(self) -> None:
        """Check, before anything is paid for, that files can be put there.

        Raises:
            OutputError: They cannot; the hint says what to change.
        """

    def describe(self, name: str = "") -> str:
        """The path or URL of a file, for people; of the store itself for ""."""

    def exists(self, name: str) -> bool:
        """Whether the name is in use."""

    def size_of(self, name: str) -> int:
        """The size of a file in bytes; -1 if there is none."""

    def is_present(self, name: str) -> bool:
        """Whether there is a file that is not empty."""

    def is_inside(self, name: str) -> bool:
        """Whether the name leads to no other place, as a link may."""

    def is_link(self, name: str) -> bool:
        """Whether the name is a link."""

    def are_one(self, left: str, right: str) -> bool:
        """Whether both names are one entry, as where case does not matter."""

    def digest_of(self, name: str) -> str:
        """The SHA-256 of a file in hex; "" if there is none. It may read all of it."""

    def have_same_content(self, left: str, right: str) -> bool:
        """Whether both files are there, with the same bytes."""

    def file(self, name: str) -> NamedContent:
        """A file, for reading it as a whole more than once."""

    def open(self, name: str) -> BinaryIO:
        """A reader of a file.

        Raises:
            OSError: There is none that can be read.
        """

    def path_of(self, name: str) -> Path | None:
        """Where a file is on this machine; None for one in a bucket."""

    def url_of(self, name: str) -> str:
        """The URL of a file."""

    def list_files(self, folder: str = "") -> Iterator[Entry]:
        """The files below a folder of the store, or all of them, in any order."""

    def begin(self, watch: Watcher | None = None) -> NewFile:
        """A new file, without a name yet.

        Args:
            watch: Called with all content, in order, in a thread.
        """

    def place(
        self, content: Pending, name: str, *, sha256: str, media_type: str
    ) -> None:
        """Put a whole file under its name, instead of what was known to be there.

        Args:
            content: The file; it is used up.
            name: Its name.
            sha256: Of its bytes.
            media_type: Of its content.

        Raises:
            NameTaken: Another run has put another file there meanwhile.
            OutputError: It cannot be written.
        """

    def write(self, content: bytes, name: str) -> None:
        """Put a sidecar beside its file, in the store and at home.

        Raises:
            NameTaken, OutputError: As for :meth:`place`.
        """

    def receive(self, source: "Store", name: str) -> None:
        """Copy a file of another store, instead of what was known to be there.

        Args:
            source: Has the file. Of the same bucket, the bytes do not leave it.
            name: Its name in both.

        Raises:
            NameTaken, OutputError: As for :meth:`place`.
            OSError: It cannot be read.
        """

    def copy(self, old: str, new: str) -> None:
        """Give a file a second name, which is free or already has the same bytes.

        Raises:
            NameTaken, OutputError: As for :meth:`place`.
        """

    def remove(self, name: str) -> None:
        """Remove a file; nothing happens if there is none.

        Raises:
            OutputError: It cannot be removed.
        """

    def remove_empty_folders(self, name: str) -> None:
        """Remove the folders above a name that have become empty."""

    def hide(self, folder: str) -> None:
        """Leave a folder of the store out of version control."""

    def sync(self, names: Iterable[str]) -> None:
        """Make the names of placed files durable.

        Raises:
            OutputError: The disk fails.
        """
