"""Pausing: what a person is told of pauses, and when they end submitting."""

import anyio
import pytest
from doubles.clock import FakeClock

from pipeline.api.rate_limiter import RateLimiter
from pipeline.api.rate_limiter_state import RateLimiterState
from pipeline.errors import ExitCode
from pipeline.running.events import Paused, Warned
from pipeline.running.pausing import Pausing
from pipeline.running.stopping import Stopping
from pipeline.settings import Settings


class Told:
    """A rate limiter, somebody who waits to submit, and what was said of it."""

    def __init__(self, rate_limiter, clock, **settings):
        self.rate_limiter, self.clock = rate_limiter, clock
        self.told, self.stops = [], []
        self.stopping = Stopping(lambda _reason, _hint: None)
        self.pausing = Pausing(
            rate_limiter,
            clock,
            Settings(**settings),
            tell=self.told.append,
            stopping=self.stopping,
            stop=self.stops.append,
        )

    @property
    def events(self):
        return [event for event in self.told if isinstance(event, Paused)]

    @property
    def warnings(self):
        return [event.message for event in self.told if isinstance(event, Warned)]

    @property
    def halts(self):
        return [*self.stopping.halts.values()]

    async def through(self, duration_s, *, submits=True):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.pausing.run)
            if submits:
                tasks.start_soon(self.rate_limiter.wait_to_submit)
            await self.clock.advance(duration_s)
            tasks.cancel_scope.cancel()


@pytest.fixture
def clock():
    return FakeClock()


async def test_it_is_said_at_once_and_every_minute_until_it_ends(clock):
    told = Told(RateLimiter(clock), clock)
    told.rate_limiter.pause(150)

    await told.through(400)

    assert [event.left_s for event in told.events] == [150, 90, 30]
    assert len({event.until for event in told.events}) == 1
    assert told.events[0] == Paused(until=told.events[0].until, left_s=150)


async def test_several_that_wait_are_told_of_once(clock):
    told = Told(RateLimiter(clock), clock)
    told.rate_limiter.pause(150)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(told.pausing.run)
        for _ in range(3):
            scope = anyio.CancelScope()

            async def wait(scope=scope):
                with scope:
                    await told.rate_limiter.wait_to_submit()

            tasks.start_soon(wait)
            await clock.advance(5)
            scope.cancel()
            await clock.advance(5)
        tasks.cancel_scope.cancel()

    assert [event.left_s for event in told.events] == [150]


async def test_a_pause_that_nobody_waits_for_is_not_worth_a_word(clock):
    told = Told(RateLimiter(clock), clock, max_pause_s=60, deadline_s=100)
    told.rate_limiter.pause(150)

    await told.through(99, submits=False)

    assert (told.events, told.halts, told.stops) == ([], [], [])


async def test_a_pause_that_grows_beyond_what_is_waited_for_ends_submitting(clock):
    told = Told(RateLimiter(clock), clock, max_pause_s=600)
    told.rate_limiter.pause(300)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(told.pausing.run)
        tasks.start_soon(told.rate_limiter.wait_to_submit)
        await clock.advance(30)
        assert not told.halts
        told.rate_limiter.pause(1200)
        await clock.advance(1)
        tasks.cancel_scope.cancel()

    (halt,) = told.halts
    assert halt.exit_code is ExitCode.UNREACHABLE
    assert "for 20 min" in halt.message
    assert f"{told.events[-1].until:%Y-%m-%d %H:%M} UTC" in halt.hint


async def test_a_deadline_that_comes_first_ends_submitting(clock):
    told = Told(RateLimiter(clock), clock, deadline_s=100)
    told.rate_limiter.pause(150)

    await told.through(1)

    assert len(told.stops) == 1
    assert not told.halts


async def test_what_cannot_be_shared_is_said_once(clock, tmp_path):
    (tmp_path / "state").write_text("a file")
    state = RateLimiterState(tmp_path / "state" / "a.pace")
    told = Told(RateLimiter(clock, limit=5, state=state), clock)

    await told.through(10)

    assert len(told.warnings) == 1
    assert "counted for this run only" in told.warnings[0]
