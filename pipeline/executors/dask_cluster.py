"""Dask cluster: workers on any machines, or on this one.

Each asset is a task under a random key. If its worker is lost, Dask itself has another
one carry it out, until it gives up. If the connection to the scheduler is lost, the
cluster is not used any more.
"""

import logging
import secrets
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from types import ModuleType, TracebackType
from typing import Any, Self

import anyio

from pipeline.errors import UsageError
from pipeline.executors.child import Child
from pipeline.executors.choice import Choice
from pipeline.executors.dask_worker import Sealed, find_version, leave, perform
from pipeline.executors.environment import command_of
from pipeline.executors.messages import Setup
from pipeline.executors.workers import WorkerLost, WorkersGone
from pipeline.version import __version__

CONNECT_S = 10.0
KILLED = 3  # workers that Dask gives a task by default; see allowed-failures
_AHEAD = 2  # tasks for each worker that wait there for a thread
_LOOK_S = 2.0  # between two looks at how many workers there are
_ALONE_S = 30.0  # without any worker
_CLOSE_S = 2.0
_START_S = 60.0  # for a local cluster
_MODULE = "pipeline.executors.local_cluster"
_INSTALL = f"pip install 'scenario-pipeline[dask]=={__version__}'"


@asynccontextmanager
async def open_cluster(choice: Choice, setup: Setup) -> AsyncIterator["DaskCluster"]:
    """Connect to a cluster, or start one.

    Raises:
        UsageError: It cannot be used; the hint says what to change.
    """
    async with AsyncExitStack() as stack:
        address = choice.scheduler
        if choice.is_local:
            _distributed()
            address = await stack.enter_async_context(_local_cluster())
        yield await stack.enter_async_context(DaskCluster(address, setup))


class DaskCluster:
    """The workers of a Dask cluster; an async context manager.

    Args:
        address: Of its scheduler.
        setup: What the workers have to know.
    """

    def __init__(self, address: str, setup: Setup) -> None:
        self._address = address
        self._setup = setup
        self._run = secrets.token_hex(8)
        self._limit = anyio.CapacityLimiter(1)
        self._scopes: set[anyio.CancelScope] = set()
        self._gone = ""
        self._tasks = anyio.create_task_group()
        self._client: Any = None

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            UsageError: The scheduler cannot be reached, has another version, or has no
                workers.
        """
        distributed = _distributed()
        try:
            self._client = await distributed.Client(
                self._address,
                asynchronous=True,
                set_as_default=False,
                timeout=CONNECT_S,
                name="scenario-pipeline",
            )
        except Exception as error:
            raise self._unreachable(error) from error
        try:
            await self._check_scheduler()
            await self._check_workers()
        except BaseException:
            await self._close()
            raise
        await self._tasks.__aenter__()
        self._tasks.start_soon(self._watch)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._tasks.cancel_scope.cancel()
        await self._tasks.__aexit__(None, None, None)
        await self._close()

    async def run(self, task: bytes, on_start: Callable[[], None]) -> bytes:
        """See :class:`pipeline.executors.workers.Workers`."""
        with anyio.CancelScope() as scope:
            self._scopes.add(scope)
            try:
                async with self._limit:
                    if not self._gone:
                        on_start()
                        return await self._carry_out(task)
            finally:
                self._scopes.discard(scope)
        raise WorkersGone(self._gone)

    async def run_everywhere(self, task: bytes) -> Sequence[bytes]:
        """See :class:`pipeline.executors.workers.Workers`.

        Raises:
            UsageError: A worker has not the package.
        """
        found = await self._client.run(
            perform, self._run, self._setup, Sealed(task), on_error="return"
        )
        if not found:
            raise WorkersGone("the Dask cluster has no workers")
        for result in found.values():
            if not isinstance(result, Sealed):
                raise UsageError(
                    f"a worker of the cluster cannot be used: {_first_line(result)}",
                    hint=f"on every worker: {_INSTALL}",
                )
        return [result.content for result in found.values()]

    async def _carry_out(self, task: bytes) -> bytes:
        distributed = _distributed()
        future = None
        try:
            future = self._client.submit(
                perform,
                self._run,
                self._setup,
                Sealed(task),
                key=f"fetch-{secrets.token_hex(12)}",
                pure=False,
            )
            result = await future
        except distributed.KilledWorker:
            raise WorkerLost(KILLED) from None
        except Exception:  # noqa: BLE001 - it may name the call, and is not passed on
            if self._client.status != "running":
                self._leave("the connection to the Dask cluster broke")
                raise WorkersGone(self._gone) from None
            raise WorkerLost from None
        finally:
            if future is not None:
                future.release()
        content: bytes = result.content
        return content

    async def _watch(self) -> None:
        """Follow how many workers there are, and whether the cluster is there."""
        alone_s = 0.0
        while not self._gone:
            await anyio.sleep(_LOOK_S)
            try:
                with anyio.fail_after(_ALONE_S):
                    alone_s = 0.0 if await self._look() else alone_s + _LOOK_S
            except Exception:  # noqa: BLE001 - whatever it is: no answer
                self._leave("the Dask cluster does not answer any more")
            if alone_s >= _ALONE_S:
                self._leave("the Dask cluster has no workers any more")

    async def _look(self) -> int:
        threads = await self._client.nthreads()
        most = sum(threads.values()) + _AHEAD * len(threads)
        self._limit.total_tokens = max(1, most)
        return len(threads)

    def _leave(self, why: str) -> None:
        self._gone = self._gone or why
        for scope in self._scopes:
            scope.cancel()

    async def _check_scheduler(self) -> None:
        try:
            version = await self._client.run_on_scheduler(find_version)
        except Exception as error:
            raise UsageError(
                f"the Dask scheduler cannot be used: {_first_line(error)}",
                hint=f"on the scheduler and every worker: {_INSTALL}",
            ) from error
        if version != __version__:
            raise UsageError(
                f"the Dask scheduler has scenario-pipeline {version}, not"
                f" {__version__}",
                hint=f"on the scheduler and every worker: {_INSTALL}",
            )

    async def _check_workers(self) -> None:
        if not await self._look():
            raise UsageError(
                f"the Dask cluster at {self._address} has no workers",
                hint=f"start one: dask worker {self._address}",
            )

    def _unreachable(self, error: Exception) -> UsageError:
        wrong = f"cannot be reached as a Dask scheduler: {_first_line(error)}"
        if not isinstance(error, OSError):  # its first bytes made no sense
            wrong = "is no Dask scheduler: something else answers there"
        return UsageError(
            f"{self._address} {wrong}",
            hint="check the address, and that it runs: dask scheduler; or leave"
            " --executor out",
        )

    async def _close(self) -> None:
        with anyio.CancelScope(shield=True), anyio.move_on_after(_CLOSE_S):
            with suppress(Exception):
                if not self._gone:
                    await self._client.run(leave, self._run, on_error="ignore")
            with suppress(Exception):
                await self._client.close(timeout=_CLOSE_S)


@asynccontextmanager
async def _local_cluster() -> AsyncIterator[str]:
    """Start a cluster on this machine; the address of its scheduler.

    Raises:
        UsageError: It did not start.
    """
    child = Child()
    try:
        await child.start(command_of(_MODULE))
        address = ""
        with anyio.move_on_after(_START_S):
            address = (await child.stdout.readline()).decode().strip()
        if not address:
            raise UsageError(
                f"no Dask cluster could be started here: {child.last_words()}",
                hint="leave --executor out, or try --executor processes",
            )
        yield address
    finally:
        with anyio.CancelScope(shield=True):
            await child.end()


def _distributed() -> ModuleType:
    """The library, which is an extra.

    Raises:
        UsageError: It is not installed.
    """
    is_first = "distributed" not in sys.modules
    try:
        import distributed  # noqa: PLC0415 - an optional extra, 500 ms
    except ImportError as error:
        raise UsageError("Dask needs the extra 'dask'", hint=_INSTALL) from error
    if is_first:  # else somebody else in this process has its logs as they want them
        logger = logging.getLogger("distributed")
        logger.handlers = [logging.NullHandler()]
        logger.propagate = False
    return distributed


def _first_line(error: object) -> str:
    text = str(error).strip().splitlines()
    kind = type(error).__name__
    return f"{kind}: {text[0].strip()}" if text else kind
