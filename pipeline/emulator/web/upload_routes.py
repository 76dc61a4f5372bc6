"""The endpoints of multipart uploads, and the URLs to which parts are sent."""

from aiohttp import web

from pipeline.emulator.answer import Answer
from pipeline.emulator.refusal import Refused
from pipeline.emulator.service import EmulatedService
from pipeline.emulator.signing import Verdict
from pipeline.emulator.submissions import QUOTE_STATUS
from pipeline.emulator.upload import Upload
from pipeline.emulator.web.app import Api, ApiRequest
from pipeline.emulator.web.fault_answers import denied_answer
from pipeline.emulator.web.urls import SignedUrls

CHUNK_BYTES = 2**20
PART_CAP_BYTES = 128 * 2**20


class UploadRoutes:
    """``/uploads``, and the URLs of parts.

    Args:
        api: What all routes share.
        service: The service.
        urls: Makes and checks the URLs of parts.
        part_status: The answer to a part.
    """

    def __init__(
        self, api: Api, service: EmulatedService, urls: SignedUrls, *, part_status: int
    ) -> None:
        self._api = api
        self._service = service
        self._urls = urls
        self._part_status = part_status

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add the routes to a router."""
        route = self._api.route
        router.add_post("/v1/uploads", route("upload", self.create))
        router.add_get("/v1/uploads/{upload_id}", route("upload", self.read))
        router.add_post(
            "/v1/uploads/{upload_id}/action", route("upload", self.complete)
        )
        router.add_put("/upload-parts/{upload_id}/{number}", self.receive_part)

    async def create(self, request: ApiRequest) -> Answer:
        """Create an upload."""
        body = await request.read_json()
        if request.is_dry_run():
            costs = {"creativeUnitsCost": 0, "creativeUnitsDiscount": 0}
            return Answer(status=QUOTE_STATUS, body={**costs, "costDetails": {}})
        upload = self._service.uploads.create(body, request.author_id)
        return self._answer(upload)

    async def read(self, request: ApiRequest) -> Answer:
        """The state of an upload, with new URLs for its parts."""
        upload_id = request.raw.match_info["upload_id"]
        return self._answer(self._service.uploads.find(upload_id))

    async def complete(self, request: ApiRequest) -> Answer:
        """Complete an upload."""
        body = await request.read_json()
        upload_id = request.raw.match_info["upload_id"]
        return self._answer(self._service.uploads.complete(upload_id, body))

    async def receive_part(self, request: web.Request) -> web.StreamResponse:
        """Receive the bytes of one part. Its URL is signed and needs no key."""
        service = self._service
        service.counters.requests["part"] += 1
        if "Authorization" in request.headers:
            service.counters.credentials_at_parts += 1
            return denied_answer()
        if self._urls.check(request) is not Verdict.OPEN:
            return denied_answer()
        fault = self._api.draw_fault("part")
        if fault is not None:
            return await self._api.inject(request, fault)
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
        return web.Response(status=self._part_status)

    def _answer(self, upload: Upload) -> Answer:
        described = upload.describe(
            self._service.timeline.now_ms(),
            lambda number: self._urls.make_part(upload.upload_id, number),
        )
        return Answer(status=200, body={"upload": described})
