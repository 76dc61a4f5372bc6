"""A Dask cluster on this machine, in a process of its own that knows no credential.

It says the address of its scheduler on stdout, and ends when its stdin does.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

import anyio
import anyio.to_thread

THREADS_PER_WORKER = 4  # tasks at once: one is decoded while others arrive
_HOST = "127.0.0.1"


async def serve(source: BinaryIO, say: Callable[[str], object], workers: int) -> None:
    """Run the cluster until the source ends.

    Args:
        source: Read to its end.
        say: Called with the address.
        workers: How many there are.
    """
    import distributed  # noqa: PLC0415 - an optional extra

    make: Any = distributed.LocalCluster  # its constructor has no types
    async with make(
        n_workers=workers,
        threads_per_worker=THREADS_PER_WORKER,
        host=_HOST,
        dashboard_address=f"{_HOST}:0",
        worker_dashboard_address=f"{_HOST}:0",
        asynchronous=True,
    ) as cluster:
        say(cluster.scheduler_address)
        await anyio.to_thread.run_sync(source.read)


def main(workers: str = "") -> None:
    """Serve the process that has started this one.

    Args:
        workers: How many there are; "" for one for each processor.
    """
    # Ctrl-C at a terminal reaches the whole group; the run decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    count = int(workers or os.cpu_count() or 1)

    def say(address: str) -> None:
        sys.stdout.write(f"{address}\n")
        sys.stdout.flush()

    anyio.run(serve, sys.stdin.buffer, say, count)
