"""Slots: how the limit grows and shrinks, and who is next."""

from contextlib import asynccontextmanager

import anyio
import pytest

from pipeline.api.rate_limiter import Priority, RateLimiter
from pipeline.stages.slots import Slots


@pytest.fixture
def make(clock):
    def build(first=4, posts=100, max_jobs=None, **others):
        return Slots(clock, first=first, posts=posts, max_jobs=max_jobs, **others)

    return build


async def take(slots, count=1):
    """Take slots that are free at once."""
    with anyio.fail_after(1):
        for _ in range(count):
            await slots.wait_for_slot()


async def fill(slots, count):
    """Bring so many jobs in flight."""
    for _ in range(count):
        await take(slots)
        slots.accepted()


@asynccontextmanager
async def waiting(slots, clock, *names, order, **options):
    """One waiter a name, which notes its name in ``order`` when it gets a slot.

    Yields:
        The cancel scope of each waiter, by its name.
    """
    scopes = {name: anyio.CancelScope() for name in names}

    async def wait(name):
        with scopes[name]:
            await slots.wait_for_slot(**options)
            order.append(name)

    async with anyio.create_task_group() as tasks:
        for name in names:
            tasks.start_soon(wait, name)
            await clock.settle()
        yield scopes
        tasks.cancel_scope.cancel()


# --- growing ------------------------------------------------------------------------


async def test_as_many_as_the_first_limit_are_free_at_once(make):
    slots = make(first=3)

    await take(slots, 3)

    assert slots.statistics().held == 3
    assert slots.statistics().limit == 3


async def test_one_above_the_limit_waits(make, clock):
    slots = make(first=2)
    await take(slots, 2)
    order = []

    async with waiting(slots, clock, "third", order=order):
        assert order == []
        assert slots.statistics().waiting == 1


async def test_every_accepted_job_raises_the_limit_until_a_refusal(make):
    slots = make(first=2)

    await fill(slots, 6)
    grown = slots.statistics().limit
    await take(slots)
    slots.refused(ceiling=None)

    assert grown == 8
    assert slots.statistics().limit == 6
    assert slots.statistics().refusals == 1


async def test_after_a_refusal_accepted_jobs_raise_the_limit_no_more(make):
    slots = make(first=2)
    await fill(slots, 4)
    await take(slots)
    slots.refused(ceiling=None)
    slots.retired()

    await fill(slots, 1)

    assert slots.statistics().limit == 4
    assert slots.statistics().in_flight == 4


async def test_while_growing_few_submits_are_unanswered_at_a_time(make, clock):
    slots = make(first=50, posts=2)
    order = []

    async with waiting(slots, clock, "a", "b", "c", "d", order=order):
        unanswered = list(order)
        slots.accepted()
        await clock.settle()

        assert unanswered == ["a", "b"]
        assert order == ["a", "b", "c"]


async def test_a_ceiling_told_in_advance_is_the_limit_at_once(make):
    slots = make(first=2)

    slots.announce(7)
    await take(slots, 7)

    assert slots.statistics().limit == 7


async def test_a_ceiling_told_in_advance_frees_those_who_wait(make, clock):
    slots = make(first=1)
    await take(slots)
    order = []

    async with waiting(slots, clock, "a", "b", order=order):
        slots.announce(2)
        await clock.settle()

        assert order == ["a"]


# --- shrinking ------------------------------------------------------------------------


async def test_a_named_ceiling_is_the_limit(make):
    slots = make(first=2)
    await fill(slots, 5)
    await take(slots)

    slots.refused(ceiling=5)

    assert slots.statistics().limit == 5


async def test_a_named_ceiling_above_what_is_in_flight_is_held_by_others(make):
    slots = make(first=2)
    await fill(slots, 3)
    await take(slots)

    slots.refused(ceiling=10)

    assert slots.statistics().limit == 3


async def test_nothing_is_given_while_more_are_held_than_a_shrunken_limit(make, clock):
    slots = make(first=4)
    await fill(slots, 4)
    await take(slots)
    slots.refused(ceiling=2)
    order = []

    async with waiting(slots, clock, "a", order=order):
        slots.retired()
        slots.retired()
        await clock.settle()
        while_full = list(order)
        slots.retired()
        await clock.settle()

        assert slots.statistics().limit == 2
        assert while_full == []
        assert order == ["a"]


async def test_one_more_is_tried_once_a_generation_has_retired_in_peace(make):
    slots = make(first=2)
    await fill(slots, 3)
    await take(slots)
    slots.refused(ceiling=None)
    limits = []

    for _ in range(6):
        slots.retired()
        limits.append(slots.statistics().limit)
        await fill(slots, 1)

    assert limits == [3, 3, 4, 4, 4, 4]


async def test_a_named_ceiling_is_kept_to_and_after_two_generations_tried_again(make):
    slots = make(first=2)
    await fill(slots, 3)
    await take(slots)
    slots.refused(ceiling=3)

    for _ in range(5):
        slots.retired()
        await fill(slots, 1)
        assert slots.statistics().limit == 3
    slots.retired()
    assert slots.statistics().limit == 4
    await fill(slots, 1)
    await take(slots)
    slots.refused(ceiling=3)

    assert slots.statistics().limit == 3


async def test_when_one_more_is_taken_the_limit_grows_fast_again(make):
    slots = make(first=2)
    await fill(slots, 3)
    await take(slots)
    slots.refused(ceiling=None)

    for _ in range(3):
        slots.retired()
        await fill(slots, 1)
    assert slots.statistics().limit == 4
    await fill(slots, 3)

    assert slots.statistics().limit >= 6


async def test_the_users_limit_is_never_exceeded(make):
    slots = make(first=8, max_jobs=3)

    slots.announce(50)
    await fill(slots, 3)
    for _ in range(10):
        slots.retired()
        await fill(slots, 1)

    assert slots.statistics().limit == 3


async def test_jobs_in_flight_from_before_are_held_above_the_limit(make, clock):
    slots = make(first=2)
    for _ in range(5):
        slots.occupy()
    order = []

    async with waiting(slots, clock, "a", order=order):
        for _ in range(3):
            slots.retired()
        await clock.settle()
        too_early = list(order)
        slots.retired()
        await clock.settle()

        assert too_early == []
        assert order == ["a"]


# --- waiting ---------------------------------------------------------------------------


async def test_a_freed_slot_goes_to_who_waited_longest(make, clock):
    slots = make(first=1)
    await take(slots)
    order = []

    async with waiting(slots, clock, "a", "b", "c", order=order):
        for _ in range(3):
            slots.unused()
            await clock.settle()

    assert order == ["a", "b", "c"]


async def test_a_refused_job_is_before_all_that_wait(make, clock):
    slots = make(first=1)
    await take(slots)
    order = []

    async with (
        waiting(slots, clock, "a", "b", order=order),
        waiting(slots, clock, "refused", order=order, first_in_line=True),
    ):
        for _ in range(3):
            slots.unused()
            await clock.settle()

    assert order == ["refused", "a", "b"]


async def test_who_comes_while_others_wait_goes_to_the_end_of_the_line(make, clock):
    """Room that was made without waking anybody is not for the latecomer."""
    slots = make(first=5, posts=1)
    await take(slots)
    order = []

    async with (
        waiting(slots, clock, "a", order=order),
        waiting(slots, clock, "later", order=order),
    ):
        slots.unused()
        await clock.settle()

        assert order == ["a"]
        assert slots.statistics().waiting == 1


async def test_a_waiter_that_is_cancelled_leaves_the_line(make, clock):
    slots = make(first=1)
    await take(slots)
    order = []

    async with waiting(slots, clock, "a", "b", order=order) as scopes:
        scopes["a"].cancel()
        await clock.settle()
        slots.unused()
        await clock.settle()

        assert order == ["b"]
        assert slots.statistics().waiting == 0


async def test_a_waiter_cancelled_as_it_gets_its_slot_gives_it_on(make, clock):
    slots = make(first=1)
    await take(slots)
    order = []

    async with waiting(slots, clock, "a", "b", order=order) as scopes:
        scopes["a"].cancel()
        slots.unused()  # "a" stands first in the line and has not woken yet
        await clock.settle()

        assert order == ["b"]
        assert slots.statistics().held == 1


# --- pauses ------------------------------------------------------------------------------


async def test_a_cooldown_pauses_submits_and_leaves_the_limit_alone(
    make, clock, finish
):
    slots = make(first=4)
    await fill(slots, 3)
    before = slots.statistics().limit
    await take(slots)

    slots.refused(ceiling=None, wait_s=20.0)
    await finish(slots.wait_for_slot)

    assert clock.monotonic_s() == 20.0
    assert slots.statistics().limit == before


async def test_jobs_can_retire_during_a_pause(make, clock):
    slots = make(first=2)
    await fill(slots, 2)

    slots.pause(60)
    slots.retired()

    assert slots.statistics().in_flight == 1
    assert slots.statistics().paused_s == 60


async def test_a_shorter_pause_does_not_end_a_longer_one(make, finish, clock):
    slots = make()

    slots.pause(30)
    slots.pause(5)
    await finish(slots.wait_for_slot)

    assert clock.monotonic_s() == 30


async def test_a_pause_that_is_cancelled_gives_the_slot_back(make, clock):
    slots = make(first=1)
    slots.pause(60)
    order = []

    async with waiting(slots, clock, "a", order=order) as scopes:
        held = slots.statistics().held
        scopes["a"].cancel()
        await clock.settle()

        assert (held, slots.statistics().held) == (1, 0)
        assert order == []


async def test_a_limit_that_falls_during_a_pause_holds_those_who_paused(make, clock):
    slots = make(first=4)
    await fill(slots, 2)
    await take(slots)
    slots.pause(10)
    order = []

    async with waiting(slots, clock, "a", "b", order=order):
        slots.refused(ceiling=2)
        await clock.advance(11)
        while_full = list(order)
        slots.retired()
        await clock.settle()

        assert while_full == []
        assert len(order) == 1


async def test_with_nothing_in_flight_a_refusal_waits_longer_each_time(
    make, clock, finish
):
    slots = make()
    waits = []

    for _ in range(8):
        before_s = clock.monotonic_s()
        await finish(slots.wait_for_slot)
        waits.append(clock.monotonic_s() - before_s)
        slots.refused(ceiling=3)

    assert waits == [0, 1, 2, 4, 5, 5, 5, 5]
    assert slots.statistics().limit == 1


async def test_an_accepted_job_ends_the_growing_of_those_waits(make, clock, finish):
    slots = make()
    for _ in range(4):
        await finish(slots.wait_for_slot)
        slots.refused(ceiling=None)
    await finish(slots.wait_for_slot)
    slots.accepted()
    slots.retired()
    await finish(slots.wait_for_slot)
    slots.refused(ceiling=None)
    before_s = clock.monotonic_s()

    await finish(slots.wait_for_slot)

    assert clock.monotonic_s() - before_s == 1.0


async def test_a_ceiling_of_zero_is_a_ceiling_of_one(make):
    slots = make()
    await take(slots)

    slots.refused(ceiling=0)

    assert slots.statistics().limit == 1


async def test_changes_are_told_with_the_new_figures(make):
    told = []
    slots = make(on_change=told.append)

    await fill(slots, 1)
    slots.retired()

    assert [figures.in_flight for figures in told] == [1, 0]


# --- what a refusal tells of others ------------------------------------------------------


async def test_a_refusal_that_counts_everybody_tells_how_many_slots_are_left(make):
    """Twelve of ours are in flight, three not answered yet; the team has twenty."""
    slots = make(first=30)
    await fill(slots, 12)
    await take(slots, 4)

    slots.refused(ceiling=20, counted=20, scope="team")

    assert slots.statistics().limit == 15
    assert (slots.statistics().others, slots.statistics().scope) == (5, "team")


@pytest.mark.parametrize("counted", [None, 0, 3, 19])
async def test_a_count_that_cannot_be_is_not_believed(make, counted):
    slots = make(first=30)
    await fill(slots, 12)
    await take(slots, 4)

    slots.refused(ceiling=20, counted=counted)

    assert slots.statistics().limit == 12
    assert slots.statistics().others == 0


async def test_what_is_left_is_never_above_the_ceiling(make):
    slots = make(first=30)
    await fill(slots, 12)
    await take(slots, 1)

    slots.refused(ceiling=10, counted=12)

    assert slots.statistics().limit == 10


# --- the rate limiter ---------------------------------------------------------------------------


async def test_a_slot_waits_for_the_turn_of_its_submit(clock, finish):
    rate_limiter = RateLimiter(clock, limit=1)
    await rate_limiter.wait_for_turn(Priority.LIST)
    slots = Slots(clock, first=4, posts=4, rate_limiter=rate_limiter)

    await finish(slots.wait_for_slot)

    assert clock.monotonic_s() >= 60
    assert slots.statistics().held == 1


async def test_a_cooldown_does_not_end_the_growth_of_the_limit(make, finish):
    slots = make(first=2)
    await fill(slots, 2)
    await take(slots)
    slots.refused(ceiling=None, wait_s=20.0)
    await finish(slots.wait_for_slot)

    slots.accepted()
    before = slots.statistics().limit
    await take(slots)
    slots.accepted()

    assert slots.statistics().limit == before + 1


async def test_a_pause_of_the_pace_is_shown(clock):
    rate_limiter = RateLimiter(clock)
    slots = Slots(clock, first=4, posts=4, rate_limiter=rate_limiter)

    rate_limiter.pause(90)

    assert slots.statistics().paused_s == 90


async def test_no_slot_more_is_tried_where_requests_are_scarce(clock):
    rate_limiter = RateLimiter(clock, limit=4)
    slots = Slots(clock, first=2, posts=4, rate_limiter=rate_limiter)
    await fill(slots, 2)
    await take(slots)
    slots.refused(ceiling=None)
    before = slots.statistics().limit

    for _ in range(4):
        slots.retired()
        slots.occupy()
    scarce = slots.statistics().limit
    clock.jump(100)
    for _ in range(4):
        slots.retired()
        slots.occupy()

    assert scarce == before < slots.statistics().limit
