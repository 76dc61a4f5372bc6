"""Fetcher: a task → a reply, on a worker.

It never raises: whatever goes wrong is an outcome. It knows no credential of Scenario.
What a bucket needs is in its own environment.
"""

import os
import tempfile
import traceback
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio
import anyio.to_thread

from pipeline.api.interface import FileTransfer, UrlExpired
from pipeline.assets.drawn import draw_ahead
from pipeline.assets.fetching import FetchSpec, fetch
from pipeline.assets.least_rate import LeastRate, watched
from pipeline.assets.receipt import Receipt
from pipeline.clock import Clock, SystemClock
from pipeline.errors import (
    DownloadFailed,
    OutputError,
    PipelineError,
    Unavailable,
    UsageError,
)
from pipeline.executors.messages import (
    Check,
    Outcome,
    Place,
    Reply,
    SentReceipt,
    Setup,
    Task,
    decode_task,
    encode,
    sent_of,
    treatment_of,
)
from pipeline.redaction import SECRETS
from pipeline.settings import Settings
from pipeline.storage.atomic_file import PARTIAL_FOLDER, try_writing
from pipeline.storage.batching import Batcher
from pipeline.storage.bucket_url import parse_bucket_url
from pipeline.storage.folder import Folder
from pipeline.storage.object_store import ObjectStore
from pipeline.storage.store import Store, WriteCall
from pipeline.storage.upload import Staged

_OUTCOMES: dict[type[PipelineError], Outcome] = {
    UrlExpired: Outcome.EXPIRED,
    Unavailable: Outcome.UNAVAILABLE,
    DownloadFailed: Outcome.FAILED,
    OutputError: Outcome.UNWRITABLE,
    UsageError: Outcome.UNFIT,
}


class Fetcher:
    """Carries out tasks; an async context manager.

    Args:
        transfer: Reads signed URLs.
        clock: The clock to use.
        decoders: As of ``Setup``.
    """

    def __init__(
        self, transfer: FileTransfer, clock: Clock, *, decoders: int = 0
    ) -> None:
        self._transfer = transfer
        self._clock = clock
        self._stack = AsyncExitStack()
        self._decoders = anyio.CapacityLimiter(decoders or os.cpu_count() or 1)
        self._batcher: Batcher[WriteCall, None] = Batcher(lambda write: write())
        self._buckets: dict[str, ObjectStore] = {}
        self._workspace: Path | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def perform(self, content: bytes) -> bytes:
        """Carry out a task, or answer a check.

        Args:
            content: The encoded message.

        Returns:
            The encoded reply.
        """
        try:
            reply = await self._answer(decode_task(content))
        except tuple(_OUTCOMES) as error:
            kind = next(kind for kind in _OUTCOMES if isinstance(error, kind))
            reply = Reply(
                outcome=_OUTCOMES[kind], message=error.message, hint=error.hint
            )
        except Exception:  # noqa: BLE001 - raised where the run is
            text = SECRETS.clean(traceback.format_exc())
            reply = Reply(outcome=Outcome.BUG, message=text)
        return encode(reply)

    async def _answer(self, message: Task | Check) -> Reply:
        if isinstance(message, Task):
            return Reply(outcome=Outcome.DONE, receipt=await self._fetch(message))
        if message.place is not None:
            store = await self._open(message.place)
            await anyio.to_thread.run_sync(_try_writing, store)
        return Reply(outcome=Outcome.DONE)

    async def _fetch(self, task: Task) -> SentReceipt:
        store = await self._open(task.place)
        spec = FetchSpec(
            asset_id=task.asset_id,
            url=task.url,
            store=store,
            size_bytes=task.size_bytes,
            kind=task.kind,
            media_type=task.media_type,
            treatment=treatment_of(task),
        )
        least_rate = LeastRate(self._clock)
        receipt = await watched(
            partial(
                fetch,
                spec,
                self._transfer,
                self._decoders,
                self._batcher,
                least_rate=least_rate,
            ),
            least_rate.find_error,
            self._clock,
        )
        if task.draws:
            async with self._decoders:
                await anyio.to_thread.run_sync(draw_ahead, receipt, store.workspace)
        if isinstance(store, ObjectStore):
            return await anyio.to_thread.run_sync(_send, receipt, store)
        return sent_of(receipt, _name_of)

    async def _open(self, place: Place) -> Store:
        if not place.url:
            folder = Path(place.folder)
            marker = folder / PARTIAL_FOLDER / place.marker
            if not await anyio.to_thread.run_sync(marker.is_file):
                raise UsageError(f"it does not see the folder {folder}")
            return Folder(folder)
        if place.url not in self._buckets:
            if self._workspace is None:  # for files that are treated
                made = tempfile.TemporaryDirectory(
                    prefix="pipeline-", ignore_cleanup_errors=True
                )
                self._workspace = Path(self._stack.enter_context(made))
            url = parse_bucket_url(place.url, os.environ)
            # What is held in memory cannot leave this process.
            self._buckets[place.url] = ObjectStore(url, self._workspace, held_bytes=0)
        return self._buckets[place.url]


@asynccontextmanager
async def open_fetcher(setup: Setup) -> AsyncIterator[Fetcher]:
    """The fetcher of a worker, with connections of its own."""
    from pipeline.api.cdn import HttpTransfer  # noqa: PLC0415 - aiohttp, 250 ms

    async with (
        HttpTransfer(settings_of(setup), loopback=setup.loopback) as transfer,
        Fetcher(transfer, SystemClock(), decoders=setup.decoders) as fetcher,
    ):
        yield fetcher


def settings_of(setup: Setup) -> Settings:
    """The timeouts of the run."""
    return Settings(
        connect_timeout_s=setup.connect_timeout_s, read_timeout_s=setup.read_timeout_s
    )


def _try_writing(store: Store) -> None:
    if isinstance(store, ObjectStore):
        store.check_writable()
    else:
        try_writing(store.workspace)


def _send(receipt: Receipt, store: ObjectStore) -> SentReceipt:
    """Send what was treated here; everything else is in the bucket already."""

    def name_of(one: Receipt) -> str:
        if isinstance(one.partial, Path):
            return _name_of(one, store.stage_file(one.partial, one.media_type))
        return _name_of(one)

    return sent_of(receipt, name_of)


def _name_of(receipt: Receipt, staged: Staged | None = None) -> str:
    """The temporary name of a file, without its folder."""
    file = staged or receipt.partial
    assert isinstance(file, Path | Staged)
    return file.name.rpartition("/")[2]
