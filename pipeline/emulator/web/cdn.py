"""The CDN: serves files by their signed URLs, on a listener of its own.

Refuses requests that carry a credential.
"""

from aiohttp import web
from anyio import to_thread

from pipeline.emulator.faults import Effect, InjectedFault
from pipeline.emulator.gallery import Gallery
from pipeline.emulator.pictures.image_files import (
    MEDIA_TYPES_BY_FORMAT,
    OUTPUT_FORMATS,
    convert_image,
)
from pipeline.emulator.profiles.cdn import CdnProfile
from pipeline.emulator.refusal import Refused
from pipeline.emulator.service import EmulatedService
from pipeline.emulator.signing import Verdict
from pipeline.emulator.web.app import Api
from pipeline.emulator.web.fault_answers import (
    EXTRA_BYTES,
    FOREIGN_URL,
    altered_bytes,
    denied_answer,
    send_truncated,
)
from pipeline.emulator.web.urls import SignedUrls

REDIRECT = 302
CHUNK_BYTES = 2**16
CHUNKS_PER_S = 8
BODY_FAULTS = frozenset(
    {Effect.TRUNCATED, Effect.LONGER, Effect.WRONG_BYTES, Effect.SLOW}
)


class Cdn:
    """Serves the files of assets.

    Args:
        api: What all routes share.
        service: The service.
        profile: How files are sent.
        gallery: The files.
        urls: Checks the URLs.
    """

    def __init__(
        self,
        api: Api,
        service: EmulatedService,
        profile: CdnProfile,
        gallery: Gallery,
        urls: SignedUrls,
    ) -> None:
        self._api = api
        self._service = service
        self._profile = profile
        self._gallery = gallery
        self._urls = urls

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add the routes to a router."""
        router.add_get("/assets/{asset_id}", self.send)
        router.add_get("/assets-transform/{asset_id}", self.send)

    async def send(self, request: web.Request) -> web.StreamResponse:
        """Send a file."""
        counters = self._service.counters
        answer = await self._send(request)
        counters.requests["cdn"] += 1
        counters.answers[f"cdn {answer.status}"] += 1
        return answer

    async def _send(self, request: web.Request) -> web.StreamResponse:
        service = self._service
        denied = self._deny(request)
        if denied is not None:
            return denied
        fault = self._api.draw_fault("cdn")
        if fault is not None and fault.effect not in BODY_FAULTS:
            return await self._api.inject(request, fault)
        if fault is not None:
            service.counters.faults[fault.name] += 1
        asset_id = request.match_info["asset_id"]
        if service.assets.status_of(asset_id, service.store.advance()) != "success":
            return denied_answer(404)
        try:
            data, media_type = await self._file(request, asset_id)
        except Refused:
            return denied_answer(404)
        except OSError:
            return denied_answer(400)
        answer = self._whole(data, media_type)
        return await self._deliver(request, answer, data, fault)

    def _deny(self, request: web.Request) -> web.Response | None:
        if "Authorization" in request.headers:
            self._service.counters.credentials_at_cdn += 1
            return denied_answer()
        verdict = self._urls.check(request)
        if verdict is Verdict.OPEN:
            return None
        status = self._profile.altered_url_status
        if verdict is Verdict.ALTERED and status == REDIRECT:
            return web.Response(status=status, headers={"Location": FOREIGN_URL})
        return denied_answer()

    async def _file(self, request: web.Request, asset_id: str) -> tuple[bytes, str]:
        contents = self._service.contents
        data = await self._gallery.read(contents.content_of(asset_id))
        media_type = contents.media_type_of(asset_id)
        if not request.path.startswith("/assets-transform/"):
            return data, media_type
        target = request.query.get("format", "origin")
        if target not in OUTPUT_FORMATS:
            target = media_type.removeprefix("image/")
        if target not in OUTPUT_FORMATS:
            return data, media_type
        width = request.query.get("width", "")
        quality = request.query.get("quality", "")
        converted = await to_thread.run_sync(
            lambda: convert_image(
                data,
                target,
                width_px=int(width) if width.isdecimal() else 0,
                quality=int(quality) if quality.isdecimal() else 80,
            )
        )
        return converted, MEDIA_TYPES_BY_FORMAT[target]

    def _whole(self, data: bytes, media_type: str) -> web.Response:
        headers = {"Content-Type": media_type}
        if self._profile.cdn_ranges:
            headers["Accept-Ranges"] = "bytes"
        return web.Response(body=data, headers=headers)

    async def _deliver(  # noqa: PLR0911 - one line for each way
        self,
        request: web.Request,
        answer: web.Response,
        data: bytes,
        fault: InjectedFault | None,
    ) -> web.StreamResponse:
        profile = self._profile
        match fault.effect if fault else None:
            case Effect.TRUNCATED:
                return await send_truncated(request, answer)
            case Effect.LONGER:
                answer.body = data + EXTRA_BYTES
                return answer
            case Effect.WRONG_BYTES:
                answer.body = altered_bytes(data)
                return answer
            case Effect.SLOW:
                return await self._stream(
                    request, answer, data, profile.slow_bytes_per_second
                )
        if profile.cdn_ranges and "Range" in request.headers:
            return _part_of(request, answer, data)
        if profile.cdn_bytes_per_second is not None:
            speed = profile.cdn_bytes_per_second
            return await self._stream(request, answer, data, speed)
        if not profile.cdn_content_length:
            return await self._stream(request, answer, data, None)
        return answer

    async def _stream(
        self,
        request: web.Request,
        answer: web.Response,
        data: bytes,
        bytes_per_s: float | None,
    ) -> web.StreamResponse:
        stream = web.StreamResponse(headers=answer.headers)
        if self._profile.cdn_content_length:
            stream.content_length = len(data)
        else:
            stream.enable_chunked_encoding()
        await stream.prepare(request)
        step = CHUNK_BYTES
        if bytes_per_s is not None:
            step = max(round(bytes_per_s / CHUNKS_PER_S), 1)
        for start in range(0, len(data), step):
            await stream.write(data[start : start + step])
            if bytes_per_s is not None:
                await self._service.timeline.clock.sleep(1 / CHUNKS_PER_S)
        return stream


def _part_of(
    request: web.Request, answer: web.Response, data: bytes
) -> web.StreamResponse:
    try:
        wanted = request.http_range
    except ValueError:
        return denied_answer(416)
    start, stop, _ = wanted.indices(len(data))
    if start >= len(data) or start >= stop:
        return denied_answer(416)
    headers = {**answer.headers}
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(data)}"
    headers.pop("Content-Length", None)
    return web.Response(status=206, body=data[start:stop], headers=headers)
