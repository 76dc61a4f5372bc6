"""How files are uploaded."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadsProfile:
    """Small uploads, multipart uploads, and the URLs of parts.

    Attributes:
        small_upload_jobs: ``POST /assets`` makes a job of type ``upload`` too.
        upload_validates: Files that are not readable images are refused.
        upload_deduplicates: Equal bytes give the same asset.

        upload_seconds: How long a multipart upload takes from ``complete`` to
            ``imported``.
        upload_failure_rate: The share of multipart uploads that fail.
        part_min_bytes: The least size of every part but the last.
        part_lifetime_s: How long the URL of a part is valid.
        part_status: The answer to a part: 200, 201 or 204.
    """

    small_upload_jobs: bool = True
    upload_validates: bool = True
    upload_deduplicates: bool = False

    upload_seconds: float = 0.2
    upload_failure_rate: float = 0.0
    part_min_bytes: int = 5 * 2**20
    part_lifetime_s: float = 3600.0
    part_status: int = 200
