"""LedgerWriter: *group commit* for the writes of many tasks, on one thread.

With ``synchronous=FULL``, a commit costs one fsync, whatever its size. All writes that
are ready share one commit, which made twenty times as many rows per second as one
commit per write. A write that has begun is completed even if its task is cancelled, so
that no payment goes unrecorded. A write on which no payment depends may wait a moment
for the next commit.
"""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Any, Generic, ParamSpec, Self, TypeVar

import anyio

from pipeline.errors import LedgerError, RunError
from pipeline.ledger.ledger import Ledger
from pipeline.storage.batching import outcome_of, settle

P = ParamSpec("P")
T = TypeVar("T")

LINGER_S = 0.03  # how long a patient write waits for an urgent one
_GROUP_SIZE = 1000  # writes in one commit; bounds how long the first one waits


class LedgerWriter:
    """Group commit: the only way to write during a run is ``await writer.write(...)``.

    Args:
        ledger: The ledger, open for writing.
        linger_s: How long :meth:`write_patiently` waits for other writes, in seconds.

    Attributes:
        ledger: As given. Pass its ``record_*`` methods to :meth:`write`; do not call
            them directly while the writer is open.
    """

    def __init__(self, ledger: Ledger, *, linger_s: float = LINGER_S) -> None:
        self.ledger = ledger
        self._linger_s = linger_s
        self._patient: list[_Write[Any]] = []
        self._patience: asyncio.TimerHandle | None = None
        self._queue: queue.SimpleQueue[_Write[Any] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(
            target=self._work, name="ledger-writer", daemon=True
        )
        self._broken: RunError | None = None

    async def __aenter__(self) -> Self:
        self._thread.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end_patience()
        self._queue.put(None)
        with anyio.CancelScope(shield=True):
            await asyncio.to_thread(self._thread.join)

    async def write(
        self, record: Callable[P, T], *arguments: P.args, **named: P.kwargs
    ) -> T:
        """Run ``record(*arguments)``, a method of the ledger, and wait for its commit.

        Returns:
            The result of ``record``, once it is durable.

        Raises:
            OutputError: The disk is full or fails; every later write raises too.
            LedgerError: The ledger is damaged or locked.
        """
        write = _Write(partial(record, *arguments, **named))
        self._end_patience()  # keeps writes in the order of their calls
        self._queue.put(write)
        return await write.wait()

    async def write_patiently(
        self, record: Callable[P, T], *arguments: P.args, **named: P.kwargs
    ) -> T:
        """As :meth:`write`, but wait ``linger_s`` for a commit to share."""
        write = _Write(partial(record, *arguments, **named))
        self._patient.append(write)
        if self._patience is None:
            self._patience = write.loop.call_later(self._linger_s, self._end_patience)
        return await write.wait()

    def _end_patience(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        for write in self._patient:
            self._queue.put(write)
        self._patient.clear()

    def _work(self) -> None:
        while (first := self._queue.get()) is not None:
            group = [first]
            last = False
            while len(group) < _GROUP_SIZE and not last:
                try:
                    following = self._queue.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    last = True
                else:
                    group.append(following)
            self._commit(group)
            if last:
                return

    def _commit(self, group: list["_Write[Any]"]) -> None:
        if self._broken is None:
            try:
                self.ledger.begin()
                for write in group:
                    write.carry_out()
                self.ledger.commit()
            except Exception as error:  # noqa: BLE001 - else the tasks wait forever
                self._broken = _run_error(error)
                with contextlib.suppress(Exception):
                    self.ledger.roll_back()
        if self._broken is not None:
            for write in group:
                write.outcome = self._broken
        _deliver(group)


def _deliver(group: list["_Write[Any]"]) -> None:
    """Wake the event loop once for the whole group: a wake-up costs as much as a write.

    If the loop is closed, nobody waits for the outcome any more.
    """

    def deliver() -> None:
        for write in group:
            settle(write.done, write.outcome)

    with contextlib.suppress(RuntimeError):
        group[0].loop.call_soon_threadsafe(deliver)


def _run_error(error: Exception) -> RunError:
    if isinstance(error, RunError):
        return error
    broken = LedgerError(f"the ledger cannot be written: {error}")
    broken.__cause__ = error
    return broken


class _Write(Generic[T]):
    __slots__ = ("_record", "done", "loop", "outcome")

    def __init__(self, record: Callable[[], T]) -> None:
        self._record = record
        self.outcome: object = None
        self.loop = asyncio.get_running_loop()
        self.done: asyncio.Future[T] = self.loop.create_future()

    async def wait(self) -> T:
        """Wait for the durable outcome, even if the task is cancelled meanwhile."""
        with anyio.CancelScope(shield=True):
            result: T = await self.done
        return result

    def carry_out(self) -> None:
        """Execute the write; an error of this write alone goes to its own task.

        Raises:
            RunError: The storage failed; nothing in the group becomes durable.
        """
        self.outcome = outcome_of(self._record)
        if isinstance(self.outcome, RunError):
            raise self.outcome
