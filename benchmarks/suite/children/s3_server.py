"""An S3 server that keeps names and sizes, and throws the bytes away.

    python s3_server.py

Prints its URL. It knows what a run of ours, obstore and s5cmd ask for: a listing, one
PUT a file with its conditions, HEAD and DELETE. ``DELETE /bucket`` empties it. It
checks no signature and no checksum, so that it is not what is measured. The end of
stdin ends it.
"""

import asyncio
import sys
import xml.etree.ElementTree as ET

from aiohttp import web

MADE = "2026-05-01T00:00:00.000Z"
BLOCK_BYTES = 2**18


class Bucket:
    """What is there: the name of each object, its tag and its size."""

    def __init__(self) -> None:
        self.objects: dict[str, tuple[str, int]] = {}
        self.number = 0

    async def answer(self, request: web.Request) -> web.Response:
        """Do what is asked."""
        _, _, name = request.path.lstrip("/").partition("/")
        if not name:
            return self.of_bucket(request)
        known = self.objects.get(name)
        if request.method == "PUT":
            return await self.put(request, name, known)
        if known is None:
            return web.Response(status=404)
        if request.method == "DELETE":
            del self.objects[name]
            return web.Response(status=204)
        tag, size = known
        headers = {"ETag": tag, "Last-Modified": "Fri, 01 May 2026 00:00:00 GMT"}
        return web.Response(body=bytes(size), headers=headers)

    def of_bucket(self, request: web.Request) -> web.Response:
        """List it, empty it, or delete several: of what we ask for, the probe alone."""
        if request.method == "GET":
            return web.Response(body=self.listing(request.query.get("prefix", "")))
        if request.method == "DELETE":
            self.objects.clear()
        for name in [one for one in self.objects if "/probe-" in one]:
            del self.objects[name]
        return web.Response(text="<DeleteResult></DeleteResult>")

    async def put(
        self, request: web.Request, name: str, known: tuple[str, int] | None
    ) -> web.Response:
        """Take an object, if its condition holds."""
        size = 0
        while block := await request.content.read(BLOCK_BYTES):
            size += len(block)
        wanted = request.headers.get("If-Match", known[0] if known else "")
        is_new = known is None or "If-None-Match" not in request.headers
        if not is_new or wanted != (known[0] if known else ""):
            text = "<Error><Code>PreconditionFailed</Code></Error>"
            return web.Response(status=412, text=text)
        self.number += 1
        self.objects[name] = f'"{self.number}"', size
        return web.Response(headers={"ETag": f'"{self.number}"'})

    def listing(self, prefix: str) -> bytes:
        """Everything whose name begins so, on one page."""
        root = ET.Element("ListBucketResult")
        ET.SubElement(root, "IsTruncated").text = "false"
        for name, (tag, size) in self.objects.items():
            if name.startswith(prefix):
                one = ET.SubElement(root, "Contents")
                ET.SubElement(one, "Key").text = name
                ET.SubElement(one, "LastModified").text = MADE
                ET.SubElement(one, "ETag").text = tag
                ET.SubElement(one, "Size").text = str(size)
        return ET.tostring(root)


async def main() -> None:
    """Serve until stdin ends."""
    server = web.Server(Bucket().answer)
    runner = web.ServerRunner(server)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    print(f"http://{host}:{port}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main())
