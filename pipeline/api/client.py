"""HttpApi: the service over aiohttp. One method makes one exchange.

Every failure becomes one of our errors. Nothing here is retried: aiohttp re-sends a GET
on a dead connection by itself, but never a POST. When to ask again is decided where the
ledger and the slots are.
"""

import base64
import io
import logging
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import aiohttp

from pipeline.activity import Activity
from pipeline.api import wire
from pipeline.api.answers import error_of_answer, error_of_exchange, error_of_submit
from pipeline.api.interface import (
    JobFilter,
    JobPage,
    ModelPage,
    NoPrice,
    Quote,
    RemoteAsset,
    RemoteJob,
    RemoteUpload,
    Submission,
    TeamLimits,
    UnexpectedJob,
)
from pipeline.api.proxy import find_proxy
from pipeline.api.rate_limiter import (
    LONGEST_HOLD_S,
    Priority,
    RateLimiter,
    rate_limiter_of,
)
from pipeline.clock import Clock, format_utc
from pipeline.counting import plural
from pipeline.errors import (
    AccessDenied,
    JobError,
    PipelineError,
    RateLimited,
    Rejected,
    RunError,
    UnexpectedAnswer,
)
from pipeline.job import AssetId, JsonValue, RemoteId
from pipeline.redaction import SECRETS
from pipeline.settings import Credentials, Settings
from pipeline.version import __version__

PAGE_SIZE = 100  # the service's cap
MODELS_PAGE_SIZE = 500  # the service's cap for models
PUBLIC_TOKEN = "public-auth-token"  # noqa: S105 - anybody's, for what is public
QUOTE_STATUS = 269  # the answer to a dry run, and to nothing else
MAX_BODY_BYTES = 16 << 20  # above any real answer (6 MB), below a bomb
KEEPALIVE_S = 4.0  # less than the 5 s after which common servers close a connection
_LOGGED_BYTES = 4000
_ONE_WRITE_BYTES = 32 << 10  # so that head and body stay below aiohttp's 64 KiB
EMULATOR_HEADER = "X-Pipeline-Emulator"  # in every answer of our emulator
USER_AGENT = f"scenario-pipeline/{__version__}"


logger = logging.getLogger(__name__)


class HttpApi:
    """The service behind ``GenerationApi``; an async context manager.

    Args:
        credentials: The service, and our key for it; without a key, only what is
            public can be read.
        settings: Rate and timeouts.
        clock: The source of time.
        rate_limiter: The rate limiter; None for one that suits settings and service.
        activity: Is told of each request and how it ends, to be shown.
    """

    def __init__(
        self,
        credentials: Credentials,
        settings: Settings,
        clock: Clock,
        *,
        rate_limiter: RateLimiter | None = None,
        activity: Activity | None = None,
    ) -> None:
        self._activity = activity or Activity(clock)
        self._credentials = credentials
        self._settings = settings
        self._clock = clock
        self._rate_limiter = rate_limiter or rate_limiter_of(
            credentials, settings, clock
        )
        self._skew = timedelta()
        self._seen_jobs = wire.SeenJobs()
        self._session: aiohttp.ClientSession | None = None
        self._authorization = {
            "Authorization": aiohttp.encode_basic_auth(
                credentials.key, credentials.secret
            )
            if credentials.key
            else PUBLIC_TOKEN
        }
        self._proxy = find_proxy(credentials.base_url)
        self._answered_at_s: float | None = None
        self._is_emulator = False

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,  # slots and the rate limiter are the limits
                keepalive_timeout=KEEPALIVE_S,
            ),
            # A proxy gets these too, with CONNECT: they must not include secrets.
            headers={"Accept": "application/json", "User-Agent": USER_AGENT},
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=True,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    @property
    def rate_limiter(self) -> RateLimiter:
        """The rate limiter that every request waits for."""
        return self._rate_limiter

    @property
    def answered_at_s(self) -> float | None:
        """When the last answer came, on the monotonic clock; None before the first."""
        return self._answered_at_s

    @property
    def is_emulator(self) -> bool:
        """Whether a service on this machine has said that it is our emulator."""
        return self._is_emulator

    def service_now(self) -> datetime:
        """The service's time: our clock, corrected by the last ``Date`` it sent."""
        return self._clock.utc_now() + self._skew

    async def submit(
        self, model_id: str, inputs: Mapping[str, JsonValue]
    ) -> Submission:
        """Start a paid job; see ``GenerationApi``."""
        await self._rate_limiter.begin_submit()
        try:
            answer = await self._exchange(
                "POST",
                f"/generate/custom/{_segment(model_id)}",
                priority=Priority.SUBMIT,
                body=inputs,
                timeout_s=self._settings.submit_timeout_s,
                what=f"submitting to {model_id}",
            )
            return wire.parse_submission(answer)
        except (JobError, RunError) as error:
            meant = error_of_submit(error)
            if meant is error:
                raise
            raise meant from error

    async def find_job(self, remote_id: RemoteId) -> RemoteJob | None:
        """Read one job; None if the service does not know it (404)."""
        answer = await self._find(
            f"/jobs/{_segment(remote_id)}", f"job {remote_id}", priority=Priority.READ
        )
        return None if answer is None else wire.parse_job_answer(answer)

    async def list_jobs(self, which: JobFilter, *, token: str = "") -> JobPage:
        """Read one page of up to 100 jobs; the first without a token."""
        query = {"pageSize": str(PAGE_SIZE)}
        if which.created_after is not None:
            query["createdAfter"] = format_utc(which.created_after)
        else:
            query["types"] = "custom"
            if which.status:
                query["status"] = which.status
            if which.author_id:
                query["authorId"] = which.author_id
            if which.updated_after is not None:
                query["updatedAfter"] = format_utc(which.updated_after)
        if token:
            query["paginationToken"] = token
        return wire.parse_job_page(
            await self._exchange(
                "GET", "/jobs", priority=Priority.LIST, query=query, what="listing jobs"
            ),
            self._seen_jobs.parse,
        )

    async def find_asset(self, asset_id: AssetId) -> RemoteAsset | None:
        """Read one asset with a fresh URL of the original; None on 404."""
        answer = await self._find(
            f"/assets/{_segment(asset_id)}",
            f"asset {asset_id}",
            priority=Priority.READ,
            query={"originalAssets": "true"},
            keeps_urls=True,
        )
        return None if answer is None else wire.parse_asset_answer(answer)

    async def find_assets(
        self, asset_ids: Sequence[AssetId]
    ) -> dict[AssetId, RemoteAsset]:
        """Read up to 200 assets; those the service does not show are left out."""
        answer = await self._exchange(
            "POST",
            "/assets/get-bulk",
            priority=Priority.READ,
            query={"originalAssets": "true"},
            body={"assetIds": list(asset_ids)},
            what=f"reading {plural(len(asset_ids), 'asset')}",
            keeps_urls=True,
        )
        return wire.parse_assets(answer)

    async def upload_image(self, name: str, content: bytes) -> RemoteAsset:
        """Upload a small image (below 3.5 MB) in one request."""
        body = {"name": name, "image": base64.b64encode(content).decode("ascii")}
        answer = await self._exchange(
            "POST",
            "/assets",
            priority=Priority.UPLOAD,
            body=body,
            what=f"uploading {name}",
            keeps_urls=True,
        )
        return wire.parse_asset_answer(answer)

    async def create_upload(
        self, name: str, size_bytes: int, media_type: str, parts: int
    ) -> RemoteUpload:
        """Begin a multipart upload of ``parts`` parts."""
        body = {
            "fileName": name,
            "fileSize": size_bytes,
            "contentType": media_type,
            "kind": _upload_kind(media_type),
            "parts": parts,
        }
        answer = await self._exchange(
            "POST",
            "/uploads",
            priority=Priority.UPLOAD,
            body=body,
            what=f"uploading {name}",
            keeps_urls=True,
        )
        return wire.parse_upload(answer)

    async def complete_upload(self, upload_id: str) -> None:
        """Tell the service that every part has been sent."""
        await self._exchange(
            "POST",
            f"/uploads/{_segment(upload_id)}/action",
            priority=Priority.UPLOAD,
            body={"action": "complete"},
            what=f"completing upload {upload_id}",
        )

    async def find_upload(self, upload_id: str) -> RemoteUpload:
        """Read the progress of the import."""
        answer = await self._exchange(
            "GET",
            f"/uploads/{_segment(upload_id)}",
            priority=Priority.UPLOAD,
            what=f"reading upload {upload_id}",
            keeps_urls=True,
        )
        return wire.parse_upload(answer)

    async def quote(self, model_id: str, inputs: Mapping[str, JsonValue]) -> Quote:
        """Price a request by a dry run, set in the query: in a body it is ignored."""
        status, raw = await self._exchange_raw(
            "POST",
            f"/generate/custom/{_segment(model_id)}",
            priority=Priority.QUOTE,
            query={"dryRun": "true"},
            body=inputs,
            what=f"pricing {model_id}",
        )
        try:
            answer = wire.parse_json(raw)
        except UnexpectedAnswer:
            answer = {}
        started = wire.find_job_id(answer)
        if status != QUOTE_STATUS or wire.names_job(answer):
            job = f" and names job {started}" if started else ""
            raise UnexpectedJob(
                f"a dry run was answered with HTTP {status}{job}:"
                " money may have been spent",
                remote_id=started,
                units=wire.units_from_json(answer.get("creativeUnitsCost")),
            )
        quote = wire.parse_quote(answer)
        if quote is None:
            # Asking again would not help.
            raise NoPrice(
                f"pricing {model_id}: the quote names no price", status=status
            )
        return quote

    async def find_model(self, model_id: str) -> Mapping[str, Any] | None:
        """Read the service's record of a model; None on 404."""
        answer = await self._find(f"/models/{_segment(model_id)}", f"model {model_id}")
        return None if answer is None else wire.parse_model_record(answer)

    async def list_public_models(self, *, token: str = "") -> ModelPage:
        """Read one page of up to 500 public models; their records have no inputs."""
        query = {"privacy": "public", "pageSize": str(MODELS_PAGE_SIZE)}
        if token:
            query["paginationToken"] = token
        return wire.parse_model_page(
            await self._exchange("GET", "/models", query=query, what="listing models")
        )

    async def find_limits(self) -> TeamLimits:
        """Read the team's limits; all unknown if the key may not read them."""
        project_id = ""
        try:
            answer = await self._exchange("GET", "/teams", what="reading the team")
            project_id = wire.parse_project_id(answer)
            teams = wire.parse_team_ids(answer)
            if len(teams) != 1:
                return TeamLimits(project_id=project_id)
            limits = await self._exchange(
                "GET", f"/teams/{_segment(teams[0])}/limits", what="reading the limits"
            )
        except (RunError, Rejected, UnexpectedAnswer, RateLimited) as error:
            if isinstance(error, AccessDenied) and error.status == 401:
                raise
            return TeamLimits(project_id=project_id)
        return TeamLimits(
            ceiling=wire.parse_ceiling(limits),
            units_left=wire.parse_units_left(limits),
            project_id=project_id,
        )

    # --- one exchange ---------------------------------------------------------

    async def _find(
        self,
        path: str,
        what: str,
        *,
        priority: Priority = Priority.OTHER,
        query: Mapping[str, str] | None = None,
        keeps_urls: bool = False,
    ) -> Mapping[str, Any] | None:
        try:
            return await self._exchange(
                "GET",
                path,
                priority=priority,
                query=query,
                what=f"reading {what}",
                keeps_urls=keeps_urls,
            )
        except Rejected as error:
            if error.status == 404:
                return None
            raise

    async def _exchange(
        self,
        method: str,
        path: str,
        *,
        what: str,
        priority: Priority = Priority.OTHER,
        query: Mapping[str, str] | None = None,
        body: object = None,
        timeout_s: float | None = None,
        keeps_urls: bool = False,
    ) -> Mapping[str, Any]:
        """Make one request; return its 2xx answer as a JSON object.

        ``keeps_urls`` is for answers whose signed URLs are needed.
        """
        _, raw = await self._exchange_raw(
            method,
            path,
            what=what,
            priority=priority,
            query=query,
            body=body,
            timeout_s=timeout_s,
            keeps_urls=keeps_urls,
        )
        return wire.parse_json(raw)

    async def _exchange_raw(
        self,
        method: str,
        path: str,
        *,
        what: str,
        priority: Priority = Priority.OTHER,
        query: Mapping[str, str] | None = None,
        body: object = None,
        timeout_s: float | None = None,
        keeps_urls: bool = False,
    ) -> tuple[int, bytes]:
        """Make one request; return the status (2xx) and the body of its answer.

        ``priority`` decides about its turn; a submit has already had its turn.

        If the service quotes our credentials, they are removed here: all answers pass
        this place.
        """
        assert self._session is not None, "HttpApi is an async context manager"
        if priority is not Priority.SUBMIT:
            await self._rate_limiter.wait_for_turn(priority)
        with self._activity.request(what):
            return await self._request(
                method,
                path,
                what=what,
                priority=priority,
                query=query,
                body=body,
                timeout_s=timeout_s,
                keeps_urls=keeps_urls,
            )

    async def _request(
        self,
        method: str,
        path: str,
        *,
        what: str,
        priority: Priority,
        query: Mapping[str, str] | None,
        body: object,
        timeout_s: float | None,
        keeps_urls: bool,
    ) -> tuple[int, bytes]:
        assert self._session is not None
        parameters = dict(query or {})
        if self._credentials.project_id:
            parameters["projectId"] = self._credentials.project_id
        tracker = aiohttp.UploadTracker()
        data = None if body is None else wire.encode_json(body)
        try:
            async with self._session.request(
                method,
                self._credentials.base_url + path,
                params=parameters,
                data=sendable(data),
                # Here and not in the session: aiohttp also sends a session's headers to
                # the proxy, and this one as its login, in clear text.
                headers=self._authorization
                if data is None
                else {**self._authorization, "Content-Type": "application/json"},
                allow_redirects=False,
                proxy=self._proxy,
                timeout=aiohttp.ClientTimeout(
                    total=timeout_s or self._settings.read_timeout_s,
                    sock_connect=self._settings.connect_timeout_s,
                ),
                upload_tracker=tracker,
            ) as response:
                status, headers = response.status, response.headers
                raw = SECRETS.clean_answer(
                    await _read_capped(response),
                    keeps_urls=keeps_urls and 200 <= status < 300,
                )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            logger.debug("%s %s: %s", method, path, type(error).__name__)
            # If no byte of the body was sent, it was never a submit. For a body in
            # several writes, the tracker loses count when a connection breaks.
            unsent = (
                data is not None
                and len(data) <= _ONE_WRITE_BYTES
                and tracker.attempts > 0
                and tracker.bytes_written == 0
            )
            # Without its cause, which contains the request's headers.
            raise error_of_exchange(
                error, what=what, request_left=not unsent, proxy=self._proxy
            ) from None
        self._answered_at_s = self._clock.monotonic_s()
        self._learn_time(headers)
        # No other service can have itself taken for one that costs nothing.
        self._is_emulator |= (
            self._credentials.is_loopback and EMULATOR_HEADER in headers
        )
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug(
                "%s %s %s %s -> %d %s",
                method,
                path,
                parameters,
                redacted(data or b""),
                status,
                redacted(raw),
            )
        if not 200 <= status < 300:
            raise self._error_of(status, headers, raw, what, priority)
        return status, raw

    def _error_of(
        self,
        status: int,
        headers: Mapping[str, str],
        raw: bytes,
        what: str,
        priority: Priority,
    ) -> PipelineError:
        body: Mapping[str, Any] | None
        try:
            body = wire.parse_json(raw)
        except UnexpectedAnswer:
            body = None
        error: PipelineError = error_of_answer(status, body, raw, headers, what=what)
        if isinstance(error, RateLimited) and error.ceiling is None:
            self._slow_down(error, priority)
        return error

    def _slow_down(self, error: RateLimited, priority: Priority) -> None:
        """Handle a 429 without a ceiling: pause submits, or note too many requests."""
        is_about_jobs = priority in {Priority.SUBMIT, Priority.QUOTE}
        wait_s = error.retry_after_s
        if is_about_jobs and wait_s and not error.is_about_requests:
            self._rate_limiter.pause(wait_s)
        elif is_about_jobs and wait_s > LONGEST_HOLD_S:
            error.is_about_requests = False
            self._rate_limiter.pause(wait_s)
        elif (
            not is_about_jobs or error.is_about_requests or self._rate_limiter.is_scarce
        ):
            # An unnamed ceiling refuses submits and quotes, and only those.
            error.is_about_requests = True
            self._rate_limiter.note_refusal(error.retry_after_s)

    def _learn_time(self, headers: Mapping[str, str]) -> None:
        text = headers.get("Date")
        if not text:
            return
        try:
            # A Date is cut off to the second: on average, half a second is missing.
            said = _date_of(text) + timedelta(seconds=0.5)
            skew = said - self._clock.utc_now()
        except (ValueError, TypeError):
            return
        # Less than two seconds is within the header's resolution.
        self._skew = skew if abs(skew) > timedelta(seconds=2) else timedelta()


@lru_cache(maxsize=4)  # many answers have the same Date
def _date_of(text: str) -> datetime:
    return parsedate_to_datetime(text)


def redacted(body: bytes) -> str:
    """The beginning of a body, without secrets.

    The query of every URL is removed, as a signed URL is a credential, and so is
    base64.
    """
    text = body[:_LOGGED_BYTES].decode("utf-8", "replace")
    text = re.sub(r"""(https?:[^\s"'?]*)\?[^\s"']*""", r"\1?...", text)
    text = re.sub(r"[A-Za-z0-9+/=]{200,}", "...", text)
    return text if len(body) <= _LOGGED_BYTES else text + "..."


def sendable(data: bytes | None) -> bytes | io.BytesIO | None:
    """A body for aiohttp: above 1 MiB as a file, which aiohttp sends in pieces."""
    return data if data is None or len(data) <= 1 << 20 else io.BytesIO(data)


async def _read_capped(response: aiohttp.ClientResponse) -> bytes:
    """The decompressed body; an error above ``MAX_BODY_BYTES``."""
    pieces = []
    size_bytes = 0
    async for piece in response.content.iter_any():
        size_bytes += len(piece)
        if size_bytes > MAX_BODY_BYTES:
            raise aiohttp.ClientPayloadError(
                f"answer larger than {MAX_BODY_BYTES} bytes"
            )
        pieces.append(piece)
    return b"".join(pieces)


def _segment(identifier: str) -> str:
    if not wire.is_safe_id(identifier):
        raise UnexpectedAnswer(f"not a usable id: {identifier[:80]!r}")
    return quote(identifier, safe="")


def _upload_kind(media_type: str) -> str:
    kind = media_type.partition("/")[0]
    if kind in {"image", "audio", "video"}:
        return kind
    return "3d" if kind == "model" else "asset"
