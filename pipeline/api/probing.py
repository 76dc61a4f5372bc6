"""ProbeClient: raw exchanges with the service, where no status is an error.

Separate from ``HttpApi`` because a probe needs what that hides: headers, error bodies,
and answers to requests that no program would send.
"""

from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Self
from urllib.parse import urlencode

import aiohttp

from pipeline.api import wire
from pipeline.api.client import USER_AGENT
from pipeline.api.exchange import Exchange
from pipeline.api.proxy import find_proxy
from pipeline.clock import Clock
from pipeline.settings import Credentials

TIMEOUT_S = 60.0
MOST_BYTES = 8 << 20  # more than any answer to a probe
SHOWN_HEADERS = frozenset(
    {
        "accept-ranges",
        "content-length",
        "content-range",
        "content-type",
        "date",
        "location",
        "retry-after",
    }
)


class ProbeClient:
    """``Exchanges`` over aiohttp; an async context manager.

    Args:
        credentials: The service, and our key for it.
        clock: The source of time.
        wait_for_turn: Suspends until a request to the API may be sent.
    """

    def __init__(
        self,
        credentials: Credentials,
        clock: Clock,
        wait_for_turn: Callable[[], Awaitable[None]],
    ) -> None:
        self._credentials = credentials
        self._clock = clock
        self._wait_for_turn = wait_for_turn
        self._session: aiohttp.ClientSession | None = None
        # Set on each request and not in the session, whose headers also go to a proxy
        # and to the CDN.
        self._authorization = aiohttp.encode_basic_auth(
            credentials.key, credentials.secret
        )

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            headers={"Accept": "application/json", "User-Agent": USER_AGENT},
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
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

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        is_hasty: bool = False,
    ) -> Exchange:
        """One exchange with the API; see ``Exchanges``."""
        if not is_hasty:
            await self._wait_for_turn()
        parameters = dict(query or {})
        target = path + (f"?{urlencode(parameters)}" if parameters else "")
        if self._credentials.project_id:
            parameters["projectId"] = self._credentials.project_id
        headers = {"Authorization": self._authorization}
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = wire.encode_json(body)
        url = self._credentials.base_url + path
        return await self._exchange(
            Exchange(method=method, target=target, sent=body),
            url,
            params=parameters,
            data=data,
            headers=headers,
        )

    async def fetch(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None
    ) -> Exchange:
        """One exchange with a signed URL; see ``Exchanges``."""
        what = Exchange(method=method, target=url)
        return await self._exchange(what, url, headers=dict(headers or {}))

    async def sleep(self, duration_s: float) -> None:
        """Let time pass."""
        await self._clock.sleep(duration_s)

    async def _exchange(
        self,
        what: Exchange,
        url: str,
        *,
        headers: dict[str, str],
        params: dict[str, str] | None = None,
        data: bytes | None = None,
    ) -> Exchange:
        assert self._session is not None, "ProbeClient is an async context manager"
        sent_at_s = self._clock.monotonic_s()
        status, answered, raw, trouble = 0, dict[str, str](), b"", ""
        try:
            async with self._session.request(
                what.method,
                url,
                params=params,
                data=data,
                headers=headers,
                allow_redirects=False,
                proxy=find_proxy(url),
            ) as response:
                raw = await response.content.read(MOST_BYTES)
                while not response.content.at_eof() and len(raw) < MOST_BYTES:
                    raw += await response.content.read(MOST_BYTES - len(raw))
                status = response.status
                answered = {
                    name.lower(): value
                    for name, value in response.headers.items()
                    if name.lower() in SHOWN_HEADERS
                }
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            # Only its type: aiohttp's texts quote headers and URLs.
            trouble = type(error).__name__
        return Exchange(
            method=what.method,
            target=what.target,
            sent=what.sent,
            sent_at_s=sent_at_s,
            at_s=self._clock.monotonic_s(),
            status=status,
            headers=answered,
            body=raw,
            error=trouble,
        )
