"""The choice of the user → an executor that is ready, or None for this process."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from pipeline.executors.choice import Choice
from pipeline.settings import Settings

if TYPE_CHECKING:
    from pipeline.executors.elsewhere import Elsewhere


@asynccontextmanager
async def open_executor(
    choice: Choice, settings: Settings, *, loopback: bool, warn: Callable[[str], None]
) -> AsyncIterator["Elsewhere | None"]:
    """Start or reach the workers; they end, or are left, with the block.

    Args:
        choice: Where assets are fetched.
        settings: Timeouts.
        loopback: Whether the service, and so its CDN, may be on this machine.
        warn: Called with what the user should know.

    Raises:
        UsageError: There are none; the hint says what to change.
    """
    if choice.is_here:
        yield None
        return
    from pipeline.executors.elsewhere import Elsewhere  # noqa: PLC0415
    from pipeline.executors.messages import Setup  # noqa: PLC0415

    setup = Setup(
        loopback=loopback,
        connect_timeout_s=settings.connect_timeout_s,
        read_timeout_s=settings.read_timeout_s,
    )
    if choice.processes:
        from pipeline.executors.process_pool import ProcessPool  # noqa: PLC0415

        async with ProcessPool(choice.processes, setup) as pool:
            yield Elsewhere(pool, warn=warn)
    else:
        from pipeline.executors.dask_cluster import open_cluster  # noqa: PLC0415

        async with open_cluster(choice, setup) as cluster:
            yield Elsewhere(cluster, warn=warn)
