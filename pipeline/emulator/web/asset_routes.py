"""The endpoints that read assets, and the one that uploads a small file."""

import base64
import binascii
from urllib.parse import unquote_to_bytes

from aiohttp import web

from pipeline.emulator.answer import Answer
from pipeline.emulator.gallery import Gallery
from pipeline.emulator.identity import random_of
from pipeline.emulator.job_queries import parse_date, parse_page_size
from pipeline.emulator.outputs import MEDIA_TYPES
from pipeline.emulator.pictures.image_files import (
    MEDIA_TYPES_BY_FORMAT,
    OUTPUT_FORMATS,
)
from pipeline.emulator.profiles.assets import AssetsProfile
from pipeline.emulator.refusal import bad_request, not_found
from pipeline.emulator.service import EmulatedService
from pipeline.emulator.web.app import Api, ApiRequest
from pipeline.emulator.web.urls import SignedUrls

TOO_MANY_IDS = "Too many assetIds provided in a single request"
FIRST_DATE = "1970-01-01T00:00:00.000Z"
FIRST_TOKEN = "0"  # noqa: S105 - where the first page begins


class AssetRoutes:
    """``/assets``.

    Args:
        api: What all routes share.
        service: The service.
        profile: The form of bulk answers and of URLs.
        gallery: The files.
        urls: Makes the URLs of files.
    """

    def __init__(
        self,
        api: Api,
        service: EmulatedService,
        profile: AssetsProfile,
        gallery: Gallery,
        urls: SignedUrls,
    ) -> None:
        self._api = api
        self._service = service
        self._assets = service.assets
        self._profile = profile
        self._gallery = gallery
        self._urls = urls
        self._random = random_of(service.seed, "bulk")

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add the routes to a router."""
        route = self._api.route
        router.add_get("/v1/assets", route("asset", self.list_assets))
        router.add_post("/v1/assets", route("upload", self.upload))
        router.add_post("/v1/assets/get-bulk", route("bulk", self.read_many))
        router.add_get("/v1/assets/{asset_id}", route("asset", self.read))
        router.add_post(
            "/v1/assets/{asset_id}/download", route("asset", self.format_url)
        )

    async def read(self, request: ApiRequest) -> Answer:
        """One asset."""
        asset_id = request.raw.match_info["asset_id"]
        return Answer(
            status=200, body={"asset": await self._describe(asset_id, request)}
        )

    async def read_many(self, request: ApiRequest) -> Answer:
        """Many assets by their ids."""
        profile = self._profile
        body = await request.read_json()
        asset_ids = body.get("assetIds") if isinstance(body, dict) else None
        if not isinstance(asset_ids, list):
            raise bad_request('"assetIds" must be an array')
        if len(asset_ids) > profile.bulk_cap:
            raise bad_request(TOO_MANY_IDS)
        now_ms = self._service.store.advance()
        known = []
        for asset_id in dict.fromkeys(map(str, asset_ids)):
            if self._assets.status_of(asset_id, now_ms) is not None:
                known.append(asset_id)
            elif profile.bulk_unknown != "omit":
                raise not_found("Asset", asset_id)
        if profile.bulk_shuffled:
            self._random.shuffle(known)
        assets = [await self._describe(asset_id, request) for asset_id in known]
        return Answer(status=200, body={"assets": assets})

    async def list_assets(self, request: ApiRequest) -> Answer:
        """One page of all assets, newest first."""
        query = request.raw.query
        now_ms = self._service.store.advance()
        found = sorted(self._assets.list_ids(now_ms), reverse=True)
        if query.get("sortDirection") == "asc":
            found.reverse()
        after_ms = parse_date(query.get("createdAfter") or FIRST_DATE)
        types = set(
            filter(None, (query.get("types") or query.get("type", "")).split(","))
        )
        chosen = []
        for created_ms, asset_id in found:
            author, model, kind = self._service.asset_view.origin_of(asset_id)
            if (
                created_ms > after_ms
                and query.get("authorId", author) == author
                and query.get("modelId", model) == model
                and (not types or kind in types)
            ):
                chosen.append(asset_id)
        token = query.get("paginationToken") or FIRST_TOKEN
        if not token.isdecimal():
            raise bad_request("Invalid pagination token")
        start = int(token)
        end = start + parse_page_size(query)
        page = [await self._describe(name, request) for name in chosen[start:end]]
        body: dict[str, object] = {"assets": page}
        if end < len(chosen):
            body["nextPaginationToken"] = str(end)
        return Answer(status=200, body=body)

    async def upload(self, request: ApiRequest) -> Answer:
        """Make an asset of an image in base64 or in a data URL."""
        body = await request.read_json()
        if not isinstance(body, dict) or not isinstance(body.get("name"), str):
            raise bad_request('"name" is required')
        image = body.get("image")
        if not isinstance(image, str) or not image:
            raise bad_request('"image" is required')
        asset = self._service.uploads.add_file(
            body["name"], _decode_image(image), request.author_id
        )
        described = await self._describe(asset.asset_id, request)
        return Answer(status=200, body={"asset": described})

    async def format_url(self, request: ApiRequest) -> Answer:
        """A signed URL of the asset in another format."""
        asset_id = request.raw.match_info["asset_id"]
        body = await request.read_json()
        self._demand_status(asset_id)
        target = body.get("targetFormat") if isinstance(body, dict) else None
        media_type = self._service.contents.media_type_of(asset_id)
        if target is None:
            url = self._urls.make_cdn(f"/assets/{asset_id}")
            return Answer(status=200, body={"url": url, "mimeType": media_type})
        if not media_type.startswith("image/"):
            if MEDIA_TYPES.get(target) != media_type:  # only as it is stored
                raise bad_request("Invalid target format")
            url = self._urls.make_cdn(f"/assets/{asset_id}")
            return Answer(status=200, body={"url": url, "mimeType": media_type})
        if target not in OUTPUT_FORMATS:
            raise bad_request("Invalid target format")
        path = f"/assets-transform/{asset_id}"
        url = self._urls.make_cdn(path, f"format={target}&")
        media_type = MEDIA_TYPES_BY_FORMAT[target]
        return Answer(status=200, body={"url": url, "mimeType": media_type})

    def _demand_status(self, asset_id: str) -> str:
        status = self._assets.status_of(asset_id, self._service.store.advance())
        if status is None:
            raise not_found("Asset", asset_id)
        return status

    async def _describe(self, asset_id: str, request: ApiRequest) -> dict[str, object]:
        contents = self._service.contents
        status = self._demand_status(asset_id)
        facts = None
        if status == "success":
            facts = await self._gallery.measure(contents.content_of(asset_id))
        is_original = request.raw.query.get("originalAssets") == "true"
        path = f"/assets/{asset_id}"
        is_image = contents.media_type_of(asset_id).startswith("image/")
        if self._profile.transformed_urls and is_image and not is_original:
            path = f"/assets-transform/{asset_id}?p=100"
        url = self._urls.make_cdn(path)
        now_ms = self._service.timeline.now_ms()
        return self._service.asset_view.describe(asset_id, now_ms, url=url, facts=facts)


def _decode_image(image: str) -> bytes:
    head, comma, text = image.partition(",")
    if image.startswith("data:") and comma:
        if not head.endswith(";base64"):
            return unquote_to_bytes(text)
        image = text
    try:
        return base64.b64decode(image, validate=True)
    except (binascii.Error, ValueError) as error:
        raise bad_request("Invalid image: not base64") from error
