"""One long run of the product, which looks at itself as it goes on.

    python long_run.py MANIFEST FOLDER ITEMS DEADLINE_S

Prints one JSON line after each tenth of the items: seconds since the start, resident
memory, and how long the writes to the ledger of that tenth took.
"""

import asyncio
import json
import os
import sys
import time
from array import array
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from pipeline.job import JobStatus
from pipeline.ledger.writer import LedgerWriter
from pipeline.operations.run import run
from pipeline.running.events import JobChanged
from pipeline.settings import Settings

TENTHS = 10
SAMPLE_S = 0.5
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Watch:
    """Counts saved items and times the ledger.

    Args:
        items: How many there will be.
    """

    def __init__(self, items: int) -> None:
        self.began = time.perf_counter()
        self.saved = 0
        self._tenth = max(items // TENTHS, 1)
        self._writes_s = array("d")
        self._peak_mb = 0.0

    def install(self) -> None:
        """Time every write from its call to its commit, a patient one too."""
        for name in ("write", "write_patiently"):
            setattr(LedgerWriter, name, self._timed(getattr(LedgerWriter, name)))

    def _timed(self, write: Callable[..., Awaitable[Any]]) -> Callable[..., Any]:
        async def timed(*arguments: Any, **named: Any) -> Any:
            began = time.perf_counter()
            try:
                return await write(*arguments, **named)
            finally:
                self._writes_s.append(time.perf_counter() - began)

        return timed

    async def sample(self) -> None:
        """Note the highest resident memory until cancelled."""
        while True:
            self._peak_mb = max(self._peak_mb, resident_mb())
            await asyncio.sleep(SAMPLE_S)

    def take(self, event: object) -> None:
        """Count what is saved."""
        if isinstance(event, JobChanged) and event.status is JobStatus.SAVED:
            self.saved += 1
            if self.saved % self._tenth == 0:
                self.tell()

    def tell(self) -> None:
        """Print one tenth and begin the next."""
        ordered = sorted(self._writes_s)
        line = {
            "saved": self.saved,
            "at_s": time.perf_counter() - self.began,
            "rss_mb": self._peak_mb,
            "writes": len(ordered),
            "median_ms": ordered[len(ordered) // 2] * 1000,
            "p99_ms": ordered[int(len(ordered) * 0.99)] * 1000,
        }
        print(json.dumps(line), flush=True)
        self._writes_s = array("d")
        self._peak_mb = 0.0


def resident_mb() -> float:
    """Of this process, now."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * PAGE_BYTES / 1e6


async def main(manifest: str, folder: str, items: int, deadline_s: float) -> None:
    watch = Watch(items)
    watch.install()
    sampler = asyncio.create_task(watch.sample())
    result = await run(
        manifest,
        output=folder,
        settings=Settings(deadline_s=deadline_s),
        on_event=watch.take,
    )
    sampler.cancel()
    print(json.dumps({"counts": dict(result.counts)}), flush=True)


if __name__ == "__main__":
    manifest, folder, items, deadline_s = sys.argv[1:]
    asyncio.run(main(manifest, folder, int(items), float(deadline_s)))
