"""Process pool: workers that are processes on this machine.

Each is sent a few tasks at a time over a pipe. One that ends too early is started
again; one that keeps ending without having done anything is given up.
"""

import os
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

import anyio

from pipeline.errors import UsageError
from pipeline.executors.child import Child
from pipeline.executors.environment import command_of
from pipeline.executors.frames import Frame, pack, receive_frame
from pipeline.executors.messages import Setup, encode
from pipeline.executors.workers import WorkerLost, WorkersGone
from pipeline.record import replace

TASKS_AT_ONCE = 4  # on each worker: one is decoded while others arrive
_MOST_FUTILE = 3  # processes in a row that end without having done anything
_START_S = 60.0  # for a process to be ready
_MODULE = "pipeline.executors.worker"


class ProcessPool:
    """Workers that are processes on this machine; an async context manager.

    Args:
        count: How many.
        setup: What they have to know.
        command: Starts one.
    """

    def __init__(
        self, count: int, setup: Setup, *, command: Sequence[str] = ()
    ) -> None:
        self._count = count
        # All of them together: one for each processor.
        decoders = max(1, (os.cpu_count() or 1) // count)
        self._setup = encode(replace(setup, decoders=decoders))
        self._command = command or command_of(_MODULE)
        self._waiting: deque[_Call] = deque()
        self._workers: list[_Worker] = []
        self._changed = anyio.Event()
        self._left = count  # workers that are not given up
        self._tasks = anyio.create_task_group()
        self._last_words = ""  # of the worker that ended last

    async def __aenter__(self) -> Self:
        """Start the workers.

        Raises:
            UsageError: None of them can be started.
        """
        await self._tasks.__aenter__()
        try:
            for _ in range(self._count):
                self._tasks.start_soon(self._keep)
            while len(self._workers) < self._left:
                await self._changed.wait()
            self._check_started()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._close()

    @property
    def pids(self) -> list[int]:
        """The process ids of the workers that are ready."""
        return [worker.pid for worker in self._workers]

    async def run(self, task: bytes, on_start: Callable[[], None]) -> bytes:
        """See :class:`pipeline.executors.workers.Workers`."""
        call = _Call(task, on_start)
        self._waiting.append(call)
        self._hand_out()
        try:
            return await call.wait()
        except BaseException:
            if call in self._waiting:
                self._waiting.remove(call)
            raise

    async def run_everywhere(self, task: bytes) -> Sequence[bytes]:
        """See :class:`pipeline.executors.workers.Workers`."""
        calls = [_Call(task) for _ in self._workers]
        for worker, call in zip(self._workers, calls, strict=True):
            worker.take(call)
        if not calls:
            raise self._gone()
        return [await call.wait() for call in calls]

    def _hand_out(self) -> None:
        """Pass waiting tasks on to workers with room, and to none if there is none."""
        while self._waiting and not self._left:
            self._waiting.popleft().finish(self._gone())
        while self._waiting and self._workers:
            worker = min(self._workers, key=_Worker.count_tasks)
            if worker.count_tasks() >= TASKS_AT_ONCE:
                return
            worker.take(self._waiting.popleft())

    async def _keep(self) -> None:
        """Keep one worker running."""
        futile = 0
        while futile < _MOST_FUTILE:
            worker = _Worker()
            try:
                if await worker.start(self._command, self._setup):
                    self._workers.append(worker)
                    self._tell_changed()
                    await worker.listen(self._hand_out)
            finally:
                if worker in self._workers:
                    self._workers.remove(worker)
                with anyio.CancelScope(shield=True):
                    self._last_words = await worker.end()
            futile = 0 if worker.was_useful else futile + 1
        self._left -= 1
        self._tell_changed()

    def _check_started(self) -> None:
        if not self._left:
            raise UsageError(
                f"no process of --executor could be started: {self._last_words}",
                hint="leave --executor out",
            )

    def _tell_changed(self) -> None:
        self._hand_out()
        self._changed.set()
        self._changed = anyio.Event()

    async def _close(self) -> None:
        self._tasks.cancel_scope.cancel()
        await self._tasks.__aexit__(None, None, None)

    def _gone(self) -> WorkersGone:
        return WorkersGone(
            f"the processes of --executor keep ending ({self._last_words})"
        )


class _Call:
    """A task that somebody waits for."""

    def __init__(
        self, task: bytes, on_start: Callable[[], None] = lambda: None
    ) -> None:
        self.task = task
        self.on_start = on_start
        self.give_up: Callable[[], None] = lambda: None
        self._result: bytes | Exception | None = None
        self._done = anyio.Event()

    async def wait(self) -> bytes:
        """The reply; a caller that is cancelled gives the task up.

        Raises:
            WorkerLost, WorkersGone: There is none.
        """
        try:
            await self._done.wait()
        except BaseException:
            self.give_up()
            raise
        assert self._result is not None
        if isinstance(self._result, Exception):
            raise self._result
        return self._result

    def finish(self, result: bytes | Exception) -> None:
        """End with a reply, or without one."""
        self._result = result
        self._done.set()


class _Worker:
    """One process."""

    def __init__(self) -> None:
        self._child = Child()
        self._calls: dict[int, _Call] = {}
        self._last = 0
        self.was_useful = False

    @property
    def pid(self) -> int:
        return self._child.pid

    def count_tasks(self) -> int:
        """How many tasks it has, with those that nobody waits for any more."""
        return len(self._calls)

    async def start(self, command: Sequence[str], setup: bytes) -> bool:
        """Start the process, and wait until it is ready; whether it is."""
        try:
            await self._child.start(command)
        except OSError:
            return False
        self._child.send(pack(Frame(number=0, body=setup)))
        with anyio.move_on_after(_START_S):
            return await receive_frame(self._child.stdout) is not None
        return False

    def take(self, call: _Call) -> None:
        """Send a task to the process."""
        self._last += 1
        number = self._last
        self._calls[number] = call
        call.give_up = lambda: self._give_up(number)
        call.on_start()
        self._child.send(pack(Frame(number=number, body=call.task)))

    async def listen(self, on_reply: Callable[[], None]) -> None:
        """Take replies until the process ends.

        Args:
            on_reply: Called after each: there is room for another task.
        """
        while (frame := await receive_frame(self._child.stdout)) is not None:
            self.was_useful = True
            call = self._calls.pop(frame.number, None)
            if call is not None:  # a reply that comes a second time finds nobody
                call.finish(frame.body)
            on_reply()

    async def end(self) -> str:
        """End the process, if it has not ended; what it was doing is lost.

        Returns:
            The last line of its stderr.
        """
        for call in self._calls.values():
            call.finish(WorkerLost())
        self._calls.clear()
        said = self._child.last_words()
        await self._child.end()
        return said

    def _give_up(self, number: int) -> None:
        if number in self._calls:
            self._child.send(pack(Frame(number=number)))
