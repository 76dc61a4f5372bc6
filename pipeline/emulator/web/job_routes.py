"""The endpoints that make jobs and read them."""

from aiohttp import web

from pipeline.emulator.answer import Answer
from pipeline.emulator.faults import Effect
from pipeline.emulator.service import EmulatedService
from pipeline.emulator.web.app import Api, ApiRequest, asks_for_price


class JobRoutes:
    """``/generate/custom`` and ``/jobs``.

    Args:
        api: What all routes share.
        service: The service.
    """

    def __init__(self, api: Api, service: EmulatedService) -> None:
        self._api = api
        self._service = service

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add the routes to a router."""
        route = self._api.route
        router.add_post(
            "/v1/generate/custom/{model_id}", route(_submit_or_quote, self.submit)
        )
        router.add_get("/v1/jobs", route("list", self.list_jobs))
        router.add_get("/v1/jobs/{job_id}", route("poll", self.read))
        router.add_post("/v1/jobs/{job_id}/action", route("action", self.act))

    async def submit(self, request: ApiRequest) -> Answer:
        """Make a job, or give its price."""
        # Nothing is awaited after the body, so no submit can be interrupted halfway.
        body = await request.read_json()
        return self._service.submit(
            request.raw.match_info["model_id"],
            body,
            request.author_id,
            is_quote=request.is_dry_run(),
        )

    async def list_jobs(self, request: ApiRequest) -> Answer:
        """One page of jobs."""
        effect = request.fault.effect if request.fault else None
        body = self._service.list_jobs(
            request.raw.query,
            request.author_id,
            is_empty=effect is Effect.EMPTY_PAGE,
            is_endless=effect is Effect.ENDLESS,
        )
        return Answer(status=200, body=body)

    async def read(self, request: ApiRequest) -> Answer:
        """One job."""
        job_id = request.raw.match_info["job_id"]
        body = self._service.read_job(job_id, request.author_id)
        return Answer(status=200, body=body)

    async def act(self, request: ApiRequest) -> Answer:
        """Try to cancel a job."""
        body = await request.read_json()
        job_id = request.raw.match_info["job_id"]
        return Answer(status=200, body=self._service.act_on_job(job_id, body))


def _submit_or_quote(request: web.Request) -> str:
    return "quote" if asks_for_price(request) else "submit"
