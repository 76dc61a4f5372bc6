"""Uploader: ReferenceAsset → asset id, once per content.

Small images are uploaded in one base64 request, everything else in parts. Uploading is
free, so it is retried until its deadline. Items that wait for the same file share one
upload.
"""

import hashlib
import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import anyio
import anyio.to_thread

from pipeline.api.interface import (
    FileTransfer,
    GenerationApi,
    RemoteUpload,
    UrlExpired,
)
from pipeline.api.retry import Backoff, is_rate_refusal, retry_free
from pipeline.clock import Clock
from pipeline.counting import plural
from pipeline.errors import (
    GenerationFailed,
    JobError,
    Rejected,
    Unavailable,
    UnexpectedAnswer,
)
from pipeline.job import AssetId, ItemOutput, JsonValue, ParamValue, ReferenceAsset
from pipeline.settings import Settings
from pipeline.storage.orientation import CannotTurn, turn_upright
from pipeline.storage.regular_file import read_regular

SMALL_IMAGE_BYTES = 3_500_000  # as official clients do; API section 8.1
PART_SIZE_BYTES = 8 << 20  # API section 16, row 20
_READY_POLL_S = 0.5
YOUNG_UPLOAD_PAUSE_S = 2.0  # between submits that name an upload not visible yet


class ReferenceChanged(JobError):
    """A reference file has changed or disappeared since the plan was made."""


class UploadMemory(Protocol):
    """Remembers across runs which content the service holds."""

    async def remember_upload(self, sha256: str, asset_id: AssetId) -> None:
        """Record the asset id under which the service holds this content."""

    async def forget_upload(self, sha256: str) -> None:
        """Forget the asset id of this content: the service may no longer hold it."""


class Uploader:
    """Knows which content the service holds, and uploads the rest.

    Args:
        api: The service.
        transfer: For the parts of a multipart upload.
        clock: The clock to use.
        settings: Deadlines, and the number of concurrent uploads.
        memory: Records every upload.
    """

    def __init__(
        self,
        api: GenerationApi,
        transfer: FileTransfer,
        clock: Clock,
        settings: Settings,
        *,
        memory: UploadMemory,
    ) -> None:
        self._api = api
        self._transfer = transfer
        self._clock = clock
        self._settings = settings
        self._known: dict[str, AssetId] = {}
        self._memory = memory
        self._locks: dict[str, anyio.Lock] = {}
        self._limit = anyio.CapacityLimiter(settings.uploads)

    async def upload(self, reference: ReferenceAsset) -> AssetId:
        """The asset id of this content, which is uploaded at most once per run.

        Raises:
            Rejected: The service does not accept the file.
            GenerationFailed: The service could not read or import the file.
            Unavailable, UnexpectedAnswer: No success before the deadline.
            ReferenceChanged: The file is gone or has changed.
        """
        lock = self._locks.setdefault(reference.sha256, anyio.Lock())
        async with lock:
            known = self._known.get(reference.sha256)
            if known is not None:
                return known
            async with self._limit:
                asset_id = await self._send(reference)
            self._known[reference.sha256] = asset_id
            await self._memory.remember_upload(reference.sha256, asset_id)
        return asset_id

    async def inputs_of(self, params: Mapping[str, ParamValue]) -> dict[str, JsonValue]:
        """The params as they are sent: references uploaded and replaced by asset ids.

        Raises:
            JobError: As for :meth:`upload`.
        """
        return {name: await self._input_of(value) for name, value in params.items()}

    async def _input_of(self, value: Any) -> JsonValue:
        if isinstance(value, ReferenceAsset):
            return await self.upload(value)
        if isinstance(value, ItemOutput):
            assert value.asset_id, "the item that this one needs is not made yet"
            return value.asset_id
        if isinstance(value, list):
            return [await self._input_of(inner) for inner in value]
        if isinstance(value, dict):
            return {name: await self._input_of(inner) for name, inner in value.items()}
        result: JsonValue = value
        return result

    @property
    def known(self) -> Mapping[str, AssetId]:
        """The contents that the service holds: SHA-256 → asset id."""
        return self._known

    def learn(self, known: Mapping[str, AssetId]) -> None:
        """Add the uploads of earlier runs: SHA-256 → asset id."""
        self._known.update(known)

    async def forget(self, params: Mapping[str, ParamValue]) -> None:
        """Have the references of these params uploaded again when next needed."""
        for reference in references_in(params):
            self._known.pop(reference.sha256, None)
            await self._memory.forget_upload(reference.sha256)

    def renewal_of(self, params: Mapping[str, ParamValue]) -> "Renewal":
        """The retry for one item, in case the service does not find its uploads."""
        return Renewal(self, params, self._clock, self._settings)

    async def _send(self, reference: ReferenceAsset) -> AssetId:
        content = await _read_unchanged(reference)
        is_image = reference.media_type.startswith("image/")
        if is_image and reference.size_bytes < SMALL_IMAGE_BYTES:
            return await self._send_whole(_file_name(reference), content)
        return await self._send_parts(reference, content)

    async def _send_whole(self, name: str, content: bytes) -> AssetId:
        asset = await retry_free(
            partial(self._api.upload_image, name, content),
            clock=self._clock,
            deadline_s=self._settings.free_deadline_s,
        )
        backoff = Backoff(self._clock, self._settings.free_deadline_s)
        while not asset.is_ready:
            if asset.has_failed:
                raise GenerationFailed(f"the service could not read {name}")
            if not await backoff.sleep(_READY_POLL_S):
                raise Unavailable(f"{name} is not ready at the service")
            found = await backoff.retry(partial(self._api.find_asset, asset.asset_id))
            asset = found or asset
        return asset.asset_id

    async def _send_parts(self, reference: ReferenceAsset, content: bytes) -> AssetId:
        """Upload in parts; after a failure, start over: an upload cannot be resumed."""
        backoff = Backoff(self._clock, self._settings.free_deadline_s)
        while True:
            try:
                return await self._send_parts_once(reference, content)
            except (
                Unavailable,
                UnexpectedAnswer,
                UrlExpired,
                GenerationFailed,
            ) as error:
                if not await backoff.sleep_after(error):
                    raise

    async def _send_parts_once(
        self, reference: ReferenceAsset, content: bytes
    ) -> AssetId:
        count = max(1, math.ceil(len(content) / PART_SIZE_BYTES))
        upload = await self._api.create_upload(
            _file_name(reference), len(content), reference.media_type, count
        )
        if len(upload.parts) != count:
            raise UnexpectedAnswer(
                f"asked for {plural(count, 'upload part')}, got {len(upload.parts)}"
            )
        for index, part in enumerate(upload.parts):
            start = index * PART_SIZE_BYTES
            await self._transfer.write(
                part.url, content[start : start + PART_SIZE_BYTES], reference.media_type
            )
        backoff = Backoff(self._clock, self._settings.free_deadline_s)
        is_complete = await self._complete(upload, backoff)
        while upload.asset_id is None:
            if not await backoff.sleep(_READY_POLL_S):
                raise Unavailable(f"{reference.name} was not imported in time")
            upload = await backoff.retry(
                partial(self._api.find_upload, upload.upload_id)
            )
            if upload.status == "pending" and not is_complete:
                is_complete = await self._complete(upload, backoff)
            if upload.status == "failed":
                raise GenerationFailed(
                    f"the service could not import {reference.name}: "
                    f"{upload.error or 'no reason given'}"
                )
        return upload.asset_id

    async def _complete(self, upload: RemoteUpload, backoff: Backoff) -> bool:
        """Complete the upload; False if the answer was lost."""
        while True:
            try:
                await self._api.complete_upload(upload.upload_id)
            except (Unavailable, UnexpectedAnswer) as error:
                if not is_rate_refusal(error):
                    # The upload may be complete all the same: its status will show.
                    return False
                await backoff.sleep_after(error)
            except Rejected as error:
                found = await self._api.find_upload(upload.upload_id)
                if found.status == "pending":
                    raise error from None
                return True
            else:
                return True


class Renewal:
    """The retries of one item whose uploads the service does not find.

    The files are uploaded once more; after that, the service gets time to find them.
    Source: scenario API sheet, section 17.1.

    Args:
        uploader: Uploads the files.
        params: The item's params.
        clock: The clock to use.
        settings: How long the service may not find a new upload.
    """

    def __init__(
        self,
        uploader: Uploader,
        params: Mapping[str, ParamValue],
        clock: Clock,
        settings: Settings,
    ) -> None:
        self._uploader = uploader
        self._params = params
        self._clock = clock
        self._settings = settings
        self._since_s: float | None = None

    def may_help(self, error: Rejected, inputs: Mapping[str, JsonValue]) -> bool:
        """Whether a refusal concerns an upload, and there is time left.

        Args:
            error: The refusal.
            inputs: The inputs as they were sent.
        """
        if self._since_s is not None and (
            self._clock.monotonic_s() - self._since_s >= self._settings.fresh_job_s
        ):
            return False
        uploaded = [
            str(asset_id)
            for name, value in self._params.items()
            if any(references_in({name: value}))
            for asset_id in _flat(inputs.get(name))
        ]
        # A 404 that names none of them is final: it concerns another part of the body.
        return any(asset_id in error.message for asset_id in uploaded)

    async def renew(self) -> None:
        """The first time, have the files uploaded again; after that, only wait."""
        if self._since_s is not None:
            await self._clock.sleep(YOUNG_UPLOAD_PAUSE_S)
            return
        self._since_s = self._clock.monotonic_s()
        await self._uploader.forget(self._params)


def _flat(value: JsonValue) -> list[JsonValue]:
    """Every single value in it, at any depth."""
    if isinstance(value, dict):
        value = [*value.values()]
    if not isinstance(value, list):
        return [value]
    return [one for inner in value for one in _flat(inner)]


async def _read_unchanged(reference: ReferenceAsset) -> bytes:
    path: Path = reference.path

    def read() -> bytes:
        content = read_regular(path)
        if reference.upright:
            with suppress(CannotTurn):  # it has changed: the digest shows it
                content = turn_upright(content)
        if hashlib.sha256(content).hexdigest() != reference.sha256:
            raise ReferenceChanged(
                f"{path} has changed since the plan was made", hint="run again"
            )
        return content

    try:
        return await anyio.to_thread.run_sync(read)
    except OSError as error:
        raise ReferenceChanged(
            f"{path} cannot be read: {error.strerror}", hint="put it back and run again"
        ) from error


def _file_name(reference: ReferenceAsset) -> str:
    """The name to upload it under; its ending fits what is sent."""
    name = reference.path.name
    if reference.upright and reference.media_type == "image/png":
        return f"{reference.path.stem}.png"
    return name


def references_in(params: Mapping[str, ParamValue]) -> Iterator[ReferenceAsset]:
    """Every reference file that the params name."""
    for value in params.values():
        yield from _references_in(value)


def _references_in(value: object) -> Iterator[ReferenceAsset]:
    if isinstance(value, ReferenceAsset):
        yield value
    elif isinstance(value, list | dict):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _references_in(inner)
