"""Asset digests: asset ids → the SHA-256 of their files, read when it decides money.

The service shows reference files, and texts that it has archived, by asset ids alone.
Two ids may hold the same content, so only the content proves what a job was made from.
"""

import hashlib
from collections.abc import Mapping

import anyio

from pipeline.api.interface import FileTransfer, GenerationApi, RemoteAsset
from pipeline.errors import JobError, RunError
from pipeline.job import AssetId

_MOST_ASSETS = 1000  # read in one run
_LARGEST_BYTES = 32 << 20  # of a file that is read


class AssetDigests:
    """Reads assets once each; one at a time, and never more than decide.

    Args:
        api: Finds the file of an asset.
        transfer: Reads the file.
    """

    def __init__(self, api: GenerationApi, transfer: FileTransfer) -> None:
        self._api = api
        self._transfer = transfer
        self._known: dict[AssetId, str] = {}
        self._one = anyio.Lock()

    async def agree(self, contents: Mapping[AssetId, str]) -> bool:
        """Whether each asset has the content of its SHA-256; False if in doubt."""
        for asset_id, sha256 in contents.items():
            async with self._one:
                if asset_id not in self._known and len(self._known) < _MOST_ASSETS:
                    self._known[asset_id] = await self._read(asset_id)
            if self._known.get(asset_id) != sha256:
                return False
        return True

    async def _read(self, asset_id: AssetId) -> str:
        """The SHA-256 of an asset's file; "" if it cannot be read."""
        try:
            asset = await self._api.find_asset(asset_id)
            return "" if asset is None else await self._download(asset)
        except (JobError, RunError):
            return ""

    async def _download(self, asset: RemoteAsset) -> str:
        if not asset.is_ready or (asset.size_bytes or 0) > _LARGEST_BYTES:
            return ""
        digest = hashlib.sha256()
        size_bytes = 0
        async with self._transfer.read(asset.url) as (_, chunks):
            async for chunk in chunks:
                digest.update(chunk)
                size_bytes += len(chunk)
                if size_bytes > _LARGEST_BYTES:
                    return ""
        return digest.hexdigest()
