"""A service of our own making, with books of its own, that shares no code with ours.

It knows whatever models a test gives it, and checks requests against their schemas.
"""

import base64
import json
from collections.abc import Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

PUBLIC = "public-auth-token"
CREATED = "2026-11-30T10:00:00.000Z"


@dataclass(slots=True)
class OtherService:
    """One HTTP server; jobs end as soon as they are looked at.

    Attributes:
        models: Records by id; those of a list have no inputs.
        makes: By model: the files of a job, or a dict or text for its own record.
        kinds: By the first bytes of a file: what the record of its asset says.
        submits: Model and body of each paid submit.
        requests: Method and path of every request.
        authorizations: Those that were sent to the API.
        page_size: Models on a page.
    """

    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    makes: dict[str, Any] = field(default_factory=dict)
    kinds: dict[bytes, tuple[str, str]] = field(default_factory=dict)
    submits: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    authorizations: set[str] = field(default_factory=set)
    page_size: int = 2
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    address: str = ""

    @property
    def base_url(self) -> str:
        return f"{self.address}/v1"

    @asynccontextmanager
    async def serving(self):
        app = web.Application(client_max_size=16 << 20, middlewares=[self._note])
        app.add_routes(
            [
                web.get("/v1/teams", self._teams),
                web.get("/v1/models", self._list_models),
                web.get("/v1/models/{id}", self._read_model),
                web.post("/v1/generate/custom/{id}", self._generate),
                web.get("/v1/jobs", self._list_jobs),
                web.get("/v1/jobs/{id}", self._read_job),
                web.post("/v1/assets", self._upload),
                web.post("/v1/assets/get-bulk", self._read_assets),
                web.get("/v1/assets/{id}", self._read_asset),
                web.get("/files/{id}", self._download),
            ]
        )
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        self.address = f"http://{host}:{port}"
        try:
            yield self
        finally:
            await runner.cleanup()

    # --- handlers -------------------------------------------------------------

    @web.middleware
    async def _note(self, request, handler):
        self.requests.append((request.method, request.path))
        if request.path.startswith("/v1"):
            self.authorizations.add(request.headers.get("Authorization", ""))
        return await handler(request)

    async def _teams(self, _request):
        return web.json_response({"teams": []})

    async def _list_models(self, request):
        if request.query.get("privacy") != "public":
            return web.json_response({"models": []})
        start = int(request.query.get("paginationToken") or 0)
        ids = sorted(self.models)
        shown = [
            {key: value for key, value in self.models[one].items() if key != "inputs"}
            for one in ids[start : start + self.page_size]
        ]
        answer: dict[str, Any] = {"models": shown}
        if start + self.page_size < len(ids):
            answer["nextPaginationToken"] = str(start + self.page_size)
        return web.json_response(answer)

    async def _read_model(self, request):
        record = self.models.get(request.match_info["id"])
        if record is None:
            return web.json_response({"reason": "Model not found"}, status=404)
        return web.json_response({"model": record})

    async def _generate(self, request):
        model_id = request.match_info["id"]
        body = await request.json()
        wrong = self._find_wrong(model_id, body)
        if wrong:
            return web.json_response({"reason": wrong}, status=400)
        if request.query.get("dryRun") == "true":
            return web.json_response({"job": {}, "creativeUnitsCost": 4}, status=269)
        self.submits.append((model_id, body))
        job_id = f"job_{len(self.jobs) + 1}"
        made = self.makes[model_id]
        metadata: dict[str, Any] = {"input": {**body, "modelId": model_id}}
        if isinstance(made, list):
            metadata["assetIds"] = [
                self._keep(f"asset_{job_id}_{number}", content)
                for number, content in enumerate(made)
            ]
        else:
            metadata["output"] = made
        self.jobs[job_id] = {
            "jobId": job_id,
            "jobType": "custom",
            "status": "success",
            "authorId": "apiu_1",
            "ownerId": "proj_1",
            "createdAt": _now(),
            "updatedAt": _now(),
            "billing": {"cuCost": 4, "cuDiscount": 0},
            "metadata": metadata,
        }
        shown = {**self.jobs[job_id], "status": "queued", "metadata": {}}
        return web.json_response({"job": shown, "creativeUnitsCost": 4})

    async def _list_jobs(self, request):
        after = request.query.get("updatedAfter") or request.query.get("createdAfter")
        found = [
            job for job in self.jobs.values() if not after or job["updatedAt"] > after
        ]
        return web.json_response({"jobs": found[::-1]})

    async def _read_job(self, request):
        job = self.jobs.get(request.match_info["id"])
        if job is None:
            return web.json_response({"reason": "Job not found"}, status=404)
        return web.json_response({"job": job})

    async def _upload(self, request):
        body = await request.json()
        content = base64.b64decode(body["image"])
        asset_id = self._keep(f"asset_up{len(self.files)}", content)
        return web.json_response({"asset": self._record(asset_id)})

    async def _read_assets(self, request):
        asked = (await request.json())["assetIds"]
        found = [self._record(one) for one in asked if one in self.files]
        return web.json_response({"assets": found})

    async def _read_asset(self, request):
        asset_id = request.match_info["id"]
        if asset_id not in self.files:
            return web.json_response({"reason": "Asset not found"}, status=404)
        return web.json_response({"asset": self._record(asset_id)})

    async def _download(self, request):
        assert "Authorization" not in request.headers
        return web.Response(body=self.files[request.match_info["id"]])

    # --- books ----------------------------------------------------------------

    def _keep(self, asset_id: str, content: bytes) -> str:
        self.files[asset_id] = content
        return asset_id

    def _record(self, asset_id: str) -> dict[str, Any]:
        content = self.files[asset_id]
        kind, media_type = next(
            (said for head, said in self.kinds.items() if head in content[:16]),
            ("image", "image/png"),
        )
        return {
            "id": asset_id,
            "url": f"{self.address}/files/{asset_id}?Signature=s",
            "status": "success",
            "kind": kind,
            "mimeType": media_type,
            "properties": {"size": len(content)},
            "authorId": "apiu_1",
        }

    def _find_wrong(self, model_id: str, body: Mapping[str, Any]) -> str:
        if model_id not in self.models:
            return f"Model {model_id} not found"
        listed = self.models[model_id].get("inputs", ())
        inputs = {one["name"]: one for one in listed if isinstance(one, dict)}
        for name, value in body.items():
            if name not in inputs:
                return f"Unknown input {name}"
            if not self._fits(inputs[name], value):
                return f"Input {name} is wrong: {json.dumps(value)[:80]}"
        missing = [
            name
            for name, one in inputs.items()
            if one.get("required") == {"always": True} and name not in body
        ]
        return f"Input {missing[0]} is required" if missing else ""

    def _fits(self, described: Mapping[str, Any], value: Any) -> bool:
        wanted = described["type"]
        if wanted.endswith("_array"):
            return isinstance(value, list) and all(
                self._fits({**described, "type": wanted[:-6]}, one) for one in value
            )
        if wanted == "inputs":
            fields = {one["name"]: one for one in described["inputs"]}
            return isinstance(value, dict) and all(
                name in fields and self._fits(fields[name], one)
                for name, one in value.items()
            )
        if wanted == "file":
            return value in self.files
        shapes: dict[str, Any] = {"number": (int, float), "boolean": bool}
        return isinstance(value, shapes.get(wanted, object)) and (
            wanted == "boolean" or not isinstance(value, bool)
        )


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
