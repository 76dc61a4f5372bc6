"""Downloads what is missing, in this process, and watches the event loop meanwhile.

    python fetch_with_lag.py MANIFEST FOLDER [STORE]

Prints how long the whole call took and how late the loop woke a sleeper. What the
call would import late is imported before.
"""

import asyncio
import json
import sys
import time

import pipeline.api.cdn
import pipeline.api.client
import pipeline.operations.run

NAP_S = 0.005


async def main(manifest: str, folder: str, store: str = "") -> None:
    """Fetch, and print one JSON object."""
    lags_s: list[float] = []

    async def watch() -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(NAP_S)
            lags_s.append(time.perf_counter() - began - NAP_S)

    watcher = asyncio.create_task(watch())
    began = time.perf_counter()
    result = await pipeline.operations.run.run(
        manifest,
        output=folder,
        store=store,
        selection=pipeline.Selection(only_fetch=True),
    )
    span_s = time.perf_counter() - began
    watcher.cancel()
    code = int(result.exit_code)
    print(json.dumps({"span_s": span_s, "lags_s": lags_s, "exit_code": code}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
