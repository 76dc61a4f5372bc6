"""HttpTransfer: bytes from and to signed URLs, without any credential of ours.

Signed URLs are secrets: they never appear in an error, a log or a record.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self
from urllib.parse import urljoin

import aiohttp
from yarl import URL

from pipeline.activity import Activity
from pipeline.api.answers import error_of_exchange
from pipeline.api.client import USER_AGENT, sendable
from pipeline.api.interface import UrlExpired
from pipeline.api.proxy import find_proxy
from pipeline.api.wire import split_url
from pipeline.clock import SystemClock
from pipeline.errors import DownloadFailed, Unavailable
from pipeline.settings import Settings, is_loopback_url

CDN_HOSTS = frozenset({"cdn.cloud.scenario.com", "cdn.scenario.com"})  # API section 7
MAX_REDIRECTS = 3
LEAST_SENT_PER_S = 16 << 10  # a part of an upload that takes longer is sent anew
BUFFER_BYTES = 1 << 18  # as much as one socket read; twice that may be buffered
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_EXPIRED = frozenset({403, 404, 410})
# ValueError: yarl or the resolver found that the service's URL is not valid.
_BROKEN = (aiohttp.ClientError, TimeoutError, OSError, ValueError)
_PROXY_ERRORS = (aiohttp.ClientHttpProxyError, aiohttp.ClientProxyConnectionError)


class HttpTransfer:
    """Signed URLs over aiohttp; an async context manager.

    Args:
        settings: Timeouts.
        loopback: Whether the service runs on this machine, so that its CDN may too.
        activity: Is told of each part that is sent, to be shown.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        loopback: bool,
        activity: Activity | None = None,
    ) -> None:
        self._activity = activity or Activity(SystemClock())
        self._settings = settings
        self._loopback = loopback
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        if not self._loopback:
            for host in CDN_HOSTS:  # report an unusable proxy now
                find_proxy(f"https://{host}/")
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=15),
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            # A body that claims to be compressed is refused, not expanded.
            auto_decompress=False,
            read_bufsize=BUFFER_BYTES,
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

    @asynccontextmanager
    async def read(
        self, url: str
    ) -> AsyncIterator[tuple[int | None, AsyncIterator[bytes]]]:
        """Open a download; see ``FileTransfer``."""
        response = await self._open(url)
        try:
            yield response.content_length, _chunks(response)
        finally:
            response.close()

    async def write(self, url: str, content: bytes, media_type: str) -> None:
        """Send one part of an upload; safe to repeat.

        Raises:
            UrlExpired: 403, 404 or 410.
            Unavailable: Anything else that is not a success.
        """
        with self._activity.request("sending a part of an upload"):
            await self._send(url, content, media_type)

    async def _send(self, url: str, content: bytes, media_type: str) -> None:
        assert self._session is not None
        if not (split_url(url).scheme == "https" or self._is_own_machine(url)):
            raise DownloadFailed("the service named an upload address without https")
        proxy = find_proxy(url)
        try:
            async with self._session.put(
                URL(url, encoded=True),
                data=sendable(content),
                headers={"Content-Type": media_type},
                allow_redirects=False,
                proxy=proxy,
                # aiohttp's other limits do not apply while a body is sent.
                timeout=self._timeout(
                    self._settings.read_timeout_s + len(content) / LEAST_SENT_PER_S
                ),
            ) as response:
                status = response.status
        except _BROKEN as error:
            raise _broken(error, "sending a part", proxy) from None
        if status in _EXPIRED:
            raise UrlExpired(f"sending a part: HTTP {status}")
        if not 200 <= status < 300:
            raise Unavailable(f"sending a part: HTTP {status}", status=status)

    async def _open(self, url: str) -> aiohttp.ClientResponse:
        assert self._session is not None
        if not self._is_ours(url):
            host = split_url(url).hostname or ""
            text = f"the service sent us to {host[:80]!r}, which is not its CDN"
            raise ForeignHost(text)
        redirects = 0
        while redirects <= MAX_REDIRECTS:
            proxy = find_proxy(url)
            try:
                response = await self._session.get(
                    # Byte-identical, or the signature no longer matches.
                    URL(url, encoded=True),
                    allow_redirects=False,
                    proxy=proxy,
                    timeout=self._timeout(),
                )
            except _BROKEN as error:
                raise _broken(error, "downloading", proxy) from None
            status = response.status
            if status in _REDIRECTS:
                url = _joined(url, response.headers.get("Location", ""))
                response.close()
                if not self._is_ours(url):  # the signature was rejected: API 17.2
                    raise UrlExpired(f"downloading: HTTP {status} to another host")
                redirects += 1
                continue
            is_page = response.content_type == "text/html" and redirects > 0
            if status == 200 and not _is_encoded(response) and not is_page:
                return response
            response.close()
            if status in _EXPIRED or is_page:
                shown = "redirected to a web page" if is_page else f"HTTP {status}"
                raise UrlExpired(f"downloading: {shown}")
            raise Unavailable(f"downloading: HTTP {status}", status=status)
        raise Unavailable(f"downloading: more than {MAX_REDIRECTS} redirects")

    def _is_ours(self, url: str) -> bool:
        """Whether it is on the service's CDN, or on this machine as its CDN."""
        parts = split_url(url)
        is_cdn = parts.scheme == "https" and parts.hostname in CDN_HOSTS
        return is_cdn or self._is_own_machine(url)

    def _is_own_machine(self, url: str) -> bool:
        return self._loopback and is_loopback_url(split_url(url).geturl())

    def _timeout(self, total_s: float | None = None) -> aiohttp.ClientTimeout:
        # A download has no total: a large file may take long, but a silent connection
        # may not. Who reads it looks at its rate.
        return aiohttp.ClientTimeout(
            total=total_s,
            # The whole connection setup: a proxy may accept it and then stay silent.
            connect=self._settings.read_timeout_s,
            sock_connect=self._settings.connect_timeout_s,
            sock_read=self._settings.read_timeout_s,
        )


class ForeignHost(Unavailable):
    """A URL leads to a host that is not the service's; a fresh one may be right."""


def _joined(url: str, target: str) -> str:
    try:
        return urljoin(url, target)
    except ValueError:
        return ""


async def _chunks(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    try:
        # Chunks as they were read: ``iter_any`` joins them, on the event loop.
        async for chunk, _ in response.content.iter_chunks():
            if chunk:
                yield chunk
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise _broken(error, "downloading", None) from None


def _is_encoded(response: aiohttp.ClientResponse) -> bool:
    encoding = response.headers.get("Content-Encoding", "identity").lower()
    return encoding not in {"", "identity"}


def _broken(error: Exception, what: str, proxy: str | None) -> Unavailable:
    mapped = error_of_exchange(error, what=what, request_left=True, proxy=proxy)
    if isinstance(error, _PROXY_ERRORS):
        return mapped
    # aiohttp's other texts may contain the URL, which is a secret: show only the type.
    return Unavailable(
        f"{what}: {type(error).__name__}",
        request_left=mapped.request_left,
        hint=mapped.hint,
    )
