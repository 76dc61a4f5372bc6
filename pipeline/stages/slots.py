"""Slots: how many jobs may be in flight, when nobody tells us and others share it.

A slot is held from just before the submit until the service ends the job. The limit
is found by growing fast until the service refuses, and is then what is really in
flight, or the ceiling that the refusal names. Once a generation of jobs has retired
in peace one more is tried; when that is taken, the limit grows fast again: others have
left, or the ceiling has risen. A semaphore cannot shrink, so this is our own.
"""

from collections import deque
from collections.abc import Callable

import anyio

from pipeline.api.rate_limiter import RateLimiter
from pipeline.clock import Clock
from pipeline.record import Struct

_FIRST_WAIT_S = 1.0  # with nothing in flight: others hold the ceiling
_LONGEST_WAIT_S = 5.0
_REGROWTH_POSTS = 2  # unanswered at a time when growing again: refusals are few
_GENERATIONS_AT_CEILING = 2  # in peace at a named ceiling, before one more is tried


class SlotStatistics(Struct, frozen=True, kw_only=True):
    """A moment of :class:`Slots`.

    Attributes:
        in_flight: Jobs the service has accepted and not ended.
        held: In flight, and submits that are not answered yet.
        limit: How many may be held now.
        refusals: How often the service refused so far.
        waiting: Items that wait for a slot.
        paused_s: Seconds until the next submit may leave; 0 when not paused.
        others: Slots that somebody else's jobs held at the last refusal.
        scope: Whose the ceiling is then, such as ``team``, or "".
    """

    in_flight: int
    held: int
    limit: int
    refusals: int
    waiting: int
    paused_s: float
    others: int = 0
    scope: str = ""


class Slots:
    """A resizable limit with first-come order.

    Args:
        clock: Whose time is spent.
        first: The limit to begin with while the ceiling is unknown.
        posts: While growing, submits that may be unanswered at a time: so many are
            refused at most when the ceiling is met.
        rate_limiter: When the next submit may leave; one without a limit when None.
        max_jobs: The user's limit, never exceeded.
        on_change: Called with the new figures when jobs in flight or the limit
            have changed.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        first: int,
        posts: int,
        rate_limiter: RateLimiter | None = None,
        max_jobs: int | None = None,
        on_change: Callable[[SlotStatistics], None] = lambda _slots: None,
    ) -> None:
        self._clock = clock
        self._rate_limiter = rate_limiter or RateLimiter(clock)
        self._max = max_jobs
        self._ceiling: int | None = None
        self._is_announced = False
        self._limit = self._capped(first)
        self._growing = True
        self._posts = posts
        self._on_change = on_change
        self._held = 0
        self._in_flight = 0
        self._refusals = 0
        self._others = 0
        self._scope = ""
        self._retired_in_peace = 0
        self._probing = False
        self._paused_until_s = 0.0
        self._empty_wait_s = _FIRST_WAIT_S
        self._waiters: deque[anyio.Event] = deque()

    @property
    def in_flight(self) -> int:
        """Jobs that hold a slot and have left, or may have."""
        return self._in_flight

    def statistics(self) -> SlotStatistics:
        """How it stands now."""
        return SlotStatistics(
            in_flight=self._in_flight,
            held=self._held,
            limit=self._limit,
            refusals=self._refusals,
            waiting=len(self._waiters),
            paused_s=max(
                0.0,
                self._paused_until_s - self._clock.monotonic_s(),
                self._rate_limiter.paused_s,
            ),
            others=self._others,
            scope=self._scope,
        )

    async def wait_for_slot(self, *, first_in_line: bool = False) -> None:
        """Suspend until a slot is free and its submit may leave, and hold it.

        Args:
            first_in_line: Before all that wait: for a job that was refused.
        """
        while True:
            if not self._has_room() or (self._waiters and not first_in_line):
                await self._wait_in_line(first_in_line=first_in_line)
            else:
                self._held += 1
            try:
                await self._wait_out_pause()
                await self._rate_limiter.wait_to_submit()
            except BaseException:
                self._give_back()
                raise
            if self._held <= self._limit and self._pause_s() <= 0:
                return
            # The limit fell meanwhile, or a pause began: once more, at the line's head.
            self._rate_limiter.end_submit(is_accepted=False)
            self._give_back()
            first_in_line = True

    def announce(self, ceiling: int) -> None:
        """The service has told its ceiling: begin there instead of finding it."""
        self._ceiling = ceiling
        self._is_announced = True
        self._growing = False
        self._limit = self._capped(ceiling)
        self._wake()

    def occupy(self) -> None:
        """Hold a slot, above the limit if need be, for a job already in flight."""
        self._held += 1
        self._in_flight += 1

    def accepted(self) -> None:
        """The service has taken the job of a held slot."""
        self._rate_limiter.end_submit(is_accepted=True)
        self._in_flight += 1
        self._empty_wait_s = _FIRST_WAIT_S
        if self._probing and self._in_flight >= self._limit:
            # One more was taken than was allowed before: there is room again.
            self._probing = False
            self._growing = True
            self._posts = min(self._posts, _REGROWTH_POSTS)
        if self._growing:
            if self._ceiling == self._in_flight and not self._is_announced:
                self._ceiling = None  # named before the world changed
            self._limit = self._capped(self._limit + 1)
        else:
            self._limit = self._capped(max(self._limit, self._in_flight))
        self._wake()
        self._on_change(self.statistics())

    def retired(self) -> None:
        """The service has ended the job of a held slot; the slot is free."""
        self._in_flight -= 1
        self._retired_in_peace += 1
        self._probe()
        self._give_back()
        self._on_change(self.statistics())

    def unused(self) -> None:
        """A held slot whose submit ended without a job is free."""
        self._rate_limiter.end_submit(is_accepted=False)
        self._give_back()

    def refused(
        self,
        *,
        ceiling: int | None,
        wait_s: float = 0.0,
        counted: int | None = None,
        scope: str = "",
    ) -> None:
        """The service refused the submit of a held slot, which is free again.

        Args:
            ceiling: The limit it named, or None.
            wait_s: How long it asked to wait, or 0.
            counted: Jobs in flight by its own count, or None if unsaid.
            scope: Whose jobs these are, such as ``team``, or "".
        """
        self._rate_limiter.end_submit(is_accepted=False)
        self._refusals += 1
        if wait_s > 0 and not self._rate_limiter.paused_s:
            self.pause(wait_s)
        if ceiling is not None or wait_s <= 0:
            self._growing = False
            self._probing = False
            self._retired_in_peace = 0
            if ceiling is not None:
                self._ceiling = max(1, ceiling)
            self._others = 0
            room = self._in_flight
            if ceiling is not None and counted is not None and counted >= ceiling:
                # What is not answered yet may be among those that it counts.
                self._others = max(0, counted - (self._held - 1))
                room = max(room, ceiling - self._others)
            self._scope = scope
            self._limit = self._capped(max(1, room))
            if self._in_flight == 0:
                # Others hold the whole ceiling: ask again later, never give up.
                self._probing = True
                self.pause(max(wait_s, self._empty_wait_s))
                self._empty_wait_s = min(self._empty_wait_s * 2, _LONGEST_WAIT_S)
        self._give_back()
        self._on_change(self.statistics())

    def pause(self, duration_s: float) -> None:
        """Let no submit leave for ``duration_s`` seconds from now."""
        self._paused_until_s = max(
            self._paused_until_s, self._clock.monotonic_s() + duration_s
        )

    # --- inside ---------------------------------------------------------------

    def _probe(self) -> None:
        """Allow one more than the limit, once enough jobs have retired in peace."""
        if self._growing or self._rate_limiter.is_scarce:
            return  # one more slot is of no use where requests are scarce
        at_ceiling = self._ceiling is not None and self._limit >= self._ceiling
        if at_ceiling and self._is_announced:
            return
        generations = _GENERATIONS_AT_CEILING if at_ceiling else 1
        if self._retired_in_peace < generations * self._limit:
            return
        if at_ceiling:
            self._ceiling = None  # it may have risen; a refusal names it again
        self._retired_in_peace = 0
        self._probing = True
        self._limit = self._capped(self._limit + 1)

    def _pause_s(self) -> float:
        return self._paused_until_s - self._clock.monotonic_s()

    async def _wait_out_pause(self) -> None:
        while (pause_s := self._pause_s()) > 0:
            await self._clock.sleep(pause_s)

    def _capped(self, limit: int) -> int:
        for cap in (self._max, self._ceiling):
            if cap is not None:
                limit = min(limit, cap)
        return max(1, limit)

    def _has_room(self) -> bool:
        if self._growing and self._held - self._in_flight >= self._posts:
            return False
        return self._held < self._limit

    def _give_back(self) -> None:
        self._held -= 1
        self._wake()

    def _wake(self) -> None:
        while self._waiters and self._has_room():
            self._held += 1
            self._waiters.popleft().set()

    async def _wait_in_line(self, *, first_in_line: bool) -> None:
        turn = anyio.Event()
        if first_in_line:
            self._waiters.appendleft(turn)
        else:
            self._waiters.append(turn)
        try:
            await turn.wait()
        except BaseException:
            if turn.is_set():
                self._give_back()
            else:
                self._waiters.remove(turn)
            raise
