"""How the CDN serves files."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CdnProfile:
    """The life of signed URLs, and how files are sent.

    Attributes:
        cdn_lifetime_s: How long a signed URL is valid. None takes the service's
            windows by day of the month.
        altered_url_status: The answer to a signed URL that was altered: 403, or 302
            to a foreign host. An expired URL gets 403.
        cdn_content_length: The CDN announces the length of a file. Otherwise it sends
            the file in chunks.
        cdn_ranges: The CDN obeys ``Range``.
        cdn_bytes_per_second: The speed of a download. None is unlimited.
        slow_bytes_per_second: The speed under the fault ``cdn-slow``.
    """

    cdn_lifetime_s: float | None = None
    altered_url_status: int = 302
    cdn_content_length: bool = True
    cdn_ranges: bool = True
    cdn_bytes_per_second: float | None = None
    slow_bytes_per_second: float = 4096.0
