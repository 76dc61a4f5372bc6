"""Makes assets of uploaded files."""

import hashlib
from dataclasses import asdict

from pipeline.emulator.assets import Assets, UploadedAsset
from pipeline.emulator.identity import make_id
from pipeline.emulator.journal import FileStore, Journal
from pipeline.emulator.pictures.image_files import read_image_facts
from pipeline.emulator.refusal import bad_request

DEFAULT_TYPE = "image/png"


class AssetImporter:
    """Turns bytes into uploaded assets.

    Args:
        assets: Where the assets are added.
        files: Where the bytes are kept.
        journal: Where the assets are written.
        seed: The emulator's seed.
        validates: Files that are not readable images are refused.
        deduplicates: Equal bytes give the same asset.
    """

    def __init__(
        self,
        assets: Assets,
        files: FileStore,
        journal: Journal,
        *,
        seed: int,
        validates: bool,
        deduplicates: bool,
    ) -> None:
        self._assets = assets
        self._files = files
        self._journal = journal
        self._seed = seed
        self._validates = validates
        self._deduplicates = deduplicates

    def add(
        self, name: str, data: bytes, author_id: str, media_type: str, created_ms: int
    ) -> UploadedAsset:
        """Make an asset of a file.

        Args:
            name: The file name, as given.
            data: The bytes.
            author_id: Who uploaded it.
            media_type: The type that was announced, or "" if the file must be an
                image.
            created_ms: When it becomes an asset.

        Raises:
            Refused: 400: it is not an image that can be read.
        """
        facts = read_image_facts(data)
        if facts is None and self._validates and not media_type:
            raise bad_request("Invalid image")
        sha256 = hashlib.sha256(data).hexdigest()
        same = self._assets.find_same_content(sha256)
        if same is not None and self._deduplicates:
            return same
        number = self._assets.upload_count
        asset = UploadedAsset(
            asset_id=make_id("asset", self._seed, "upload", number),
            author_id=author_id,
            created_ms=created_ms,
            name=name,
            media_type=facts.media_type if facts else media_type or DEFAULT_TYPE,
            size_bytes=len(data),
            width_px=facts.width_px if facts else 0,
            height_px=facts.height_px if facts else 0,
            sha256=sha256,
        )
        self._files.put(asset.asset_id, data)
        self._journal.append("asset", asdict(asset))
        self._assets.add_upload(asset)
        return asset
