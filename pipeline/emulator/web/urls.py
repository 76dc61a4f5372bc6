"""Where the emulator can be reached, and the signed URLs that lead there."""

from dataclasses import dataclass

from aiohttp import web

from pipeline.emulator.signing import Signer, Verdict, window_end_ms
from pipeline.emulator.timeline import Timeline, span_ms


@dataclass(slots=True, kw_only=True)
class Addresses:
    """Where the emulator can be reached. They are known once it listens.

    Attributes:
        api: The address of the API without /v1, such as ``http://127.0.0.1:40001``.
        cdn: The address of the CDN.
    """

    api: str = ""
    cdn: str = ""


class SignedUrls:
    """Makes and checks the signed URLs of files and of upload parts.

    Args:
        signer: Signs them.
        addresses: Where they lead to.
        timeline: The service's time.
        cdn_lifetime_s: How long the URL of a file is valid. None takes the service's
            windows by day of the month.
        part_lifetime_s: How long the URL of a part is valid.
    """

    def __init__(
        self,
        signer: Signer,
        addresses: Addresses,
        timeline: Timeline,
        *,
        cdn_lifetime_s: float | None,
        part_lifetime_s: float,
    ) -> None:
        self._signer = signer
        self._addresses = addresses
        self._timeline = timeline
        self._cdn_lifetime_s = cdn_lifetime_s
        self._part_lifetime_s = part_lifetime_s

    def make_cdn(self, path: str, extra: str = "") -> str:
        """A signed URL for a path of the CDN.

        Args:
            path: The path, with the query that the signature covers, if any.
            extra: Further parameters, each with ``&`` after it.
        """
        now_ms = self._timeline.now_ms()
        if self._cdn_lifetime_s is None:
            expires_ms = window_end_ms(now_ms)
        else:
            expires_ms = now_ms + span_ms(self._cdn_lifetime_s)
        joint = "&" if "?" in path else "?"
        query = self._signer.query(path, expires_ms)
        return f"{self._addresses.cdn}{path}{joint}{extra}{query}"

    def make_part(self, upload_id: str, number: int) -> tuple[str, int]:
        """A signed URL for a part of an upload, and when it expires."""
        path = f"/upload-parts/{upload_id}/{number}"
        expires_ms = self._timeline.now_ms() + span_ms(self._part_lifetime_s)
        query = self._signer.query(path, expires_ms)
        return f"{self._addresses.api}{path}?{query}", expires_ms

    def check(self, request: web.Request) -> Verdict:
        """Check the signature of a request's URL."""
        now_ms = self._timeline.now_ms()
        return self._signer.judge(request.path_qs, request.query, now_ms)
