"""A file of a gallery → an answer, with ranges: a browser reads a video in pieces."""

import asyncio
import os
from contextlib import suppress
from typing import BinaryIO

from aiohttp import web

from pipeline.record import Struct
from pipeline.report.review.guard import FILE_POLICY
from pipeline.report.review.refused import Refused
from pipeline.storage.store import Content

_CHUNK_BYTES = 256 << 10
_GONE = Refused(404, "the file is not there any more")
# What a browser may show by itself; anything else is only offered for saving.
_SHOWN = ("image/", "video/", "audio/", "model/", "text/plain", "application/json")


class ServedFile(Struct, frozen=True, kw_only=True):
    """A file that may be served.

    Attributes:
        content: Its bytes, on this machine or in a bucket.
        sha256: Of what the page was told of, in hex.
        media_type: As it is announced to the browser.
    """

    content: Content
    sha256: str
    media_type: str


async def send_file(request: web.Request, served: ServedFile) -> web.StreamResponse:
    """Send a file, or the part of it that is asked for.

    Raises:
        Refused: It is not there, or no part of it is asked for.
    """
    try:
        file = await asyncio.to_thread(served.content.open, "rb")
    except OSError:
        raise _GONE from None
    with file:
        return await _send(request, file, served)


async def _send(
    request: web.Request, file: BinaryIO, served: ServedFile
) -> web.StreamResponse:
    media_type = served.media_type
    size_bytes = file.seek(0, os.SEEK_END)
    tag = _tag_of(file, served.sha256, size_bytes)
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
    begin, end = _range_of(request, size_bytes, tag)
    response = web.StreamResponse(headers=headers)
    if end - begin < size_bytes:
        response.set_status(206)
        response.headers["Content-Range"] = f"bytes {begin}-{end - 1}/{size_bytes}"
    response.content_length = end - begin
    if request.method == "HEAD":
        await response.prepare(request)
        return response
    file.seek(begin)
    try:  # before anything is said: a bucket is asked now
        chunk = await _read(file, end - begin)
    except OSError:
        raise _GONE from None
    await response.prepare(request)
    # Where it ends early or cannot be read, the browser sees that some is missing.
    with suppress(OSError):
        while chunk:
            await response.write(chunk)
            begin += len(chunk)
            chunk = await _read(file, end - begin)
    return response


async def _read(file: BinaryIO, most_bytes: int) -> bytes:
    return await asyncio.to_thread(file.read, min(_CHUNK_BYTES, most_bytes))


def _tag_of(file: BinaryIO, sha256: str, size_bytes: int) -> str:
    """What is another one once a file has changed."""
    try:
        stamp = f"{os.fstat(file.fileno()).st_mtime_ns:x}"
    except OSError:  # in a bucket, where nobody edits
        stamp = sha256
    return f'"{stamp}-{size_bytes:x}"'


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
