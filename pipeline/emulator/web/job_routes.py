"""Endpoints that make jobs and read them."""

from aiohttp import web

from pipeline.emulator.faults import Effect
from pipeline.emulator.service import Answer
from pipeline.emulator.web.app import Api, ApiRequest


class JobRoutes:
    """``/generate/custom`` and ``/jobs``.

    Args:
        api: What all routes share.
    """

    def __init__(self, api: Api) -> None:
        self._service = api.service
        self._api = api

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Take up the routes."""
        route = self._api.route
        router.add_post(
            "/v1/generate/custom/{model_id}", route(_submit_or_quote, self.submit)
        )
        router.add_get("/v1/jobs", route("list", self.list_jobs))
        router.add_get("/v1/jobs/{job_id}", route("poll", self.read))
        router.add_post("/v1/jobs/{job_id}/action", route("action", self.act))

    async def submit(self, request: ApiRequest) -> Answer:
        """Make a job, or price it."""
        # Nothing is awaited after the body: a request is carried out or it is not.
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
    return "quote" if request.query.get("dryRun", "") in {"true", "api"} else "submit"
