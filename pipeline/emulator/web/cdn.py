"""The CDN, a listener of its own: signed paths in, files out.

Refuses what carries a credential, and is as unreliable as its faults say.
"""

from aiohttp import web
from anyio import to_thread

from pipeline.emulator.faults import Effect, InjectedFault
from pipeline.emulator.pictures.image_files import (
    MEDIA_TYPES_BY_FORMAT,
    OUTPUT_FORMATS,
    convert_image,
)
from pipeline.emulator.refusal import Refused
from pipeline.emulator.signing import Verdict
from pipeline.emulator.web.app import Api
from pipeline.emulator.web.fault_answers import (
    EXTRA_BYTES,
    FOREIGN_URL,
    altered_bytes,
    answer_with_fault,
    denied_answer,
    send_truncated,
)

REDIRECT = 302
CHUNK_BYTES = 2**16
CHUNKS_PER_S = 8
BODY_FAULTS = frozenset(
    {Effect.TRUNCATED, Effect.LONGER, Effect.WRONG_BYTES, Effect.SLOW}
)


class Cdn:
    """Files of assets by signed URL.

    Args:
        api: What all routes share.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._service = api.service

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Take up the routes."""
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
        fault = self._api.faults.draw("cdn")
        if fault is not None:
            service.counters.faults[fault.name] += 1
            if fault.effect not in BODY_FAULTS:
                return await answer_with_fault(
                    request,
                    fault,
                    None,
                    clock=service.timeline.clock,
                    hang_s=service.profile.hang_s,
                    trace_id="",
                )
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
        now_ms = self._service.timeline.now_ms()
        verdict = self._api.signer.judge(request.path_qs, request.query, now_ms)
        if verdict is Verdict.OPEN:
            return None
        status = self._service.profile.altered_url_status
        if verdict is Verdict.ALTERED and status == REDIRECT:
            return web.Response(status=status, headers={"Location": FOREIGN_URL})
        return denied_answer()

    async def _file(self, request: web.Request, asset_id: str) -> tuple[bytes, str]:
        assets = self._service.assets
        data = await self._api.gallery.read(assets.content_of(asset_id))
        media_type = assets.media_type_of(asset_id)
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
        if self._service.profile.cdn_ranges:
            headers["Accept-Ranges"] = "bytes"
        return web.Response(body=data, headers=headers)

    async def _deliver(  # noqa: PLR0911 - one line for each way
        self,
        request: web.Request,
        answer: web.Response,
        data: bytes,
        fault: InjectedFault | None,
    ) -> web.StreamResponse:
        profile = self._service.profile
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
                return await self._trickle(
                    request, answer, data, profile.slow_bytes_per_second
                )
        if profile.cdn_ranges and "Range" in request.headers:
            return _part_of(request, answer, data)
        if profile.cdn_bytes_per_second is not None:
            speed = profile.cdn_bytes_per_second
            return await self._trickle(request, answer, data, speed)
        if not profile.cdn_content_length:
            return await self._trickle(request, answer, data, None)
        return answer

    async def _trickle(
        self,
        request: web.Request,
        answer: web.Response,
        data: bytes,
        bytes_per_s: float | None,
    ) -> web.StreamResponse:
        stream = web.StreamResponse(headers=answer.headers)
        if self._service.profile.cdn_content_length:
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
