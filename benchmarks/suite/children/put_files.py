"""The floor of uploads: aiohttp gets each file whole, obstore puts it, 16 at once.

    python put_files.py URLS STORE

No hash, no look at the picture, no sidecar. The bucket is found by the variables of
S3. Prints the time of the files alone.
"""

import asyncio
import json
import sys
import time
from pathlib import Path

import aiohttp
import obstore
import obstore.store

AT_ONCE = 16


async def main(urls: list[str], store_url: str) -> None:
    """Copy all, and print one JSON object."""
    store = obstore.store.from_url(store_url, client_options={"allow_http": True})
    slots = asyncio.Semaphore(AT_ONCE)
    async with aiohttp.ClientSession() as session:

        async def copy(number: int, url: str) -> None:
            async with slots, session.get(url) as response:
                response.raise_for_status()
                content = await response.read()
                # Its own async calls may abort the interpreter as it ends.
                await asyncio.to_thread(
                    obstore.put, store, f"file-{number}.png", content
                )

        began = time.perf_counter()
        await asyncio.gather(*(copy(*pair) for pair in enumerate(urls)))
        span_s = time.perf_counter() - began
    print(json.dumps({"span_s": span_s}))


if __name__ == "__main__":
    lines = Path(sys.argv[1]).read_text("utf-8").split()
    asyncio.run(main(lines, sys.argv[2]))
