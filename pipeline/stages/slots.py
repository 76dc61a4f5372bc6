"""Slots: an adaptive concurrency limit with slow start, on the jobs in flight.

The service's ceiling may be unknown, may change, and is shared with other clients. A
slot is held from just before the submit until the service ends the job. In *slow start*
the limit grows with every accepted job until the service refuses one. It then drops to
the number of jobs in flight, or to the ceiling that the refusal names. After as many
jobs have ended without a refusal as the limit allows at a time, the limit is *probed*
with one job more. If the service accepts it, slow start begins again: other clients
have left, or the ceiling has risen. How slots are shared with clients that stay is
decided in ``fair_share``. A semaphore cannot shrink, so this is a class of its own.
"""

import heapq
import itertools
from collections.abc import Callable

import anyio

from pipeline.api.rate_limiter import RateLimiter
from pipeline.clock import Clock
from pipeline.record import Struct
from pipeline.stages.fair_share import generations_to_probe, kept_after_loss

LAST_RANK = 1 << 30  # of those that wait for a slot
_FIRST_RANK = -1
_FIRST_WAIT_S = 1.0  # after a refusal with nothing in flight: others hold all slots
_LONGEST_WAIT_S = 5.0
_REGROWTH_POSTS = 2  # unanswered submits at a time in a later slow start
_GENERATIONS_AT_CEILING = 2  # without a refusal, before a named ceiling is probed


class SlotStatistics(Struct, frozen=True, kw_only=True):
    """A snapshot of :class:`Slots`.

    Attributes:
        in_flight: Jobs that the service has accepted and not ended.
        held: Jobs in flight, plus submits that are not answered yet.
        limit: How many slots may be held now.
        refusals: How often the service has refused a submit so far.
        waiting: Items that wait for a slot.
        paused_s: Seconds until the next submit may leave; 0 when not paused.
        others: Slots that other clients' jobs held at the last refusal.
        scope: To whom the ceiling of that refusal applies, such as ``team``, or "".
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
    """An adaptive concurrency limit with slow start, served in first-come order.

    Args:
        clock: The clock to use.
        first: The initial limit while the ceiling is unknown.
        posts: Submits that may be unanswered at a time during slow start: at most so
            many are refused when the ceiling is reached.
        rate_limiter: Decides when the next submit may leave; None for no limit.
        max_jobs: The user's limit, never exceeded; None for none.
        on_change: Called with the new figures when the jobs in flight or the limit
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
        self._unanswered = 0
        self._refusals = 0
        self._others = 0
        self._scope = ""
        self._retired_in_peace = 0
        self._probing = False
        self._paused_until_s = 0.0
        self._empty_wait_s = _FIRST_WAIT_S
        self._waiters: list[tuple[int, int, anyio.Event]] = []  # a heap
        self._arrivals = itertools.count()

    @property
    def in_flight(self) -> int:
        """Jobs that hold a slot and that the service has accepted, or may have."""
        return self._in_flight

    def statistics(self) -> SlotStatistics:
        """A snapshot of the current state."""
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

    async def wait_for_slot(
        self, *, first_in_line: bool = False, rank: int = LAST_RANK
    ) -> None:
        """Suspend until a slot is free and its submit may leave, and hold it.

        Args:
            first_in_line: Go before all others that wait, after a refusal.
            rank: Go before those that wait with a higher number.
        """
        while True:
            if first_in_line:
                rank = _FIRST_RANK
            if not self._has_room() or (self._waiters and self._waiters[0][0] <= rank):
                await self._wait_in_line(rank)
            else:
                self._held += 1
            try:
                await self._wait_out_pause()
                await self._rate_limiter.wait_to_submit()
            except BaseException:
                self._give_back()
                raise
            if self._held <= self._limit and self._pause_s() <= 0:
                self._unanswered += 1
                return
            # The limit fell meanwhile, or a pause began: retry at the head of the line.
            self._rate_limiter.end_submit(is_accepted=False)
            self._give_back()
            first_in_line = True

    def announce(self, ceiling: int) -> None:
        """Start at the ceiling that the service has named, without slow start."""
        self._ceiling = ceiling
        self._is_announced = True
        self._growing = False
        self._limit = self._capped(ceiling)
        self._wake()

    def occupy(self) -> None:
        """Hold a slot for a job already in flight, even above the limit."""
        self._held += 1
        self._in_flight += 1

    def accepted(self) -> None:
        """Note that the service has accepted the job of a held slot."""
        self._rate_limiter.end_submit(is_accepted=True)
        self._unanswered -= 1
        self._in_flight += 1
        self._empty_wait_s = _FIRST_WAIT_S
        if self._probing and self._in_flight >= self._limit:
            # The probe succeeded: there is room again.
            self._probing = False
            self._growing = True
            self._posts = min(self._posts, _REGROWTH_POSTS)
        if self._growing:
            if self._ceiling == self._in_flight and not self._is_announced:
                self._ceiling = None  # out of date: the service accepted this many
            self._limit = self._capped(self._limit + 1)
        else:
            self._limit = self._capped(max(self._limit, self._in_flight))
        self._wake()
        self._on_change(self.statistics())

    def retired(self) -> None:
        """Release the slot of a job that the service has ended."""
        self._in_flight -= 1
        self._held -= 1
        self._retired_in_peace += 1
        self._probe()
        self._wake()
        self._on_change(self.statistics())

    def unused(self) -> None:
        """Release a held slot whose submit made no job."""
        self._rate_limiter.end_submit(is_accepted=False)
        self._unanswered -= 1
        self._give_back()

    def refused(
        self,
        *,
        ceiling: int | None,
        wait_s: float = 0.0,
        counted: int | None = None,
        scope: str = "",
    ) -> None:
        """Release a held slot whose submit the service refused, and lower the limit.

        Args:
            ceiling: The limit that the service named, or None.
            wait_s: How long it asked to wait, or 0.
            counted: Jobs in flight by its own count, or None if it did not say.
            scope: To whom the limit applies, such as ``team``, or "".
        """
        self._rate_limiter.end_submit(is_accepted=False)
        self._unanswered -= 1
        self._refusals += 1
        if wait_s > 0 and not self._rate_limiter.paused_s:
            self.pause(wait_s)
        if ceiling is not None or wait_s <= 0:
            self._shrink(ceiling, counted)
            self._scope = scope
            if self._in_flight == 0:
                # Others hold all slots: try again later, and never give up.
                self._probing = True
                self.pause(max(wait_s, self._empty_wait_s))
                self._empty_wait_s = min(self._empty_wait_s * 2, _LONGEST_WAIT_S)
        self._give_back()
        self._on_change(self.statistics())

    def pause(self, duration_s: float) -> None:
        """Hold back all submits for ``duration_s`` seconds from now."""
        self._paused_until_s = max(
            self._paused_until_s, self._clock.monotonic_s() + duration_s
        )

    # --- inside ---------------------------------------------------------------

    def _shrink(self, ceiling: int | None, counted: int | None) -> None:
        """Set the limit after a refusal, with the refused slot still held."""
        tried_more = self._growing or self._probing or self._held > self._limit
        self._growing = False
        self._probing = False
        self._retired_in_peace = 0
        if ceiling is not None:
            self._ceiling = max(1, ceiling)
        self._others = 0
        room = self._in_flight
        if ceiling is not None and counted is not None and counted >= ceiling:
            # The service may already count submits that are not answered yet.
            self._others = max(0, counted - self._in_flight - self._unanswered)
            room = max(room, ceiling - self._others)
        if not tried_more:  # it was a slot of ours that another client has taken
            room = kept_after_loss(room, self._others)
        self._limit = self._capped(room)

    def _probe(self) -> None:
        """Raise the limit by one once enough jobs have ended without a refusal."""
        if self._growing or self._is_rate_bound():
            return  # one more slot is useless while the request rate is the bottleneck
        at_ceiling = self._ceiling is not None and self._limit >= self._ceiling
        if at_ceiling and self._is_announced:
            return
        generations = generations_to_probe(self._limit, self._others)
        if at_ceiling:
            generations = _GENERATIONS_AT_CEILING
        if self._retired_in_peace < generations * self._limit:
            return
        if at_ceiling:
            self._ceiling = None  # it may have risen; the next refusal names it again
        self._retired_in_peace = 0
        self._probing = True
        self._limit = self._capped(self._limit + 1)

    def _is_rate_bound(self) -> bool:
        if self._others:  # while others try for more, so must this run
            return self._held > self._in_flight + self._unanswered
        return self._rate_limiter.is_scarce

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
            heapq.heappop(self._waiters)[2].set()

    async def _wait_in_line(self, rank: int) -> None:
        turn = anyio.Event()
        waiter = rank, next(self._arrivals), turn
        heapq.heappush(self._waiters, waiter)
        try:
            await turn.wait()
        except BaseException:
            if turn.is_set():
                self._give_back()
            else:
                self._waiters.remove(waiter)
                heapq.heapify(self._waiters)
            raise
