"""The official SDK at its best: gather, a semaphore, one poll a second and job.

    python sdk.py COUNT CEILING FOLDER SIZE

It is told the ceiling. Assets are read one by one and written as they come.
"""

import asyncio
import sys
from pathlib import Path

import aiohttp
from scenario_sdk import AsyncScenario, DefaultAioHttpClient

MODEL = "model_wan-2-7-image"
ENDS = {"success", "failure", "canceled"}


async def main(count: int, ceiling: int, folder: Path, size: str) -> None:
    """Make all items."""
    slots = asyncio.Semaphore(ceiling)
    async with (
        AsyncScenario(http_client=DefaultAioHttpClient()) as client,
        aiohttp.ClientSession() as session,
    ):

        async def make(number: int) -> None:
            body = {"prompt": f"item {number}", "size": size, "seed": number}
            async with slots:
                made = await client.generate.run_model(MODEL, body=body)
                while True:
                    await asyncio.sleep(1)
                    job = (await client.jobs.retrieve(made.job.job_id)).job
                    if job.status in ENDS:
                        break
            for asset_id in job.metadata.asset_ids or ():
                answer = await client.assets.retrieve(asset_id, original_assets=True)
                async with session.get(answer.asset.url) as response:
                    response.raise_for_status()
                    content = await response.read()
                (folder / f"item-{number}.png").write_bytes(content)

        await asyncio.gather(*(make(number) for number in range(count)))


if __name__ == "__main__":
    out = Path(sys.argv[3])
    out.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), out, sys.argv[4]))
