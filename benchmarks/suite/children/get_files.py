"""The floor of downloads: bare aiohttp, 16 at once, written as they come.

    python get_files.py URLS FOLDER

No hash, no look at the picture, no wait for the disk. Prints the time of the
downloads alone, and how late the loop woke a sleeper.
"""

import asyncio
import json
import sys
import time
from pathlib import Path

import aiohttp

AT_ONCE = 16
CHUNK_BYTES = 2**20
NAP_S = 0.005


async def main(urls: list[str], folder: Path) -> None:
    """Download all, and print one JSON object."""
    lags_s: list[float] = []

    async def watch() -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(NAP_S)
            lags_s.append(time.perf_counter() - began - NAP_S)

    slots = asyncio.Semaphore(AT_ONCE)
    watcher = asyncio.create_task(watch())
    async with aiohttp.ClientSession() as session:

        async def get(number: int, url: str) -> None:
            async with slots, session.get(url) as response:
                response.raise_for_status()
                with (folder / f"file-{number}.png").open("wb") as target:
                    async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                        target.write(chunk)

        began = time.perf_counter()
        await asyncio.gather(*(get(*pair) for pair in enumerate(urls)))
        span_s = time.perf_counter() - began
    watcher.cancel()
    print(json.dumps({"span_s": span_s, "lags_s": lags_s}))


if __name__ == "__main__":
    lines = Path(sys.argv[1]).read_text("utf-8").split()
    asyncio.run(main(lines, Path(sys.argv[2])))
