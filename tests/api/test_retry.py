"""retry_free: until a deadline, with back-off, and only what another try may mend."""

import pytest

from pipeline.api.retry import LONGEST_DELAY_S, Backoff, retry_free
from pipeline.errors import (
    AccessDenied,
    BudgetReached,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    Unavailable,
    UnexpectedAnswer,
)


class Script:
    """A free call that raises what it is told to, then answers."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.calls = 0

    async def __call__(self):
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


async def test_an_answer_needs_no_wait(clock):
    assert await retry_free(Script(), clock=clock, deadline_s=600) == "answer"
    assert clock.slept_s == []


async def test_back_off_doubles_from_half_a_second_to_five(clock):
    script = Script(*[Unavailable() for _ in range(7)])

    await retry_free(script, clock=clock, deadline_s=600)

    assert clock.slept_s == [0.5, 1, 2, 4, 5, 5, 5]


@pytest.mark.parametrize(
    "error", [Unavailable(), RateLimited(), UnexpectedAnswer()], ids=repr
)
async def test_what_another_try_may_mend_is_tried_again(clock, error):
    script = Script(error)

    assert await retry_free(script, clock=clock, deadline_s=600) == "answer"
    assert script.calls == 2


@pytest.mark.parametrize(
    "error",
    [
        Rejected(status=400),
        AccessDenied(),
        BudgetReached(),
        OutcomeUnknown(),
        KeyError(),
    ],
    ids=repr,
)
async def test_anything_else_is_raised_at_once(clock, error):
    script = Script(error)

    with pytest.raises(type(error)):
        await retry_free(script, clock=clock, deadline_s=600)

    assert script.calls == 1
    assert clock.slept_s == []


async def test_the_service_s_own_wait_is_kept(clock):
    script = Script(RateLimited(retry_after_s=30), Unavailable(retry_after_s=0.1))

    await retry_free(script, clock=clock, deadline_s=600)

    assert clock.slept_s == [30, 1]


async def test_a_deadline_and_not_a_count_ends_it(clock):
    script = Script(*[Unavailable(f"{n}") for n in range(1000)])

    with pytest.raises(Unavailable) as caught:
        await retry_free(script, clock=clock, deadline_s=600)

    assert clock.monotonic_s() == 600
    assert script.calls == 124
    assert caught.value.message == "123"  # the last one


async def test_a_wait_never_goes_beyond_the_deadline(clock):
    script = Script(*[RateLimited(retry_after_s=3600) for _ in range(9)])

    with pytest.raises(RateLimited):
        await retry_free(script, clock=clock, deadline_s=10)

    assert clock.slept_s == [10]
    assert script.calls == 2


async def test_refusals_for_the_rate_of_requests_are_no_outage(clock):
    busy = RateLimited("too many requests", is_about_requests=True)
    script = Script(*[busy] * 1000)

    assert await retry_free(script, clock=clock, deadline_s=10) == "answer"
    assert clock.monotonic_s() > 4000
    assert max(clock.slept_s) == LONGEST_DELAY_S


async def test_an_outage_between_refusals_for_the_rate_still_ends_at_the_deadline(
    clock,
):
    busy = RateLimited("too many requests", retry_after_s=60, is_about_requests=True)
    script = Script(*[busy, Unavailable("502")] * 100)

    with pytest.raises(Unavailable, match="502"):
        await retry_free(script, clock=clock, deadline_s=10)

    assert [wait_s for wait_s in clock.slept_s if wait_s < 60] == [1, 4, 5]


async def test_the_time_that_a_refused_call_takes_does_not_count(clock):
    calls = iter([RateLimited(is_about_requests=True), Unavailable("502"), None])

    async def call():
        error = next(calls)
        if isinstance(error, RateLimited):
            clock.jump(3600)  # it waited for its turn
        if error is not None:
            raise error
        return "answer"

    assert await retry_free(call, clock=clock, deadline_s=10) == "answer"


async def test_without_time_there_is_one_try(clock):
    script = Script(Unavailable())

    with pytest.raises(Unavailable):
        await retry_free(script, clock=clock, deadline_s=0)

    assert script.calls == 1


async def test_a_back_off_says_when_it_is_over(clock):
    backoff = Backoff(clock, 0.75)

    assert [await backoff.sleep() for _ in range(3)] == [True, True, False]
    assert clock.slept_s == [0.5, 0.25]
