"""What every request of /v1 goes through before and after its own handler.

Credentials, projects, the limit on requests, faults, the ``Date`` header, trace ids and
errors are here. Each group of endpoints has a module of its own.
"""

import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from email.utils import format_datetime

import msgspec
from aiohttp import web

from pipeline.emulator.answer import Answer
from pipeline.emulator.fault_injector import FaultInjector
from pipeline.emulator.faults import InjectedFault
from pipeline.emulator.identity import PROJECT_ID, make_id
from pipeline.emulator.profiles.limits import LimitsProfile
from pipeline.emulator.refusal import Refused, bad_request
from pipeline.emulator.service import EmulatedService
from pipeline.emulator.web.credentials import author_of
from pipeline.emulator.web.fault_answers import answer_with_fault, html_answer

JSON_TYPE = "application/json"
EMULATOR_HEADER = "X-Pipeline-Emulator"  # so that nobody takes it for the service
TOO_LARGE = "Request body too large"
DRY_RUNS = frozenset({"true", "api"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRequest:
    """A request of /v1 that has passed the common checks.

    Attributes:
        raw: The request, as received.
        author_id: Who sent it.
        fault: The fault that will spoil its answer, if any.
    """

    raw: web.Request
    author_id: str
    fault: InjectedFault | None

    async def read_json(self) -> object:
        """The body. An empty body is an empty object.

        Raises:
            Refused: 400: it is not valid JSON.
        """
        data = await self.raw.read()
        try:
            return msgspec.json.decode(data) if data else {}
        except msgspec.DecodeError as error:
            raise bad_request("Invalid JSON in request body") from error

    def is_dry_run(self) -> bool:
        """Whether the query asks for a price only."""
        return asks_for_price(self.raw)


Handler = Callable[[ApiRequest], Awaitable[Answer]]
EndpointOf = str | Callable[[web.Request], str]
RawHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Api:
    """What all routes share.

    Args:
        limits: The accepted keys, and the largest answer.
        service: The service behind the routes.
        faults: Chooses the faults.
        hang_s: How long a fault that hangs holds the connection.
        answer_delay_s: The wait before every answer.
        date_skew_s: How far the ``Date`` header differs from the service's time.
    """

    def __init__(
        self,
        limits: LimitsProfile,
        service: EmulatedService,
        faults: FaultInjector,
        *,
        hang_s: float,
        answer_delay_s: float,
        date_skew_s: float,
    ) -> None:
        self._limits = limits
        self._service = service
        self._faults = faults
        self._hang_s = hang_s
        self._answer_delay_s = answer_delay_s
        self._date_skew = timedelta(seconds=date_skew_s)
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
            self._service.counters.answers[f"{name} {answer.status}"] += 1
            return answer

        return handle

    def draw_fault(self, endpoint: str) -> InjectedFault | None:
        """The fault to inject into a request to this class of endpoints, if any."""
        return self._faults.draw(endpoint)

    async def inject(
        self,
        request: web.Request,
        fault: InjectedFault,
        answer: web.Response | None = None,
        trace_id: str = "",
    ) -> web.StreamResponse:
        """Count a fault, and answer a request with it.

        Args:
            request: The request.
            fault: The fault.
            answer: The answer to spoil, for faults that come after the effect.
            trace_id: The trace id of JSON errors.
        """
        self._service.counters.faults[fault.name] += 1
        return await answer_with_fault(
            request,
            fault,
            answer,
            clock=self._service.timeline.clock,
            hang_s=self._hang_s,
            trace_id=trace_id,
        )

    async def stamp(self, _request: web.Request, response: web.StreamResponse) -> None:
        """Say that this is the emulator, and the service's time with its skew."""
        response.headers[EMULATOR_HEADER] = "1"
        now = self._service.timeline.clock.utc_now() + self._date_skew
        response.headers["Date"] = format_datetime(now, usegmt=True)

    async def _handle(
        self, request: web.Request, name: str, handler: Handler
    ) -> web.StreamResponse:
        service = self._service
        self._count(request, name)
        if self._answer_delay_s:
            await service.timeline.clock.sleep(self._answer_delay_s)
        trace_id = make_id("trace", service.seed, next(self._traces))
        fault: InjectedFault | None = None
        try:
            authorization = request.headers.get("Authorization", "")
            author_id = author_of(authorization, self._limits)
            service.gate.demand_pace(service.timeline.now_ms())
            self._demand_project(request)
            fault = self.draw_fault(name)
            if fault is not None and not fault.after:
                return await self.inject(request, fault, None, trace_id)
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
            return await self.inject(request, fault, answer, trace_id)
        return answer

    def _answer(self, status: int, body: object) -> web.Response:
        data = msgspec.json.encode(body)
        if len(data) > self._limits.response_cap_bytes:
            return html_answer(502)
        return web.Response(status=status, body=data, content_type=JSON_TYPE)

    def _count(self, request: web.Request, name: str) -> None:
        counters = self._service.counters
        counters.requests[name] += 1
        counters.submits_received += name == "submit"
        counters.quotes_received += name == "quote"
        counters.user_agents[request.headers.get("User-Agent", "")] += 1

    def _demand_project(self, request: web.Request) -> None:
        wanted = request.query.get("projectId", PROJECT_ID)
        if wanted != PROJECT_ID:
            raise Refused(
                self._limits.foreign_project_status,
                f"Project {wanted} is not accessible",
            )


def asks_for_price(request: web.Request) -> bool:
    """Whether the query of a submit makes it a dry run."""
    return request.query.get("dryRun", "") in DRY_RUNS
