"""How assets are shown, and how large the pictures in them are."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetsProfile:
    """When assets can be read, what their records say, and their size in pixels.

    Attributes:
        asset_hidden_s: How long after its job's success an asset is unknown.
        asset_pending_s: How long after its job's success an asset is ``pending``.
        asset_retention_s: Assets older than this are unknown again. None is never.
        upload_hidden_s: How long submits do not know an uploaded asset.
        upload_pending_s: How long an uploaded asset is ``pending``.

        output_index: What ``outputIndex`` is: ``null``, ``zero`` for every output, or
            the output's ``position``.
        claimed_mime_type: What ``mimeType`` of an image says instead of the truth.
        transformed_urls: Without ``originalAssets=true``, the URL of an image leads
            to ``/assets-transform``: a re-encoded copy whose size differs from
            ``properties.size``.
        bulk_cap: More ids than this in one get-bulk get 400.
        bulk_unknown: ``omit`` leaves unknown ids out of the answer; ``404`` refuses
            the request.
        bulk_shuffled: get-bulk answers in another order than the request's.

        pixels_divisor: Divides the width and height of every image, so that large
            runs stay cheap.
        fixed_size_px: The width and height of every image, whatever was asked for.
        sizes_follow_reference: ``1K``, ``2K`` and ``4K`` take the shape of the first
            reference image. Otherwise they are square.
    """

    asset_hidden_s: float = 0.0
    asset_pending_s: float = 0.0
    asset_retention_s: float | None = None
    upload_hidden_s: float = 0.0
    upload_pending_s: float = 0.0

    output_index: str = "null"
    claimed_mime_type: str = ""
    transformed_urls: bool = True
    bulk_cap: int = 200
    bulk_unknown: str = "omit"
    bulk_shuffled: bool = False

    pixels_divisor: int = 1
    fixed_size_px: int | None = None
    sizes_follow_reference: bool = False
