"""Elsewhere: the executor whose assets are fetched by workers.

A task may run twice: each run writes a file of its own, and what is not used is removed
with the other unfinished files when the run ends. A lost worker costs its tasks again.
An asset on which three workers were lost is fetched in this process, and so is
everything once there are no workers any more.
"""

import secrets
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import anyio.to_thread

from pipeline.assets.fetching import FetchSpec
from pipeline.assets.least_rate import LeastRate
from pipeline.assets.receipt import Receipt
from pipeline.errors import UsageError
from pipeline.executors.messages import (
    Check,
    Outcome,
    Place,
    Reply,
    SentReceipt,
    Task,
    decode_reply,
    encode,
    raise_for,
    received,
)
from pipeline.executors.workers import WorkerLost, Workers, WorkersGone
from pipeline.storage.atomic_file import PARTIAL_FOLDER, write_in_place
from pipeline.storage.object_store import ObjectStore
from pipeline.storage.store import Pending, Store
from pipeline.version import __version__

MOST_LOSSES = 3  # of workers, on one asset
_HERE = "the remaining files are fetched in this process"

_R = TypeVar("_R", Receipt, SentReceipt)


class Elsewhere:
    """Has workers fetch assets; see :class:`pipeline.assets.executor.Executor`.

    Args:
        workers: They carry tasks out.
        warn: Called with what the user should know.
    """

    def __init__(self, workers: Workers, *, warn: Callable[[str], None]) -> None:
        self._workers = workers
        self._warn = warn
        self._places: dict[str, Place] = {}
        self._is_gone = False
        self._told: set[str] = set()

    async def check(self, stores: Iterable[Store]) -> None:
        """Check, before anything is paid for, that every worker can do its work.

        Args:
            stores: Where the files are going.

        Raises:
            UsageError: One cannot; the hint says what to change.
            OutputError: A folder is not writable.
        """
        await self._check(Check())
        for store in stores:
            await self._check(Check(place=await self._place_of(store)))

    async def fetch(self, spec: FetchSpec, least_rate: LeastRate) -> Receipt | None:
        """See :class:`pipeline.assets.executor.Executor`."""
        losses = 0
        place = await self._place_of(spec.store)
        task = encode(_task_of(spec, place))
        while losses < MOST_LOSSES and not self._is_gone:
            try:
                content = await self._workers.run(task, least_rate.hand_over)
            except WorkerLost as error:
                losses += error.times
                continue
            except WorkersGone as error:
                self._leave(str(error))
                break
            reply = decode_reply(content)
            if reply.outcome in {Outcome.UNFIT, Outcome.UNWRITABLE}:
                # If nobody can write there, it shows in this process.
                self._tell_once(f"a worker is passed over: {reply.message}")
                losses += 1
                continue
            raise_for(reply)
            receipt = await anyio.to_thread.run_sync(_receive, reply, spec.store)
            if receipt is not None:
                return receipt
            losses += 1
        return None

    async def _check(self, check: Check) -> None:
        try:
            replies = await self._workers.run_everywhere(encode(check))
        except (WorkerLost, WorkersGone) as error:
            raise UsageError(
                f"the workers of --executor cannot be used: {error}",
                hint="run again, or leave --executor out",
            ) from error
        for reply in map(decode_reply, replies):
            if reply.version != __version__:
                raise UsageError(
                    f"a worker has scenario-pipeline {reply.version}, not"
                    f" {__version__}",
                    hint=f"install scenario-pipeline=={__version__} on the scheduler"
                    " and on every worker",
                )
            if reply.outcome is Outcome.BUG:
                raise_for(reply)
            if reply.outcome is not Outcome.DONE:
                raise UsageError(
                    f"a worker cannot be used: {reply.message}",
                    hint=reply.hint
                    or "let every worker see the output folder under the same path, or"
                    " put the files into a bucket: --store",
                )

    async def _place_of(self, store: Store) -> Place:
        """Where a store is, in words that a worker understands."""
        key = store.describe() if store.is_remote else str(store.workspace)
        place = self._places.get(key)
        if place is None:
            if store.is_remote:
                place = Place(url=key)
            else:
                folder = store.workspace.absolute()
                marker = f"marker-{secrets.token_hex(12)}"
                name = f"{PARTIAL_FOLDER}/{marker}"
                await anyio.to_thread.run_sync(write_in_place, b"", folder, name)
                place = Place(folder=str(folder), marker=marker)
            self._places[key] = place
        return place

    def _leave(self, why: str) -> None:
        if not self._is_gone:
            self._is_gone = True
            self._warn(f"{why}: {_HERE}")

    def _tell_once(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._warn(text)


def _task_of(spec: FetchSpec, place: Place) -> Task:
    return Task(
        asset_id=spec.asset_id,
        url=spec.url,
        place=place,
        size_bytes=spec.size_bytes,
        kind=spec.kind,
        media_type=spec.media_type,
        draws=spec.draws and not place.url,  # a worker sees no folder beside a bucket
        treatment=spec.treatment,
    )


def _receive(reply: Reply, store: Store) -> Receipt | None:
    """The receipt of a reply; None if its files are not where they should be."""
    sent = reply.receipt
    if sent is None or not all(map(_has_plain_name, _with_original(sent))):
        return None

    def find(one: SentReceipt) -> Pending:
        if isinstance(store, ObjectStore):
            return store.staged(f"{PARTIAL_FOLDER}/{one.name}", one.size_bytes)
        return store.workspace / PARTIAL_FOLDER / one.name

    receipt = received(sent, find)
    for one in _with_original(receipt):
        if isinstance(one.partial, Path):
            try:
                if one.partial.lstat().st_size != one.size_bytes:
                    return None
            except OSError:
                return None
    return receipt


def _with_original(receipt: _R) -> Sequence[_R]:
    return [receipt] if receipt.original is None else [receipt, receipt.original]


def _has_plain_name(sent: SentReceipt) -> bool:
    return bool(sent.name) and not set(sent.name) & set("/\\") and sent.name != ".."
