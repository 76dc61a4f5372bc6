"""The application: paths → one of the desks, errors → JSON."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from pipeline.clock import Clock
from pipeline.report.review.desk import Decision, Desk, PriceRequest, RedoRequest
from pipeline.report.review.files import send_file
from pipeline.report.review.guard import HEADERS, PAGE_POLICY, Guard
from pipeline.report.review.refused import Refused
from pipeline.report.review.streams import Streams

MAX_BODY_BYTES = 256 << 10
_NOT_FOUND = Refused(404, "there is no such page or file")

T = TypeVar("T")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ReviewApp:
    """Serves desks below ``/TOKEN/SLUG/``.

    Args:
        desks: The manifests, by slug, in the user's order.
        parts: The scripts and styles of every page by name, with their media types.
        token: The first part of every path.
        host: The address that the server listens on.
        clock: For the heartbeat of the events.
    """

    def __init__(
        self,
        desks: Mapping[str, Desk],
        parts: Mapping[str, tuple[bytes, str]],
        *,
        token: str,
        host: str,
        clock: Clock,
    ) -> None:
        self._desks = desks
        self._parts = parts
        self._guard = Guard(token, host)
        self.streams = Streams(clock)

    def build(self) -> web.Application:
        """The application, to be served."""
        app = web.Application(
            middlewares=[self._checked], client_max_size=MAX_BODY_BYTES
        )
        app.on_response_prepare.append(_add_headers)
        app.on_shutdown.append(self._end_streams)
        router = app.router
        router.add_get("/{token}", _add_slash)
        router.add_get("/{token}/", self._send_first)
        router.add_get("/{token}/{slug}", _add_slash)
        router.add_get("/{token}/{slug}/", self._send_page)
        router.add_get("/{token}/{slug}/data.js", self._send_data)
        router.add_get("/{token}/{slug}/events", self._send_events, allow_head=False)
        router.add_get("/{token}/{slug}/files/{name:.+}", self._send_file)
        router.add_get("/{token}/{slug}/thumbnails/{name}", self._send_thumbnail)
        router.add_post("/{token}/{slug}/decisions", self._decide)
        router.add_post("/{token}/{slug}/price", self._price)
        router.add_post("/{token}/{slug}/redo", self._redo)
        router.add_get("/{token}/{slug}/{name:.+}", self._send_part)
        return app

    # --- every request --------------------------------------------------------

    @web.middleware
    async def _checked(
        self, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        try:
            self._guard.check(request.path, request.headers)
            return await handler(request)
        except Refused as refused:
            return _error(refused.status, refused.message, refused.hint)
        except web.HTTPException as error:
            if error.status < web.HTTPBadRequest.status_code:
                raise
            return _error(error.status, error.reason)

    async def _end_streams(self, _app: web.Application) -> None:
        self.streams.end()

    def _desk(self, request: web.Request) -> Desk:
        desk = self._desks.get(request.match_info["slug"])
        if desk is None:
            raise _NOT_FOUND
        return desk

    # --- reading --------------------------------------------------------------

    async def _send_first(self, _request: web.Request) -> web.Response:
        # Each page leads to the others.
        raise web.HTTPFound(f"{next(iter(self._desks))}/")

    async def _send_page(self, request: web.Request) -> web.Response:
        body = await self._desk(request).page()
        return web.Response(body=body, content_type="text/html", charset="utf-8")

    async def _send_part(self, request: web.Request) -> web.Response:
        self._desk(request)
        found = self._parts.get(request.match_info["name"])
        if found is None:
            raise _NOT_FOUND
        body, media_type = found
        return web.Response(body=body, headers={"Content-Type": media_type})

    async def _send_data(self, request: web.Request) -> web.Response:
        body = await self._desk(request).data_script()
        return web.Response(
            body=body, headers={"Content-Type": "text/javascript; charset=utf-8"}
        )

    async def _send_events(self, request: web.Request) -> web.StreamResponse:
        return await self.streams.send(request, self._desk(request).feed)

    async def _send_file(self, request: web.Request) -> web.StreamResponse:
        found = self._desk(request).find_file(request.match_info["name"])
        if found is None:
            raise _NOT_FOUND
        return await send_file(request, found)

    async def _send_thumbnail(self, request: web.Request) -> web.Response:
        drawn = await self._desk(request).thumbnail(request.match_info["name"])
        if drawn is None:
            raise _NOT_FOUND
        # Its name is the digest of what it shows: it never changes.
        headers = {"Cache-Control": "private, max-age=86400, immutable"}
        return web.Response(body=drawn, content_type="image/webp", headers=headers)

    # --- writing --------------------------------------------------------------

    async def _decide(self, request: web.Request) -> web.Response:
        desk = self._desk(request)
        if not desk.can_edit:
            raise Refused(
                403,
                "this page is read-only",
                "to decide, start it again with --edit",
            )
        return _answer(await desk.decide(await _read(request, Decision)))

    async def _price(self, request: web.Request) -> web.Response:
        desk = self._spending_desk(request)
        return _answer(await desk.price(await _read(request, PriceRequest)))

    async def _redo(self, request: web.Request) -> web.Response:
        desk = self._spending_desk(request)
        answer = await desk.redo(await _read(request, RedoRequest))
        return _answer(answer, status=web.HTTPAccepted.status_code)

    def _spending_desk(self, request: web.Request) -> Desk:
        desk = self._desk(request)
        if not desk.can_spend:
            raise Refused(
                403,
                "this page spends nothing",
                "to make takes again, start it with --spend and the units it may cost",
            )
        return desk


async def _add_slash(request: web.Request) -> web.Response:
    raise web.HTTPFound(f"{request.path.rpartition('/')[2]}/")


async def _add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Content-Security-Policy", PAGE_POLICY)


async def _read(request: web.Request, kind: type[T]) -> T:
    """The body of a request.

    Raises:
        Refused: It is not JSON of this form.
    """
    if request.content_type != "application/json":
        raise Refused(415, "the body must be JSON")
    body = await request.read()  # too large: 413
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Refused(400, f"the request cannot be read: {error}") from error


def _answer(fields: Mapping[str, Any], *, status: int = 200) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(fields),
        status=status,
        content_type="application/json",
    )


def _error(status: int, message: str, hint: str = "") -> web.Response:
    return _answer({"message": message, "hint": hint}, status=status)


def slugs_of(names: Sequence[str]) -> list[str]:
    """A part of the URL for each name, all different."""
    found: list[str] = []
    for name in names:
        slug, number = name, 1
        while slug in found:
            number += 1
            slug = f"{name}-{number}"
        found.append(slug)
    return found
