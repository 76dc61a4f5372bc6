"""How the injected faults look on the wire."""

import asyncio
import socket
import struct
import sys

import msgspec
from aiohttp import web

from pipeline.clock import Clock
from pipeline.emulator.faults import Effect, InjectedFault

FOREIGN_URL = "http://foreign.invalid/file"
COOLDOWN_S = 2
ERRORS_FROM = 400
TEXTS = {
    400: "Bad request",
    401: "Unauthorized",
    402: "Not enough credits: insufficient compute units",
    403: "Forbidden",
    404: "Not found",
    408: "Request timeout",
    409: "Conflict",
    413: "Request body too large",
    422: "Unprocessable request",
    429: "Too many requests",
    500: "Internal server error",
    503: "Service unavailable",
    504: "Gateway timeout",
}
EXTRA_BYTES = b"\0" * 1024
MALFORMED = b'{"jobs": [{"jobId": "job_'


async def answer_with_fault(  # noqa: PLR0911 - one line for each effect
    request: web.Request,
    fault: InjectedFault,
    answer: web.Response | None,
    *,
    clock: Clock,
    hang_s: float,
    trace_id: str,
) -> web.StreamResponse:
    """Answer a request with a fault.

    Args:
        request: The request. Its connection may be closed.
        fault: The fault.
        answer: The answer to spoil, for faults that come after the effect.
        clock: Measures how long a fault hangs.
        hang_s: How long a fault that hangs holds the connection.
        trace_id: The trace id of JSON errors.
    """
    match fault.effect:
        case Effect.HTML:
            return html_answer(fault.status)
        case Effect.DENIED:
            return denied_answer(fault.status)
        case Effect.DROP:
            return drop_connection(request)
        case Effect.RESET:
            return drop_connection(request, reset=True)
        case Effect.HANG:
            await clock.sleep(hang_s)
            return drop_connection(request)
        case Effect.REDIRECT:
            return web.Response(status=302, headers={"Location": FOREIGN_URL})
        case Effect.COOLDOWN:
            body: dict[str, object] = {"remainingSeconds": COOLDOWN_S}
            return _error(429, "cooldown", trace_id, body)
        case Effect.STATUS:
            return _error(fault.status, TEXTS[fault.status], trace_id, {})
    assert answer is not None
    return await _reshaped(request, fault, answer)


async def send_truncated(request: web.Request, answer: web.Response) -> web.Response:
    """Announce the whole body, send half of it and close the connection."""
    body = answer.body if isinstance(answer.body, bytes) else b""
    stream = web.StreamResponse(status=answer.status, headers=answer.headers)
    stream.content_length = len(body)
    await stream.prepare(request)
    await stream.write(body[: len(body) // 2])
    # Let the half be sent before the connection is closed.
    await asyncio.sleep(0)
    if request.transport is not None:
        request.transport.close()
    return web.Response()


def drop_connection(request: web.Request, *, reset: bool = False) -> web.Response:
    """Close the connection without an answer."""
    transport = request.transport
    if transport is not None:
        if reset:
            _linger_zero(transport.get_extra_info("socket"))
        transport.abort()
    return web.Response()


def html_answer(status: int) -> web.Response:
    """An error page of a gateway."""
    text = f"<html><head><title>{status}</title></head><body>{status}</body></html>"
    return web.Response(status=status, text=text, content_type="text/html")


def denied_answer(status: int = 403) -> web.Response:
    """An error of the CDN."""
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
    )
    return web.Response(status=status, text=text, content_type="text/xml")


def altered_bytes(data: bytes) -> bytes:
    """The same number of bytes, some of them changed."""
    middle = len(data) // 2
    changed = bytes(byte ^ 0x55 for byte in data[middle : middle + 64])
    return data[:middle] + changed + data[middle + 64 :]


async def _reshaped(
    request: web.Request, fault: InjectedFault, answer: web.Response
) -> web.StreamResponse:
    match fault.effect:
        case Effect.TRUNCATED:
            return await send_truncated(request, answer)
        case Effect.GARBAGE:
            answer.body = MALFORMED
            return answer
    if answer.status >= ERRORS_FROM or not isinstance(answer.body, bytes):
        return answer
    content = msgspec.json.decode(answer.body)
    match fault.effect:
        case Effect.NO_ID:
            content["job"] = {"status": "queued"}
        case Effect.REPEATED_TOKEN:
            content["nextPaginationToken"] = request.query.get(
                "paginationToken", content.get("nextPaginationToken", "again")
            )
    answer.body = msgspec.json.encode(content)
    return answer


def _error(
    status: int, reason: str, trace_id: str, extra: dict[str, object]
) -> web.Response:
    body = msgspec.json.encode({"reason": reason, **extra, "trace_id": trace_id})
    return web.Response(status=status, body=body, content_type="application/json")


def _linger_zero(connection: socket.socket | None) -> None:
    if connection is None:
        return
    # On Windows, both fields have 16 bits.
    form = "hh" if sys.platform == "win32" else "ii"
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack(form, 1, 0))
