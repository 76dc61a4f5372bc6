"""A file of a gallery → an answer, with ranges: a browser reads a video in pieces."""

import asyncio
import os
from io import BufferedReader
from pathlib import Path

from aiohttp import web

from pipeline.record import Struct
from pipeline.report.review.guard import FILE_POLICY
from pipeline.report.review.refused import Refused
from pipeline.storage.regular_file import open_regular

_CHUNK_BYTES = 256 << 10
# What a browser may show by itself; anything else is only offered for saving.
_SHOWN = ("image/", "video/", "audio/", "model/", "text/plain", "application/json")


class ServedFile(Struct, frozen=True, kw_only=True):
    """A file that may be served.

    Attributes:
        path: Where it is.
        inside: The folder that no link may lead out of; None to allow any link.
        media_type: As it is announced to the browser.
    """

    path: Path
    inside: Path | None
    media_type: str


async def send_file(request: web.Request, served: ServedFile) -> web.StreamResponse:
    """Send a file, or the part of it that is asked for.

    Raises:
        Refused: It is not there, or no part of it is asked for.
    """
    try:
        file = open_regular(served.path, inside=served.inside)
    except OSError:
        raise Refused(404, "the file is not there any more") from None
    with file:
        return await _send(request, file, served.media_type)


async def _send(
    request: web.Request, file: BufferedReader, media_type: str
) -> web.StreamResponse:
    status = os.fstat(file.fileno())
    tag = f'"{status.st_mtime_ns:x}-{status.st_size:x}"'
    headers = {
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "Content-Security-Policy": FILE_POLICY,
        "Content-Type": media_type,
        "ETag": tag,
    }
    if not media_type.startswith(_SHOWN):
        headers["Content-Disposition"] = "attachment"
    if request.headers.get("If-None-Match") == tag:
        return web.Response(status=304, headers=headers)
    begin, end = _range_of(request, status.st_size, tag)
    response = web.StreamResponse(headers=headers)
    if end - begin < status.st_size:
        response.set_status(206)
        response.headers["Content-Range"] = f"bytes {begin}-{end - 1}/{status.st_size}"
    response.content_length = end - begin
    await response.prepare(request)
    if request.method != "HEAD":
        await asyncio.to_thread(file.seek, begin)
        while begin < end:
            chunk = await asyncio.to_thread(file.read, min(_CHUNK_BYTES, end - begin))
            if not chunk:
                break  # it has become shorter: the browser sees that some is missing
            await response.write(chunk)
            begin += len(chunk)
    return response


def _range_of(request: web.Request, size_bytes: int, tag: str) -> tuple[int, int]:
    """The first byte to send, and the first not to.

    Raises:
        Refused: The range cannot be read, or is beyond the end of the file.
    """
    if request.headers.get("If-Range", tag) != tag:
        return 0, size_bytes
    try:
        wanted = request.http_range
    except ValueError as error:
        raise Refused(416, f"no such range: {error}") from error
    begin, end, _ = wanted.indices(size_bytes)
    if wanted != slice(None, None, 1) and begin >= end:
        raise Refused(416, f"the file has {size_bytes} bytes")
    return begin, end
