"""Streams: feeds → server-sent events, one stream for each page that is open."""

import asyncio
from contextlib import suppress

from aiohttp import web

from pipeline.clock import Clock
from pipeline.report.review.feed import Feed
from pipeline.report.review.refused import Refused

BEAT_S = 15.0  # a silent connection may be closed on the way, or be dead
MOST_STREAMS = 64
_AT_ONCE = 100  # events that are rendered before they are sent
_RETRY_MS = 1000


class Streams:
    """The open streams.

    Args:
        clock: The source of time.

    Attributes:
        count: How many are open.
    """

    def __init__(self, clock: Clock) -> None:
        self.count = 0
        self._clock = clock
        self._ended = asyncio.Event()

    def end(self) -> None:
        """End all streams: the server stops."""
        self._ended.set()

    async def send(self, request: web.Request, feed: Feed) -> web.StreamResponse:
        """Send what changes, until the page is closed.

        A page that names the last event it has gets what it missed; another gets every
        change since the server started.

        Raises:
            Refused: Too many streams are open.
        """
        if self.count >= MOST_STREAMS:
            raise Refused(503, "too many pages are open", "close some of them")
        named = request.headers.get("Last-Event-ID") or request.query.get("after", "")
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream; charset=utf-8"}
        )
        self.count += 1
        try:
            await response.prepare(request)
            with suppress(ConnectionError):  # the page is closed
                await self._pass_on(response, feed, feed.number_of(named))
        finally:
            self.count -= 1
        return response

    async def _pass_on(
        self, response: web.StreamResponse, feed: Feed, number: int
    ) -> None:
        generation = feed.generation
        await response.write(f"retry: {_RETRY_MS}\n\n".encode())
        while feed.generation == generation and not self._ended.is_set():
            events = feed.after(number, most=_AT_ONCE)
            for event in events:
                # Suspends while the page does not read: nothing piles up.
                await response.write(event.encode())
                number = event.number
            if not events and not await self._has_changed(feed, number, generation):
                await response.write(b": still here\n\n")

    async def _has_changed(self, feed: Feed, number: int, generation: int) -> bool:
        """Wait for a change; False if there was none for as long as a beat."""
        changed = asyncio.ensure_future(feed.wait(number, generation))
        ended = asyncio.ensure_future(self._ended.wait())
        beat = asyncio.ensure_future(self._clock.sleep(BEAT_S))
        try:
            await asyncio.wait(
                {changed, ended, beat}, return_when=asyncio.FIRST_COMPLETED
            )
            return not beat.done()
        finally:
            for one in (changed, ended, beat):
                one.cancel()
