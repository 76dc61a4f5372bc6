"""RateLimiter: a sliding window with priorities, for all requests to the API.

It limits the number of requests within a minute and hands them out by priority: a
submit fills a slot, one list covers all jobs, a read covers some, a quote can wait.
Priority rises with waiting time, so that nothing starves. The window is shared with the
project's other processes (``rate_limiter_state``).

Submits have two more rules. During a cooldown of the service, none is sent. As long as
a cooldown may start unexpectedly, only a few may be unanswered at a time, since all of
them would be refused.
"""

import heapq
import itertools
import logging
from collections import deque
from collections.abc import Callable
from enum import IntEnum

import anyio

from pipeline.activity import RequestBudget
from pipeline.api.allowance import WINDOW_S, Allowance
from pipeline.api.rate_limiter_state import (
    RateLimiterState,
    Shared,
    StateBusy,
    state_path,
)
from pipeline.clock import Clock
from pipeline.errors import RateLimited
from pipeline.settings import Credentials, Settings

AGE_PER_PRIORITY_S = 5.0  # waiting this long raises a request by one priority
PERMIT_S = 1.0  # how long a turn given to a submit stays valid
LONGEST_HOLD_S = 60.0  # for all requests, whatever the service asks for
FIRST_HOLD_S, LAST_HOLD_S = 1.0, 15.0  # after a refusal
SURPRISED_AFTER = 30  # accepted submits before more than the first few are sent at once
COOLDOWN_S = 3.0  # a pause at least this long is remembered, and another expected
UNANSWERED_S = 5.0  # a submit that hangs this long no longer holds up others
_LOOK_S = 1.0  # without a limit: how old our view of other processes may be
_BUSY_S = 0.01
_MOST_BUSY = 100  # attempts to lock the file before going on alone
_WAITS = float("inf")  # the departure time of a submit that still waits for its turn
_SCARCE = 0.5  # this part of the window is used

logger = logging.getLogger(__name__)


class Priority(IntEnum):
    """What a request is for; the lowest number goes first."""

    SUBMIT = 0
    LIST = 1
    READ = 2
    UPLOAD = 3
    QUOTE = 4
    OTHER = 5


class _Waiter:
    __slots__ = ("key", "turn")

    def __init__(self, key: tuple[float, int]) -> None:
        self.key = key
        self.turn = anyio.Event()

    def __lt__(self, other: "_Waiter") -> bool:
        return self.key < other.key


class RateLimiter:
    """Gives each request its turn.

    Args:
        clock: The source of time.
        limit: Requests per minute, of all kinds together, or None for no limit.
        state: Shared with other processes; None to share nothing.
        first_posts: How many submits may be unanswered at a time at first, or None for
            any number.
        posts: The same later on, if there is a limit.

    Attributes:
        trouble: Why other processes cannot be taken into account, or "".
    """

    def __init__(
        self,
        clock: Clock,
        *,
        limit: int | None = None,
        state: RateLimiterState | None = None,
        first_posts: int | None = None,
        posts: int = 8,
    ) -> None:
        self._clock = clock
        self._limit = limit
        self._state = state
        self._first_posts = first_posts
        self._posts = posts
        self.trouble = ""
        self._stamps: deque[float] = deque()
        self._allowance = Allowance()  # on the monotonic clock
        self._others = 0
        self._looked_s = float("-inf")
        self._queue: list[_Waiter] = []
        self._order = itertools.count()
        self._held_until_s = 0.0
        self._hold_s = 0.0
        self._refused_s = float("-inf")
        self._paused_until_s = 0.0
        self._holding = 0
        self._is_cautious = False
        self._changed = anyio.Event()
        self._accepted = 0
        self._unanswered: deque[float] = deque()  # when each was sent, or _WAITS
        self._answered = anyio.Event()
        self._permits: deque[float] = deque()

    # --- what callers plan with -------------------------------------------------

    @property
    def rate_per_s(self) -> float | None:
        """Requests per second, without other processes' share; None if unlimited."""
        limit = self._allowed()
        if limit is None:
            return None
        return max(limit - self._others, limit / 4) / WINDOW_S

    @property
    def used(self) -> float:
        """The part of the window that is used, 0 to 1; 0 without a limit.

        It is 1 while requests are held back because the service refused one.
        """
        limit = self._allowed()
        if limit is None:
            return 0.0
        now_s = self._clock.monotonic_s()
        if now_s < self._held_until_s:
            return 1.0
        self._forget_old(now_s)
        return min(1.0, (len(self._stamps) + self._others) / limit)

    def budget(self) -> RequestBudget:
        """The requests of the last minute, to be shown; changes nothing.

        A screen may call it from another thread.
        """
        now_s = self._clock.monotonic_s()
        since_s = now_s - WINDOW_S
        used = sum(stamp > since_s for stamp in list(self._stamps)) + self._others
        limit = self._allowed()
        return RequestBudget(
            used=used if limit is None else min(used, limit),
            limit=limit,
            held_s=max(0.0, self._held_until_s - now_s),
        )

    @property
    def is_scarce(self) -> bool:
        """Whether so many requests were sent lately that the limit may be near."""
        return self.used >= _SCARCE

    @property
    def paused_s(self) -> float:
        """Seconds until the service accepts submits again; 0 if it does now."""
        if not self._paused_until_s:
            return 0.0
        return max(0.0, self._paused_until_s - self._clock.monotonic_s())

    @property
    def is_holding(self) -> bool:
        """Whether a submit is waiting for the end of a pause."""
        return self._holding > 0

    async def wait_for_change(self, duration_s: float | None = None) -> None:
        """Suspend until a pause begins, grows or holds a submit, or for a while."""
        self._changed = anyio.Event()
        await self._wait_for(self._changed, duration_s)

    def look(self) -> None:
        """Learn what other or earlier processes know about a cooldown."""
        if self._state is None or self.trouble:
            return
        now_s = self._clock.monotonic_s()
        if now_s - self._looked_s < _LOOK_S:
            return
        self._looked_s = now_s
        try:
            self._learn(self._state.look(self._wall_s()))
        except OSError as error:
            self._note_trouble(error)

    # --- turns ----------------------------------------------------------------

    async def wait_for_turn(self, priority: Priority) -> None:
        """Suspend until a request may be sent, and count it."""
        if self._limit is None and not self._held_until_s:
            return
        await self._turn(priority)

    async def wait_to_submit(self) -> None:
        """Suspend until a submit may be sent, and keep its turn for ``begin_submit``.

        Call this before the write-ahead intent: a submit that waits here leaves no
        trace. ``end_submit`` must follow.
        """
        self.look()
        while True:
            await self._wait_out_pause()
            await self._wait_for_answers()
            self._unanswered.append(_WAITS)
            try:
                await self.wait_for_turn(Priority.SUBMIT)
            except BaseException:
                self._note_answer(_WAITS)
                raise
            if not self.paused_s:
                break
            self._note_answer(_WAITS)
        self._unanswered.remove(_WAITS)
        now_s = self._clock.monotonic_s()
        self._unanswered.append(now_s)
        self._answered.set()  # those waiting for this answer can now start their clock
        if self._limit is not None:
            self._permits.append(now_s)

    async def begin_submit(self) -> None:
        """Send the submit now, with the turn that was kept for it or a new one.

        Raises:
            RateLimited: A cooldown started after the turn was given; nothing was sent.
        """
        self.look()
        if not self._use_permit():
            await self.wait_for_turn(Priority.SUBMIT)
        if self.paused_s:
            text = "the service takes no submits for a while"
            raise RateLimited(text, retry_after_s=self.paused_s, request_left=False)

    def end_submit(self, *, is_accepted: bool) -> None:
        """Note that a submit has been answered, or will not be sent."""
        self._accepted += is_accepted
        if self._unanswered:
            self._note_answer(min(self._unanswered))

    # --- what the service says ----------------------------------------------------

    def note_refusal(self, retry_after_s: float = 0.0) -> None:
        """Note that the service refused a request because there were too many.

        Others have sent requests, and how many is unknown. So all requests are held
        back for a while, longer each time, and our allowance falls.

        Args:
            retry_after_s: How long it asks to wait, or 0.
        """
        now_s = self._clock.monotonic_s()
        if retry_after_s:
            hold_s = min(retry_after_s, LONGEST_HOLD_S)
            self._held_until_s = max(self._held_until_s, now_s + hold_s)
        elif now_s >= self._held_until_s:
            calm = now_s - self._refused_s > LONGEST_HOLD_S
            self._hold_s = FIRST_HOLD_S if calm else min(self._hold_s * 2, LAST_HOLD_S)
            self._held_until_s = now_s + self._hold_s
            self._refused_s = now_s
        if self._limit is not None:
            self._forget_old(now_s)
            limit, used = self._limit, len(self._stamps) + self._others
            self._allowance = self._allowance.after_refusal(limit, used, now_s)
            self._share(
                lambda state: state.refuse(self._wall_s(), limit),
                if_busy="other processes do not know of the refusal",
            )

    def pause(self, duration_s: float) -> None:
        """Send no submits for so long; everything else continues."""
        self._begin_pause(duration_s)
        if duration_s < COOLDOWN_S:
            return
        self._is_cautious = True
        self._share(
            lambda state: state.pause(self._wall_s(), duration_s),
            if_busy="the end of the pause could not be saved",
        )

    # --- inside ---------------------------------------------------------------

    async def _turn(self, priority: Priority) -> None:
        now_s = self._clock.monotonic_s()
        key = (now_s + AGE_PER_PRIORITY_S * priority, next(self._order))
        waiter = _Waiter(key)
        heapq.heappush(self._queue, waiter)
        busy = 0
        try:
            while True:
                if self._queue[0] is not waiter:
                    waiter.turn = anyio.Event()
                    await waiter.turn.wait()
                    continue
                if priority is Priority.SUBMIT and self.paused_s:
                    return  # its turn would be lost; the caller waits for the pause
                try:
                    wait_s = self._try_to_take(is_alone=busy >= _MOST_BUSY)
                    busy = 0
                except StateBusy:
                    busy += 1
                    wait_s = _BUSY_S
                if wait_s <= 0:
                    return
                await self._clock.sleep(wait_s)
        finally:
            self._queue.remove(waiter)
            heapq.heapify(self._queue)
            if self._queue:
                self._queue[0].turn.set()

    def _try_to_take(self, *, is_alone: bool) -> float:
        """Take a turn and return 0, or return how long to wait for one."""
        now_s = self._clock.monotonic_s()
        if self._held_until_s > now_s:
            return self._held_until_s - now_s
        self._held_until_s = 0.0
        if self._limit is None:
            return 0.0
        self._forget_old(now_s)
        wait_s = self._allowance.wait_s(self._stamps, self._limit, now_s)
        if wait_s > 0:
            return wait_s
        if self._state is not None and not self.trouble and not is_alone:
            try:
                shared = self._state.take(self._wall_s(), self._limit)
            except OSError as error:
                self._note_trouble(error)
            else:
                self._learn(shared)
                if shared.wait_s:
                    return shared.wait_s
        self._stamps.append(now_s)
        return 0.0

    def _allowed(self) -> int | None:
        """Requests a minute that are allowed now, of all processes on this machine."""
        if self._limit is None:
            return None
        return self._allowance.of(self._limit, self._clock.monotonic_s())

    def _forget_old(self, now_s: float) -> None:
        while self._stamps and self._stamps[0] <= now_s - WINDOW_S:
            self._stamps.popleft()

    async def _wait_out_pause(self) -> None:
        while self.paused_s:
            self._holding += 1
            if self._holding == 1:
                self._changed.set()
            try:
                await self._clock.sleep(self.paused_s)
            finally:
                self._holding -= 1

    async def _wait_for_answers(self) -> None:
        """Suspend until few enough submits are unanswered."""
        while True:
            most = self._most_unanswered()
            if most is None:
                return
            oldest_s = self._clock.monotonic_s() - UNANSWERED_S
            young = [left_s for left_s in self._unanswered if left_s > oldest_s]
            if len(young) < most:
                return
            if self._answered.is_set():
                self._answered = anyio.Event()
            first_s = min(young)
            wait_s = None if first_s == _WAITS else first_s - oldest_s
            await self._wait_for(self._answered, wait_s)

    def _most_unanswered(self) -> int | None:
        if self._first_posts is None:
            return None
        if self._is_cautious:
            return 1
        if self._accepted < SURPRISED_AFTER:
            return self._first_posts
        return None if self._limit is None else self._posts

    def _note_answer(self, left_s: float) -> None:
        self._unanswered.remove(left_s)
        self._answered.set()

    def _use_permit(self) -> bool:
        oldest_s = self._clock.monotonic_s() - PERMIT_S
        while self._permits:
            if self._permits.popleft() >= oldest_s:
                return True
        return False

    def _begin_pause(self, duration_s: float) -> None:
        until_s = self._clock.monotonic_s() + duration_s
        if until_s > self._paused_until_s:
            self._paused_until_s = until_s
            self._changed.set()

    def _learn(self, shared: Shared) -> None:
        self._looked_s = self._clock.monotonic_s()
        self._others = max(0, shared.used - len(self._stamps) - 1)
        self._is_cautious |= shared.is_cautious
        lead_s = self._looked_s - self._wall_s()
        if shared.allowance.reduced:
            self._allowance = Allowance(
                reduced=shared.allowance.reduced,
                refused_at=shared.allowance.refused_at + lead_s,
            )
        if shared.paused_s > self.paused_s + 1.0:
            self._begin_pause(shared.paused_s)

    def _share(
        self, write: Callable[[RateLimiterState], None], *, if_busy: str
    ) -> None:
        """Tell the other processes, if the state folder is usable."""
        if self._state is None or self.trouble:
            return
        try:
            write(self._state)
        except StateBusy:
            logger.warning(if_busy)
        except OSError as error:
            self._note_trouble(error)

    def _note_trouble(self, error: OSError) -> None:
        self._others = 0
        self._changed.set()
        self.trouble = (
            "requests are counted for this run only, and pauses are not remembered:"
            f" the state folder cannot be used ({error.strerror or error})"
        )
        logger.warning(self.trouble)

    def _wall_s(self) -> float:
        return self._clock.utc_now().timestamp()

    async def _wait_for(self, event: anyio.Event, duration_s: float | None) -> None:
        """Suspend until the event, or for ``duration_s``."""
        if duration_s is None:
            await event.wait()
            return
        async with anyio.create_task_group() as tasks:

            async def sleep() -> None:
                await self._clock.sleep(duration_s)
                tasks.cancel_scope.cancel()

            tasks.start_soon(sleep)
            await event.wait()
            tasks.cancel_scope.cancel()


def rate_limiter_of(
    credentials: Credentials,
    settings: Settings,
    clock: Clock,
    *,
    is_shared: bool = True,
) -> RateLimiter:
    """The rate limiter of a service, shared with the project's other processes."""
    path = state_path(credentials) if is_shared else None
    return RateLimiter(
        clock,
        limit=settings.requests_per_minute(is_loopback=credentials.is_loopback),
        state=None if path is None else RateLimiterState(path),
        first_posts=settings.first_posts,
        posts=settings.posts,
    )
