"""The service behind aiohttp routes: what every request of /v1 goes through.

Credentials, projects, limits on requests, faults, the ``Date`` header, trace ids
and errors are here; each group of endpoints has a module of its own.
"""

import base64
import binascii
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from email.utils import format_datetime

import msgspec
from aiohttp import web

from pipeline.emulator.faults import FaultInjector, InjectedFault
from pipeline.emulator.gallery import Gallery
from pipeline.emulator.identity import PROJECT_ID, make_id
from pipeline.emulator.refusal import Refused, bad_request
from pipeline.emulator.service import Answer, EmulatedService
from pipeline.emulator.signing import Signer, window_end_ms
from pipeline.emulator.timeline import span_ms
from pipeline.emulator.web.fault_answers import answer_with_fault, html_answer

JSON_TYPE = "application/json"
UNAUTHORIZED = "Unauthorized"
TOO_LARGE = "Request body too large"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRequest:
    """One request of /v1 that may go on.

    Attributes:
        raw: As received.
        author_id: Who sent it.
        fault: What will go wrong with its answer, if anything.
    """

    raw: web.Request
    author_id: str
    fault: InjectedFault | None

    async def read_json(self) -> object:
        """The body; an empty one is an empty object.

        Raises:
            Refused: 400, it is no JSON.
        """
        data = await self.raw.read()
        try:
            return msgspec.json.decode(data) if data else {}
        except msgspec.DecodeError as error:
            raise bad_request("Invalid JSON in request body") from error

    def is_dry_run(self) -> bool:
        """Whether the query asks for a price only."""
        return self.raw.query.get("dryRun", "") in {"true", "api"}


Handler = Callable[[ApiRequest], Awaitable[Answer]]
EndpointOf = str | Callable[[web.Request], str]
RawHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Api:
    """What all routes share.

    Args:
        service: The service behind them.
        gallery: The files of its assets.
        faults: What goes wrong.
        signer: Makes the signed URLs.
        urls: Where the emulator can be reached.
    """

    def __init__(
        self,
        service: EmulatedService,
        gallery: Gallery,
        faults: FaultInjector,
        signer: Signer,
        urls: "Addresses",
    ) -> None:
        self.service = service
        self.gallery = gallery
        self.faults = faults
        self.signer = signer
        self.urls = urls
        self._traces = itertools.count(1)

    def route(self, endpoint: EndpointOf, handler: Handler) -> RawHandler:
        """Put a handler behind what every request goes through.

        Args:
            endpoint: The class of endpoints, for faults and counters.
            handler: Makes the answer.
        """

        async def handle(request: web.Request) -> web.StreamResponse:
            name = endpoint if isinstance(endpoint, str) else endpoint(request)
            answer = await self._handle(request, name, handler)
            self.service.counters.answers[f"{name} {answer.status}"] += 1
            return answer

        return handle

    def cdn_url(self, path: str, extra: str = "") -> str:
        """A signed URL for a path of the CDN, with the query that it covers."""
        now_ms = self.service.timeline.now_ms()
        lifetime_s = self.service.profile.cdn_lifetime_s
        if lifetime_s is None:
            expires_ms = window_end_ms(now_ms)
        else:
            expires_ms = now_ms + span_ms(lifetime_s)
        joint = "&" if "?" in path else "?"
        query = self.signer.query(path, expires_ms)
        return f"{self.urls.cdn}{path}{joint}{extra}{query}"

    async def stamp_date(
        self, _request: web.Request, response: web.StreamResponse
    ) -> None:
        """Let ``Date`` tell the service's time, as far off as the profile says."""
        skew = timedelta(seconds=self.service.profile.date_skew_s)
        now = self.service.timeline.clock.utc_now() + skew
        response.headers["Date"] = format_datetime(now, usegmt=True)

    async def _handle(
        self, request: web.Request, name: str, handler: Handler
    ) -> web.StreamResponse:
        service = self.service
        self._count(request, name)
        if service.profile.answer_delay_s:
            await service.timeline.clock.sleep(service.profile.answer_delay_s)
        trace_id = make_id("trace", service.profile.seed, next(self._traces))
        fault: InjectedFault | None = None
        try:
            author_id = self._author_of(request)
            service.gate.demand_pace(service.timeline.now_ms())
            self._demand_project(request)
            fault = self.faults.draw(name)
            if fault is not None and not fault.after:
                return await self._strike(request, fault, None, trace_id)
            accepted = ApiRequest(raw=request, author_id=author_id, fault=fault)
            made = await handler(accepted)
            answer = self._answer(made.status, made.body)
        except Refused as refused:
            body = {**refused.body, "trace_id": trace_id}
            answer = self._answer(refused.status, body)
            answer.headers.update(refused.headers)
        except web.HTTPRequestEntityTooLarge:
            answer = self._answer(413, {"message": TOO_LARGE, "trace_id": trace_id})
        if fault is not None:
            return await self._strike(request, fault, answer, trace_id)
        return answer

    async def _strike(
        self,
        request: web.Request,
        fault: InjectedFault,
        answer: web.Response | None,
        trace_id: str,
    ) -> web.StreamResponse:
        self.service.counters.faults[fault.name] += 1
        return await answer_with_fault(
            request,
            fault,
            answer,
            clock=self.service.timeline.clock,
            hang_s=self.service.profile.hang_s,
            trace_id=trace_id,
        )

    def _answer(self, status: int, body: object) -> web.Response:
        data = msgspec.json.encode(body)
        if len(data) > self.service.profile.response_cap_bytes:
            return html_answer(502)
        return web.Response(status=status, body=data, content_type=JSON_TYPE)

    def _count(self, request: web.Request, name: str) -> None:
        counters = self.service.counters
        counters.requests[name] += 1
        counters.submits_received += name == "submit"
        counters.quotes_received += name == "quote"
        counters.user_agents[request.headers.get("User-Agent", "")] += 1

    def _author_of(self, request: web.Request) -> str:
        profile = self.service.profile
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic":
            raise Refused(401, UNAUTHORIZED)
        try:
            text = base64.b64decode(token, validate=True).decode("ascii")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise Refused(401, UNAUTHORIZED) from error
        key, colon, secret = text.partition(":")
        if not (key and colon and secret):
            raise Refused(401, UNAUTHORIZED)
        accepted = profile.accepted_keys
        if accepted is not None and accepted.get(key) != secret:
            raise Refused(401, UNAUTHORIZED)
        return make_id("apiu", "" if profile.same_author else key)

    def _demand_project(self, request: web.Request) -> None:
        profile = self.service.profile
        wanted = request.query.get("projectId", PROJECT_ID)
        if wanted != PROJECT_ID:
            raise Refused(
                profile.foreign_project_status, f"Project {wanted} is not accessible"
            )


@dataclass(slots=True, kw_only=True)
class Addresses:
    """Where the emulator can be reached; known once it listens.

    Attributes:
        api: Without /v1, such as ``http://127.0.0.1:40001``.
        cdn: The other listener.
    """

    api: str = ""
    cdn: str = ""
