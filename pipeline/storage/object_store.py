"""Object store: a bucket of S3, Google Cloud Storage or Azure as a store. Blocking.

The only module that knows obstore. One listing, taken when the store is opened, says
what is there; our own changes are added to it. Every write is conditional on what was
known: a file that another run has put there meanwhile is never replaced.
"""

import contextlib
import hashlib
import io
import secrets
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from pipeline.record import replace
from pipeline.storage.atomic_file import PARTIAL_FOLDER, write_in_place
from pipeline.storage.bucket_errors import bucket_errors, obstore
from pipeline.storage.bucket_url import BucketUrl
from pipeline.storage.files import remove_empty_folders, sha256_of
from pipeline.storage.media_type import HEAD_SIZE_BYTES, media_type_of
from pipeline.storage.object_reader import ObjectContent, ObjectReader
from pipeline.storage.store import (
    Entry,
    NamedContent,
    NameTaken,
    NewFile,
    Pending,
    Store,
    Watcher,
)
from pipeline.storage.upload import MOST_HELD_BYTES, Held, Room, Staged, Upload

if TYPE_CHECKING:
    from obstore.store import ObjectStore as Client

HELD_BYTES = 64 << 20  # of files in memory, all together
_ONE_PUT_BYTES = 64 << 20  # a larger file is sent in parts
_PART_BYTES = 8 << 20
_READ_BYTES = 8 << 20  # in one request
_LISTED_AT_ONCE = 1000
_STALE = timedelta(days=1)
_DIGEST = "sha256"  # the name of our metadata
_PATIENT = {"max_retries": 6, "retry_timeout": timedelta(minutes=2)}
_BRIEF = {"max_retries": 2, "retry_timeout": timedelta(seconds=10)}


class ObjectStore:
    """A bucket, or a part of one.

    Args:
        url: Where it is.
        home: The local output folder, with ledger and sidecars.
        held_bytes: Of files in memory, all together, the others are sent as they come;
            None for the usual number.

    Attributes:
        url: As given.
    """

    is_remote = True

    def __init__(
        self, url: BucketUrl, home: Path, *, held_bytes: int | None = None
    ) -> None:
        self.home = self.workspace = home
        self.url = url
        self._client = _connect(url, _PATIENT)
        self._entries: dict[str, _Entry] = {}
        self._copiers: dict[str, Client] = {}
        self._room = Room(HELD_BYTES if held_bytes is None else held_bytes)

    def load(self) -> None:
        """List what is there.

        Raises:
            OutputError: The bucket cannot be read; the hint says what to change.
        """
        client = _connect(self.url, _BRIEF)
        with bucket_errors(self.url, "list"):
            chunks = obstore().list(client, chunk_size=_LISTED_AT_ONCE)
            entries = {one["path"]: _Entry(one) for chunk in chunks for one in chunk}
        # Consoles make empty objects, so that a bucket seems to have folders.
        folders = {str(one) for name in entries for one in PurePosixPath(name).parents}
        for name in folders | {""}:
            if name in entries and not entries[name].size_bytes:
                del entries[name]
        self._entries = entries

    def check_writable(self) -> None:
        """Try to write, before anything is paid for.

        What a killed run has left under temporary names is deleted after a day.

        Raises:
            OutputError: Nothing can be written, or the server ignores conditions, so
                that two runs could overwrite each other.
        """
        client = _connect(self.url, _BRIEF)
        # Another run may be trying at the same moment.
        probe = f"{PARTIAL_FOLDER}/probe-{secrets.token_hex(8)}"
        with bucket_errors(self.url, "write to"):
            obstore().put(client, probe, b"a try of pipeline\n", mode="overwrite")
            self._sweep(obstore().head(client, probe)["last_modified"])
            try:
                obstore().put(client, probe, b"a second one\n", mode="create")
            except obstore().exceptions.AlreadyExistsError:
                return
            finally:
                self.discard(probe)
        raise self.url.ignores_conditions()

    def _sweep(self, now: datetime) -> None:
        """Delete temporary objects that a killed run has left more than a day ago.

        Args:
            now: By the clock of the server.
        """
        before_s = (now - _STALE).timestamp()
        for one in list(self.list_files(PARTIAL_FOLDER)):
            if one.changed_s < before_s:
                self.discard(one.name)
                self._entries.pop(one.name, None)

    def describe(self, name: str = "") -> str:
        """The URL."""
        return self.url.of(name)

    def exists(self, name: str) -> bool:
        """Whether an object has the name."""
        return name in self._entries

    def size_of(self, name: str) -> int:
        """The size of an object; -1 if there is none."""
        entry = self._entries.get(name)
        return -1 if entry is None else entry.size_bytes

    def is_present(self, name: str) -> bool:
        """Whether there is an object that is not empty."""
        return self.size_of(name) > 0

    def is_inside(self, name: str) -> bool:  # noqa: ARG002 - there are no links
        """True."""
        return True

    def is_link(self, name: str) -> bool:  # noqa: ARG002
        """False."""
        return False

    def are_one(self, left: str, right: str) -> bool:
        """Whether both are the same name: case matters."""
        return left == right

    def digest_of(self, name: str) -> str:
        """The SHA-256 that we gave to an object; else it is read.

        One that has changed since it was listed is not known by that.
        """
        entry = self._entries.get(name)
        if entry is None:
            return ""
        if entry.sha256:
            return entry.sha256
        now = self._look_at(name)
        if now is None:
            del self._entries[name]
            return ""
        now.sha256 = self._read_digest(name, now)
        if now.may_be(entry):
            self._entries[name] = now
        return now.sha256

    def _read_digest(self, name: str, entry: "_Entry") -> str:
        if entry.sha256:
            return entry.sha256
        try:
            with self.open_range(name, entry.size_bytes) as file:
                return sha256_of(file)
        except OSError:
            return ""

    def have_same_content(self, left: str, right: str) -> bool:
        """Whether both objects are there, with the same bytes."""
        if self.size_of(left) != self.size_of(right):
            return False
        return self.digest_of(left) == self.digest_of(right) != ""

    def file(self, name: str) -> NamedContent:
        """An object, for reading it more than once."""
        return ObjectContent(self.open, name)

    def open(self, name: str) -> BinaryIO:
        """A reader of an object, which asks for some MiB at a time."""
        entry = self._entries.get(name) or self._look_at(name)
        if entry is None:
            raise FileNotFoundError(self.describe(name))
        return self.open_range(name, entry.size_bytes)

    def path_of(self, name: str) -> Path | None:  # noqa: ARG002
        """None: it is not on this machine."""
        return None

    def url_of(self, name: str) -> str:
        """The URL of an object."""
        return self.url.of(name)

    def open_range(self, name: str, size_bytes: int) -> BinaryIO:
        """A reader of an object of a known size, in the listing or not."""
        raw = ObjectReader(self._client, name, size_bytes)
        return cast("BinaryIO", io.BufferedReader(raw, _READ_BYTES))

    def list_files(self, folder: str = "") -> Iterator[Entry]:
        """The objects below a folder, as listed, with our own changes."""
        prefix = f"{folder}/" if folder else ""
        for name, entry in list(self._entries.items()):
            if name.startswith(prefix):
                yield Entry(
                    name=name,
                    size_bytes=entry.size_bytes,
                    changed_s=entry.changed_s,
                )

    def begin(self, watch: Watcher | None = None) -> NewFile:
        """A file that is held in memory, or sent in parts if it is large."""
        return Upload(self._room, stage=self._stage, watch=watch)

    def place(
        self, content: Pending, name: str, *, sha256: str, media_type: str
    ) -> None:
        """Put an object under its name in one request, or copy what was sent in parts.

        Nothing is sent if the bytes are there already.
        """
        if self.digest_of(name) != sha256:
            if isinstance(content, Path) and content.stat().st_size > _ONE_PUT_BYTES:
                content = self.stage_file(content, media_type)
            with self._unless_there(name, sha256):
                self._place(content, name, sha256, media_type)
        content.unlink(missing_ok=True)

    def write(self, content: bytes, name: str) -> None:
        """Put a sidecar into the bucket, then beside the ledger."""
        with self._unless_there(name, hashlib.sha256(content).hexdigest()):
            self._put(content, name, "", "application/json")
        write_in_place(content, self.home, name)

    def receive(self, source: Store, name: str) -> None:
        """Copy within the bucket, or send what another store has."""
        if isinstance(source, ObjectStore) and self.url.shares_bucket(source.url):
            self._receive_within(source, name)
            return
        digest = hashlib.sha256()
        size_bytes = source.size_of(name)
        with source.open(name) as file:
            head = file.read(HEAD_SIZE_BYTES)
            file.seek(0)
            media_type = media_type_of(head)
            content: Held | Staged
            if size_bytes <= MOST_HELD_BYTES and self._room.take(size_bytes):
                content = Held(file.read(size_bytes), self._room)
                digest.update(content.content)
            else:
                content = self._stage(_digested(file, digest), media_type)
        try:
            self.place(content, name, sha256=digest.hexdigest(), media_type=media_type)
        except BaseException:
            content.unlink(missing_ok=True)
            raise

    def _receive_within(self, source: "ObjectStore", name: str) -> None:
        there = source.refresh(name)
        if there is None:
            raise FileNotFoundError(source.describe(name))
        known = self._entries.get(name)
        if known is not None:  # replaced only as it was known
            sha256 = self.digest_of(name)
            if sha256 and sha256 == source.digest_of(name):
                return
            known = self._check_same(name, known)
        self._copy_key(
            source.url.key_of(name),
            name,
            there.media_type,
            sha256=there.sha256,
            overwrite=known is not None,
        )

    def copy(self, old: str, new: str) -> None:
        """Copy within the bucket, unless the new name is in use."""
        if not self.have_same_content(old, new):
            there = self.refresh(old)
            with self._unless_there(new, self.digest_of(old)):
                media_type = there.media_type if there else ""
                self._copy_key(self.url.key_of(old), new, media_type)
        if (self.home / old).is_file():
            write_in_place((self.home / old).read_bytes(), self.home, new)

    def remove(self, name: str) -> None:
        """Delete an object, and the sidecar beside the ledger."""
        if name in self._entries:
            with bucket_errors(self.url, "delete from", name):
                obstore().delete(self._client, name)
            self._entries.pop(name, None)
        (self.home / name).unlink(missing_ok=True)

    def remove_empty_folders(self, name: str) -> None:
        """Remove the folders at home that have become empty; a bucket has none."""
        remove_empty_folders(self.home, (self.home / name).parent)

    def hide(self, folder: str) -> None:
        """Do nothing: a bucket is under no version control of this kind."""

    def sync(self, names: Iterable[str]) -> None:
        """Do nothing: what a bucket has accepted is durable."""

    @contextlib.contextmanager
    def _unless_there(self, name: str, sha256: str) -> Iterator[None]:
        """Accept a name that is taken by the same bytes.

        They are those of another run, or our own: a request is repeated if its answer
        was lost.
        """
        try:
            yield
        except NameTaken:
            now = self._look_at(name)
            if now is None or self._read_digest(name, now) != sha256:
                raise
            self._entries[name] = now

    def _place(self, content: Pending, name: str, sha256: str, media_type: str) -> None:
        body = content.content if isinstance(content, Held) else content
        if isinstance(body, Staged):
            known = self._entries.get(name)
            if known is None or body.size_bytes > _ONE_PUT_BYTES:
                self._copy_staged(body, name, known, sha256, media_type)
                return
            # A copy has no condition on what it replaces.
            with body.open("rb") as file:
                body = file.read()
        self._put(body, name, sha256, media_type)

    def _copy_staged(
        self,
        staged: Staged,
        name: str,
        known: "_Entry | None",
        sha256: str,
        media_type: str,
    ) -> None:
        if known is not None:
            known = self._check_same(name, known)
        # Never deleted first: a kill leaves the old file or the new one.
        self._copy_key(
            self.url.key_of(staged.name),
            name,
            media_type,
            sha256=sha256,
            overwrite=known is not None,
        )

    def _check_same(self, name: str, known: "_Entry") -> "_Entry | None":
        """Look at an object that must be as it was known; None if it is gone."""
        now = self._look_at(name)
        if now is not None and not now.may_be(known):
            raise self._taken(name)
        return now

    def _put(self, body: Any, name: str, sha256: str, media_type: str) -> None:
        """One request, which creates the object or replaces exactly the known one."""
        entry = self._entries.get(name)
        if entry is not None and self.url.needs_versions and "version" not in entry.tag:
            entry = self._check_same(name, entry)  # the listing does not tell it
        attributes = {"Content-Type": media_type or "application/octet-stream"}
        if sha256:
            attributes[_DIGEST] = sha256
        size_bytes = body.stat().st_size if isinstance(body, Path) else len(body)
        exceptions = obstore().exceptions
        try:
            with bucket_errors(self.url, "write to", name):
                put = obstore().put(
                    self._client,
                    name,
                    body,
                    attributes=attributes,
                    mode="create" if entry is None else entry.tag,
                    use_multipart=False,
                )
        except (exceptions.AlreadyExistsError, exceptions.PreconditionError) as error:
            if entry is None or self._look_at(name) is not None:
                raise self._taken(name) from error
            self._entries.pop(name, None)  # it has been deleted since
            self._put(body, name, sha256, media_type)
            return
        self._entries[name] = _Entry({**put, "size": size_bytes}, sha256)

    def _copy_key(
        self,
        old_key: str,
        new: str,
        media_type: str,
        *,
        sha256: str = "",
        overwrite: bool = False,
    ) -> None:
        """Copy from anywhere in the bucket.

        Args:
            old_key: The name in the whole bucket.
            new: A name in this part of it.
            media_type: Of the content; "" if not known.
            sha256: Of the content; "" if not known.
            overwrite: Whether the new name may be in use.
        """
        try:
            with bucket_errors(self.url, "write to", new):
                copier = self._copier_of(media_type)
                target = self.url.key_of(new)
                obstore().copy(copier, old_key, target, overwrite=overwrite)
        except obstore().exceptions.AlreadyExistsError as error:
            raise self._taken(new) from error
        copied = self.refresh(new)
        if copied is not None and sha256:
            copied.sha256 = sha256

    def _copier_of(self, media_type: str) -> "Client":
        """A client of the whole bucket, whose copies have a media type.

        A conditional copy within S3 is a multipart upload, which does not take over
        the type of the old object.
        """
        if media_type not in self._copiers:
            kept = {"default_content_type": media_type} if media_type else {}
            whole = replace(self.url, prefix="")
            self._copiers[media_type] = _connect(whole, _PATIENT, **kept)
        return self._copiers[media_type]

    def refresh(self, name: str) -> "_Entry | None":
        """Look at one object now, and know it from now on."""
        entry = self._look_at(name)
        if entry is None:
            self._entries.pop(name, None)
        else:
            self._entries[name] = entry
        return entry

    def _look_at(self, name: str) -> "_Entry | None":
        try:
            with bucket_errors(self.url, "read from", name):
                got = obstore().get(self._client, name, options={"head": True})
        except FileNotFoundError:
            return None
        attributes = {str(key): str(value) for key, value in got.attributes.items()}
        entry = _Entry(dict(got.meta), attributes.get(_DIGEST, ""))
        entry.media_type = attributes.get("Content-Type", "")
        return entry

    def _stage(self, blocks: Iterator[bytes], media_type: str) -> Staged:
        """Send a file in parts, under a temporary name; an error leaves nothing.

        Args:
            blocks: Its bytes; what it raises, ends the upload without an object.
            media_type: Of its content.
        """
        name = f"{PARTIAL_FOLDER}/{secrets.token_hex(12)}"
        size_bytes = 0

        def counted() -> Iterator[bytes]:
            nonlocal size_bytes
            for block in blocks:
                size_bytes += len(block)
                yield block

        with bucket_errors(self.url, "write to", name):
            obstore().put(
                self._client,
                name,
                counted(),
                attributes={"Content-Type": media_type or "application/octet-stream"},
                chunk_size=_PART_BYTES,
            )
        return Staged(self, name, size_bytes)

    def stage_file(self, path: Path, media_type: str) -> Staged:
        """Send a local file under a temporary name, and delete it here.

        Raises:
            OutputError: It cannot be written.
        """

        def blocks() -> Iterator[bytes]:
            with path.open("rb") as file:
                while block := file.read(_PART_BYTES):
                    yield block

        staged = self._stage(blocks(), media_type)
        path.unlink(missing_ok=True)
        return staged

    def staged(self, name: str, size_bytes: int) -> Staged:
        """A whole file that another process has sent under a temporary name."""
        return Staged(self, name, size_bytes)

    def discard(self, name: str) -> None:
        """Delete a temporary object, if that is possible: see :meth:`_sweep`."""
        with contextlib.suppress(obstore().exceptions.BaseError, OSError):
            obstore().delete(self._client, name)

    def _taken(self, name: str) -> NameTaken:
        return NameTaken(
            f"another run has put another file at {self.describe(name)}",
            hint="run again: the asset is paid for and kept; give each of two manifests"
            " a store or a prefix of its own",
        )


class _Entry:
    """What is known of an object.

    Attributes:
        size_bytes: Its size.
        changed_s: When it was changed, in seconds since 1970; 0 if not known.
        tag: What identifies this version of it, for conditions.
        sha256: Of its bytes; "" if not known.
        media_type: The content type; "" if not known.
    """

    __slots__ = ("changed_s", "media_type", "sha256", "size_bytes", "tag")

    def __init__(self, meta: Any, sha256: str = "") -> None:
        self.size_bytes: int = meta["size"]
        changed = meta.get("last_modified")
        self.changed_s: float = changed.timestamp() if changed else 0.0
        found = {name: meta.get(name) for name in ("e_tag", "version")}
        self.tag: Any = {name: value for name, value in found.items() if value}
        if tag := self.tag.get("e_tag"):
            # Azure's listing has them without quotes.
            self.tag["e_tag"] = tag if tag.endswith('"') else f'"{tag}"'
        self.sha256 = sha256
        self.media_type = ""

    def may_be(self, other: "_Entry") -> bool:
        """Whether nothing that is known of both tells them apart."""
        both = self.tag.keys() & other.tag.keys()
        return all(self.tag[one] == other.tag[one] for one in both)


def _digested(file: BinaryIO, digest: "hashlib._Hash") -> Iterator[bytes]:
    while block := file.read(_PART_BYTES):
        digest.update(block)
        yield block


def _connect(url: BucketUrl, retry: dict[str, Any], **client_options: Any) -> "Client":
    with bucket_errors(url, "open"):
        return obstore().store.from_url(  # type: ignore[no-any-return]
            url.location,
            config=url.config,
            client_options={**url.client_options, **client_options},
            retry_config=retry,
        )
