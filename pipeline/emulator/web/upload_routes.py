"""Endpoints of multipart uploads, and the targets that parts are sent to."""

from aiohttp import web

from pipeline.emulator.refusal import Refused
from pipeline.emulator.service import QUOTE_STATUS, Answer
from pipeline.emulator.signing import Verdict
from pipeline.emulator.timeline import span_ms
from pipeline.emulator.uploads import Upload
from pipeline.emulator.web.app import Api, ApiRequest
from pipeline.emulator.web.fault_answers import answer_with_fault, denied_answer

CHUNK_BYTES = 2**20
PART_CAP_BYTES = 128 * 2**20


class UploadRoutes:
    """``/uploads`` and the part targets.

    Args:
        api: What all routes share.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._service = api.service

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Take up the routes."""
        route = self._api.route
        router.add_post("/v1/uploads", route("upload", self.create))
        router.add_get("/v1/uploads/{upload_id}", route("upload", self.read))
        router.add_post(
            "/v1/uploads/{upload_id}/action", route("upload", self.complete)
        )
        router.add_put("/upload-parts/{upload_id}/{number}", self.receive_part)

    async def create(self, request: ApiRequest) -> Answer:
        """Begin an upload."""
        body = await request.read_json()
        if request.is_dry_run():
            costs = {"creativeUnitsCost": 0, "creativeUnitsDiscount": 0}
            return Answer(status=QUOTE_STATUS, body={**costs, "costDetails": {}})
        upload = self._service.uploads.create(body, request.author_id)
        return self._answer(upload)

    async def read(self, request: ApiRequest) -> Answer:
        """How an upload stands; part URLs are signed anew."""
        upload_id = request.raw.match_info["upload_id"]
        return self._answer(self._service.uploads.find(upload_id))

    async def complete(self, request: ApiRequest) -> Answer:
        """End an upload."""
        body = await request.read_json()
        upload_id = request.raw.match_info["upload_id"]
        return self._answer(self._service.uploads.complete(upload_id, body))

    async def receive_part(self, request: web.Request) -> web.StreamResponse:
        """Take the bytes of one part; signed by its URL, never by a key."""
        service = self._service
        service.counters.requests["part"] += 1
        now_ms = service.timeline.now_ms()
        if "Authorization" in request.headers:
            service.counters.credentials_at_parts += 1
            return denied_answer()
        verdict = self._api.signer.judge(request.path_qs, request.query, now_ms)
        if verdict is not Verdict.OPEN:
            return denied_answer()
        fault = self._api.faults.draw("part")
        if fault is not None:
            service.counters.faults[fault.name] += 1
            return await answer_with_fault(
                request,
                fault,
                None,
                clock=service.timeline.clock,
                hang_s=service.profile.hang_s,
                trace_id="",
            )
        data = bytearray()
        async for chunk in request.content.iter_chunked(CHUNK_BYTES):
            data += chunk
            if len(data) > PART_CAP_BYTES:
                return denied_answer(413)
        number = request.match_info["number"]
        try:
            service.uploads.receive_part(
                request.match_info["upload_id"],
                int(number) if number.isdecimal() else 0,
                bytes(data),
            )
        except Refused as refused:
            return denied_answer(refused.status)
        return web.Response(status=service.profile.part_status)

    def _answer(self, upload: Upload) -> Answer:
        now_ms = self._service.timeline.now_ms()
        described = self._service.uploads.describe(
            upload, now_ms, lambda number: self._part_url(upload, number, now_ms)
        )
        return Answer(status=200, body={"upload": described})

    def _part_url(self, upload: Upload, number: int, now_ms: int) -> tuple[str, int]:
        path = f"/upload-parts/{upload.upload_id}/{number}"
        expires_ms = now_ms + span_ms(self._service.profile.part_lifetime_s)
        query = self._api.signer.query(path, expires_ms)
        return f"{self._api.urls.api}{path}?{query}", expires_ms
