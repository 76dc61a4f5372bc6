"""What a run and its workers tell each other, as msgpack. Pure.

A task holds a signed URL, which is a secret: no text form of it shows one. What may go
wrong is an outcome, not an exception: clusters log the arguments of calls that raise.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Any

import msgspec

from pipeline.api.interface import UrlExpired
from pipeline.assets.embedding import Making, Reference
from pipeline.assets.receipt import FileFacts, Receipt
from pipeline.assets.treatment import Treatment
from pipeline.errors import DownloadFailed, Unavailable
from pipeline.job import AssetId
from pipeline.record import Struct, asdict
from pipeline.save_spec import Saving
from pipeline.storage.store import Pending
from pipeline.version import __version__


class Setup(Struct, frozen=True, kw_only=True):
    """What a worker has to know of the run.

    Attributes:
        loopback: Whether the service, and so its CDN, may be on this machine.
        connect_timeout_s: As of ``Settings``.
        read_timeout_s: As of ``Settings``.
        decoders: How many pictures it may have decoded at a time; 0 for one for each of
            its processors.
    """

    loopback: bool
    connect_timeout_s: float
    read_timeout_s: float
    decoders: int = 0


class Place(Struct, frozen=True, kw_only=True):
    """Where a file goes, without a name yet.

    Attributes:
        folder: The absolute path of a folder; "" for a bucket.
        marker: The name of a file in its ``.partial``, which whoever sees the folder
            finds there.
        url: The bucket; "" for a folder.
    """

    folder: str = ""
    marker: str = ""
    url: str = ""


class Task(Struct, frozen=True, kw_only=True, tag=True):
    """One attempt to fetch an asset; see ``FetchSpec``.

    Attributes:
        treatment: A ``Treatment`` or None; once sent, see :func:`treatment_of`.
    """

    asset_id: AssetId
    url: str
    place: Place
    size_bytes: int | None
    kind: str
    media_type: str
    draws: bool
    treatment: Any = None

    def __repr__(self) -> str:  # a signed URL is a credential
        return f"Task({self.asset_id!r})"


class Check(Struct, frozen=True, kw_only=True, tag=True):
    """The question whether a worker can put files into a place.

    Attributes:
        place: The place; None to learn only which version the worker has.
    """

    place: Place | None = None


class Outcome(StrEnum):
    """How a task ended."""

    DONE = "done"
    EXPIRED = "expired"  # a fresh URL may work
    UNAVAILABLE = "unavailable"  # another attempt may work
    FAILED = "failed"
    UNWRITABLE = "unwritable"  # this worker cannot write to the place
    UNFIT = "unfit"  # this worker cannot carry it out
    BUG = "bug"


class SentReceipt(FileFacts, frozen=True, kw_only=True):
    """A receipt as it is sent: with the temporary name of the file, not the file."""

    name: str
    original: "SentReceipt | None" = None


class Reply(Struct, frozen=True, kw_only=True):
    """What a worker says of a task.

    Attributes:
        outcome: How it ended.
        message: Why, if not DONE; for BUG a traceback.
        hint: What the user can do, or "".
        receipt: Of a DONE ``Task``.
        version: Of the worker.
    """

    outcome: Outcome
    message: str = ""
    hint: str = ""
    receipt: SentReceipt | None = None
    version: str = __version__


class WorkerBug(RuntimeError):
    """A worker has raised what it should not; the text is its traceback."""


def encode(message: Task | Check | Reply | Setup) -> bytes:
    """The bytes of a message."""
    return msgspec.msgpack.encode(message)


def decode_task(content: bytes) -> Task | Check:
    """Read a task, or a check."""
    return msgspec.msgpack.decode(content, type=Task | Check)


def decode_setup(content: bytes) -> Setup:
    """Read the setup of a worker."""
    return msgspec.msgpack.decode(content, type=Setup)


def decode_reply(content: bytes) -> Reply:
    """Read a reply."""
    return msgspec.msgpack.decode(content, type=Reply)


def treatment_of(task: Task) -> Treatment | None:
    """What a task that has been sent says about the treatment; None for nothing.

    Its request is any JSON, for which msgspec has no type: it is kept as it comes.
    """
    if task.treatment is None:
        return None
    sent: dict[str, Any] = task.treatment
    making: dict[str, Any] = sent["making"]
    references = msgspec.convert(making["references"], tuple[Reference, ...])
    return Treatment(
        saving=msgspec.convert(sent["saving"], Saving),
        making=Making(**{**making, "references": references}),
        compares=sent["compares"],
    )


def sent_of(receipt: Receipt, name_of: Callable[[Receipt], str]) -> SentReceipt:
    """A receipt in the form that is sent.

    Args:
        receipt: The receipt.
        name_of: Gives the temporary name of a receipt's file.
    """
    values = asdict(receipt)
    del values["partial"]
    if receipt.original is not None:
        values["original"] = sent_of(receipt.original, name_of)
    return SentReceipt(name=name_of(receipt), **values)


def received(sent: SentReceipt, find: Callable[[SentReceipt], Pending]) -> Receipt:
    """A receipt as it was before it was sent.

    Args:
        sent: As sent.
        find: Gives the file of a temporary name.
    """
    values = asdict(sent)
    del values["name"]
    if sent.original is not None:
        values["original"] = received(sent.original, find)
    return Receipt(partial=find(sent), **values)


def raise_for(reply: Reply) -> None:
    """Raise what a reply says of the asset, if it is not done.

    Raises:
        UrlExpired, Unavailable, DownloadFailed: As in this process.
        WorkerBug: The worker has found a bug.
    """
    if reply.outcome is Outcome.BUG:
        raise WorkerBug(reply.message)
    errors = {
        Outcome.EXPIRED: UrlExpired,
        Outcome.UNAVAILABLE: Unavailable,
        Outcome.FAILED: DownloadFailed,
    }
    if reply.outcome in errors:
        raise errors[reply.outcome](reply.message, hint=reply.hint)
