"""The endpoints of models, teams, limits and usages."""

from collections.abc import Mapping

from aiohttp import web

from pipeline.emulator.answer import Answer
from pipeline.emulator.job_queries import parse_page_size
from pipeline.emulator.refusal import bad_request
from pipeline.emulator.service import EmulatedService
from pipeline.emulator.web.app import Api, ApiRequest

MINIMAL_KEYS = ("id", "name", "type")
MOST_MODELS = 500


class AccountRoutes:
    """``/models``, ``/teams`` and ``/usages``.

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
        router.add_get("/v1/models", route("model", self.list_models))
        router.add_post("/v1/models/get-bulk", route("model", self.read_models))
        router.add_get("/v1/models/{model_id}", route("model", self.read_model))
        router.add_get("/v1/teams", route("account", self.list_teams))
        router.add_get("/v1/teams/{team_id}", route("account", self.read_team))
        router.add_get("/v1/teams/{team_id}/limits", route("account", self.read_limits))
        router.add_get("/v1/usages", route("account", self.read_usages))

    async def read_model(self, request: ApiRequest) -> Answer:
        """One model."""
        model_id = request.raw.match_info["model_id"]
        return Answer(status=200, body=self._service.read_model(model_id))

    async def list_models(self, request: ApiRequest) -> Answer:
        """All models with ``privacy=public``. The team itself has none."""
        query = request.raw.query
        size = query.get("pageSize", "")
        if not size.isdecimal() or int(size) > MOST_MODELS:
            parse_page_size(query)
        records: list[Mapping[str, object]] = []
        if query.get("privacy") == "public":
            models = self._service.models.values()
            records = [_without_inputs(model.record) for model in models]
        shown = records[: int(size)] if size else records
        return Answer(status=200, body={"models": shown})

    async def read_models(self, request: ApiRequest) -> Answer:
        """Several models by their ids, without the unknown ones."""
        body = await request.read_json()
        model_ids = body.get("modelIds") if isinstance(body, dict) else None
        if not isinstance(body, dict) or not isinstance(model_ids, list):
            raise bad_request('"modelIds" must be an array')
        known = self._service.models
        records: list[Mapping[str, object]] = [
            _without_inputs(known[name].record) for name in model_ids if name in known
        ]
        if body.get("minimal") is True:
            records = [
                {key: record[key] for key in MINIMAL_KEYS if key in record}
                for record in records
            ]
        return Answer(status=200, body={"models": records})

    async def list_teams(self, _request: ApiRequest) -> Answer:
        """The team."""
        return Answer(status=200, body=self._service.account.teams())

    async def read_team(self, request: ApiRequest) -> Answer:
        """The team by its id."""
        team_id = request.raw.match_info["team_id"]
        return Answer(status=200, body=self._service.account.team(team_id))

    async def read_limits(self, request: ApiRequest) -> Answer:
        """What the team's plan allows."""
        team_id = request.raw.match_info["team_id"]
        now_ms = self._service.store.advance()
        return Answer(status=200, body=self._service.account.limits(team_id, now_ms))

    async def read_usages(self, _request: ApiRequest) -> Answer:
        """What was consumed and refunded."""
        now_ms = self._service.store.advance()
        return Answer(status=200, body=self._service.account.usages(now_ms))


def _without_inputs(record: Mapping[str, object]) -> Mapping[str, object]:
    # Only a read of one model shows its inputs.
    return {key: value for key, value in record.items() if key != "inputs"}
