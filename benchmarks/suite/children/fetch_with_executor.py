"""Downloads what is missing and writes the gallery, wherever it is told to.

    python fetch_with_executor.py MANIFEST FOLDER EXECUTOR

Prints how long the whole call took. What this process would import late is imported
before.
"""

import asyncio
import json
import sys
import time

import PIL.Image

import pipeline.api.cdn
import pipeline.api.client
import pipeline.operations.run


async def main(manifest: str, folder: str, executor: str) -> None:
    """Fetch, and print one JSON object."""
    PIL.Image.init()
    began = time.perf_counter()
    result = await pipeline.operations.run.run(
        manifest,
        output=folder,
        selection=pipeline.Selection(only_fetch=True),
        settings=pipeline.Settings(executor=executor),
        report=True,
    )
    span_s = time.perf_counter() - began
    print(json.dumps({"span_s": span_s, "exit_code": int(result.exit_code)}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
