"""The floor: a bare aiohttp client that knows everything and remembers nothing.

    python bare.py COUNT CEILING FOLDER SIZE

It is told the ceiling, reads one list a tick and many assets at once, checks
nothing, keeps no ledger, hashes nothing and never waits for the disk.
"""

import asyncio
import base64
import os
import sys
from collections.abc import Coroutine
from pathlib import Path

import aiohttp

MODEL = "model_wan-2-7-image"
TICK_S = 0.1
PAGE = 100


class Bare:
    """One run.

    Args:
        session: With the credentials.
        files: Without them.
        base_url: Of the API.
        folder: Where the files go.
        ceiling: Jobs in flight.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        files: aiohttp.ClientSession,
        base_url: str,
        folder: Path,
        ceiling: int,
    ) -> None:
        self.session = session
        self.files = files
        self.base_url = base_url
        self.folder = folder
        self.slots = asyncio.Semaphore(ceiling)
        self.watched: dict[str, int] = {}
        self.tasks: set[asyncio.Task[None]] = set()

    async def submit(self, number: int, size: str) -> None:
        """Wait for a slot and send one item."""
        await self.slots.acquire()
        body = {"prompt": f"item {number}", "size": size, "seed": number}
        url = f"{self.base_url}/generate/custom/{MODEL}"
        async with self.session.post(url, json=body) as response:
            response.raise_for_status()
            job = (await response.json())["job"]
        self.watched[job["jobId"]] = number

    async def poll(self, left: int) -> None:
        """Read the list until nothing is left; hand on what has ended."""
        while left:
            await asyncio.sleep(TICK_S)
            ended: dict[str, int] = {}
            missing = set(self.watched)
            token = ""
            while missing:
                query: dict[str, str | int] = {"types": "custom", "pageSize": PAGE}
                if token:
                    query["paginationToken"] = token
                url = f"{self.base_url}/jobs"
                async with self.session.get(url, params=query) as response:
                    response.raise_for_status()
                    page = await response.json()
                for job in page["jobs"]:
                    missing.discard(job["jobId"])
                    if job["status"] == "success" and job["jobId"] in self.watched:
                        number = self.watched.pop(job["jobId"])
                        self.slots.release()
                        for asset_id in job["metadata"]["assetIds"]:
                            ended[asset_id] = number
                token = page.get("nextPaginationToken", "")
                if not token:
                    break
            if ended:
                left -= len(ended)
                self.start(self.collect(ended))

    async def collect(self, ended: dict[str, int]) -> None:
        """Ask for many URLs at once and start their downloads."""
        url = f"{self.base_url}/assets/get-bulk"
        body = {"assetIds": list(ended)}
        query = {"originalAssets": "true"}
        async with self.session.post(url, json=body, params=query) as response:
            response.raise_for_status()
            assets = (await response.json())["assets"]
        for asset in assets:
            self.start(self.download(asset["url"], ended[asset["id"]]))

    async def download(self, url: str, number: int) -> None:
        """Fetch one file."""
        async with self.files.get(url) as response:
            response.raise_for_status()
            content = await response.read()
        (self.folder / f"item-{number}.png").write_bytes(content)

    def start(self, work: Coroutine[object, object, None]) -> None:
        """Keep a task, so that its error is seen."""
        task = asyncio.create_task(work)
        self.tasks.add(task)


async def main(count: int, ceiling: int, folder: Path, size: str) -> None:
    """Make all items."""
    pair = f"{os.environ['SCENARIO_SDK_API_KEY']}:"
    pair += os.environ["SCENARIO_SDK_API_SECRET"]
    headers = {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        aiohttp.ClientSession() as files,
    ):
        base_url = os.environ["SCENARIO_BASE_URL"]
        bare = Bare(session, files, base_url, folder, ceiling)
        bare.start(bare.poll(count))
        for number in range(count):
            bare.start(bare.submit(number, size))
        while pending := [task for task in bare.tasks if not task.done()]:
            await asyncio.wait(pending, return_when=asyncio.FIRST_EXCEPTION)
        for task in bare.tasks:
            task.result()


if __name__ == "__main__":
    out = Path(sys.argv[3])
    out.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), out, sys.argv[4]))
