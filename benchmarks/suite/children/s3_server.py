"""An S3 server that keeps names and sizes, and throws the bytes away.

    python s3_server.py

Prints its URL. It knows what a run of ours, obstore and s5cmd ask for: a listing, PUT
with its conditions, uploads in parts, HEAD and DELETE. ``DELETE /bucket`` empties it.
It checks no signature and no checksum, so that it is not what is measured. The end of
stdin ends it.
"""

import asyncio
import re
import sys
import xml.etree.ElementTree as ET
from urllib.parse import unquote

from aiohttp import web

MADE = "2026-05-01T00:00:00.000Z"
BLOCK_BYTES = 2**18
KEY = re.compile(r"<Key>([^<]+)</Key>")
FAILED = "<Error><Code>PreconditionFailed</Code></Error>"


class Bucket:
    """What is there: the name of each object, its tag and its size."""

    def __init__(self) -> None:
        self.objects: dict[str, tuple[str, int]] = {}
        self.parts: dict[str, int] = {}
        self.number = 0

    async def answer(self, request: web.Request) -> web.Response:
        """Do what is asked."""
        _, _, name = request.path.lstrip("/").partition("/")
        if not name:
            return await self.of_bucket(request)
        known = self.objects.get(name)
        if "uploadId" in request.query or "uploads" in request.query:
            return await self.put_parts(request, name, known)
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

    async def of_bucket(self, request: web.Request) -> web.Response:
        """List it, empty it, or delete several objects."""
        if request.method == "GET":
            return web.Response(body=self.listing(request.query.get("prefix", "")))
        if request.method == "DELETE":
            self.objects.clear()
            return web.Response(status=204)
        names = KEY.findall(await request.text())
        for name in names:
            self.objects.pop(name, None)
        deleted = (f"<Deleted><Key>{name}</Key></Deleted>" for name in names)
        return web.Response(text=f"<DeleteResult>{''.join(deleted)}</DeleteResult>")

    async def put_parts(
        self, request: web.Request, name: str, known: tuple[str, int] | None
    ) -> web.Response:
        """One step of an upload in parts; a part may be copied from an object."""
        if "uploads" in request.query:
            self.number += 1
            self.parts[str(self.number)] = 0
            begun = f"<UploadId>{self.number}</UploadId>"
            result = "InitiateMultipartUploadResult"
            return web.Response(text=f"<{result}>{begun}</{result}>")
        number = request.query["uploadId"]
        if request.method == "PUT":
            source = request.headers.get("x-amz-copy-source")
            _, _, old = unquote(source or "").lstrip("/").partition("/")
            size = self.objects[old][1] if source else await read(request)
            self.parts[number] += size
            tag = f"<CopyPartResult><ETag>{number}</ETag></CopyPartResult>"
            return web.Response(text=tag if source else "", headers={"ETag": number})
        if known is not None and "If-None-Match" in request.headers:
            return web.Response(status=412, text=FAILED)
        self.objects[name] = number, self.parts.pop(number)
        result = "CompleteMultipartUploadResult"
        return web.Response(text=f"<{result}><ETag>{number}</ETag></{result}>")

    async def put(
        self, request: web.Request, name: str, known: tuple[str, int] | None
    ) -> web.Response:
        """Take an object, if its condition holds."""
        size = await read(request)
        wanted = request.headers.get("If-Match", known[0] if known else "")
        is_new = known is None or "If-None-Match" not in request.headers
        if not is_new or wanted != (known[0] if known else ""):
            return web.Response(status=412, text=FAILED)
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


async def read(request: web.Request) -> int:
    """Throw a body away; its size."""
    size = 0
    while block := await request.content.read(BLOCK_BYTES):
        size += len(block)
    return size


async def main() -> None:
    """Serve until stdin ends."""
    app = web.Application(client_max_size=2**30)
    app.router.add_route("*", "/{path:.*}", Bucket().answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    print(f"http://{host}:{port}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main())
