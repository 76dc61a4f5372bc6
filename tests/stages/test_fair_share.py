"""FairShare: runs that know nothing of each other come to equal shares of a ceiling."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from suite.shares import Scene, jain, lend_and_return, play

from pipeline.stages.fair_share import generations_to_probe, kept_after_loss
from pipeline.stages.slots import Slots

# --- the rules ----------------------------------------------------------------------


def test_who_loses_a_slot_gives_up_the_more_the_larger_its_share_is():
    kept = [kept_after_loss(slots, 20 - slots) for slots in (1, 5, 10, 19)]

    assert kept == [1, 5, 8, 14]


def test_where_there_are_no_others_nothing_is_given_up():
    assert kept_after_loss(20, 0) == 20


def test_the_larger_the_share_the_rarer_a_probe():
    waits = [generations_to_probe(slots, 20 - slots) for slots in (1, 5, 10, 19)]

    assert waits == [1.0, 1.0, pytest.approx(1.65), pytest.approx(3.135)]
    assert generations_to_probe(20, 0) == 1.0


# --- in slots -----------------------------------------------------------------------


async def fill(slots, count):
    for _ in range(count):
        await slots.wait_for_slot()
        slots.accepted()


@pytest.fixture
async def shared(clock):
    """Slots with ten of twenty jobs in flight; others have the rest."""
    slots = Slots(clock, first=4, posts=100)
    await fill(slots, 10)
    await slots.wait_for_slot()
    slots.refused(ceiling=20, counted=20)
    assert slots.statistics().limit == 10
    return slots


async def test_a_slot_that_another_has_taken_makes_the_run_yield(shared):
    shared.retired()
    await shared.wait_for_slot()
    shared.refused(ceiling=20, counted=20)

    assert shared.statistics().limit == 8  # nine are left, and one is given up
    assert shared.statistics().others == 11


async def test_a_refusal_beyond_the_lowered_limit_gives_up_no_more(shared):
    for _ in range(2):
        shared.retired()
    for _ in range(2):
        await shared.wait_for_slot()
    limits = []
    for _ in range(2):
        shared.refused(ceiling=20, counted=20)
        limits.append(shared.statistics().limit)

    assert limits == [8, 8]  # nine are left, and one is given up; then eight are left


async def test_a_refused_probe_costs_nothing(shared):
    for _ in range(17):
        shared.retired()
        await fill(shared, 1)
    assert shared.statistics().limit == 11
    await shared.wait_for_slot()
    shared.refused(ceiling=20, counted=20)

    assert shared.statistics().limit == 10


async def test_a_run_with_a_large_share_probes_later_than_one_with_a_small_share(clock):
    ended = []
    for share in (5, 15):
        slots = Slots(clock, first=4, posts=100)
        await fill(slots, share)
        await slots.wait_for_slot()
        slots.refused(ceiling=20, counted=20)
        ended.append(0)
        while slots.statistics().limit == share:
            slots.retired()
            ended[-1] += 1
            if slots.statistics().limit == share:
                await fill(slots, 1)

    assert ended == [5, 38]


# --- many runs at one service ---------------------------------------------------------


@pytest.mark.parametrize("runs", [2, 4])
def test_late_comers_get_a_fair_share_of_a_full_ceiling(runs):
    scene = Scene(runs=runs, ceiling=20, job_seconds=(20.0, 40.0), apart_s=60.0)

    seen = play(scene, until_s=1200.0, step_s=600.0)

    assert jain(seen[-1].shares) > 0.9
    assert seen[-1].used > 0.9
    assert seen[-1].refused < 0.25 * seen[-1].submitted


def test_a_run_that_is_alone_yields_nothing():
    seen = play(Scene(runs=1, ceiling=20), until_s=600.0, step_s=300.0)

    assert seen[-1].used > 0.95
    assert seen[-1].refused < 0.05 * seen[-1].submitted


def test_slots_of_a_run_that_has_ended_are_taken_over():
    scene = Scene(runs=2, ceiling=20, items={1: 60})

    seen = play(scene, until_s=900.0, step_s=300.0)

    assert seen[-1].shares[1] == 0
    assert seen[-1].used > 0.95


def test_slots_that_others_have_left_are_found_soon():
    ratios = [lend_and_return(seed)[0] for seed in range(1, 9)]

    assert sum(ratios) / len(ratios) < 1.1  # of greedy scheduling that is told


def test_two_machines_come_to_equal_shares_of_the_request_rate():
    scene = Scene(runs=2, ceiling=100, rpm=95, service_rpm=100, apart_s=60.0)

    seen = play(scene, until_s=1200.0, step_s=600.0)

    assert jain(seen[-1].shares) > 0.9
    assert 0 < seen[-1].refused_requests < 0.1 * seen[-1].submitted
    assert seen[-1].refused == 0  # a refusal for the rate is taken for none of a slot
    assert seen[-1].submitted > 0.75 * 95 * 600 / 60


@settings(max_examples=5, deadline=None)
@given(
    runs=st.integers(2, 4),
    ceiling=st.integers(5, 30),
    apart_s=st.sampled_from([0.0, 1.0, 100.0]),
    seed=st.integers(0, 1000),
)
def test_nobody_starves_and_the_ceiling_stays_full(runs, ceiling, apart_s, seed):
    scene = Scene(runs=runs, ceiling=ceiling, apart_s=apart_s, seed=seed)

    seen = play(scene, until_s=900.0, step_s=300.0)

    fair = ceiling / runs
    assert min(seen[-1].shares) > min(fair / 4, 0.5)
    assert seen[-1].used > 0.85
    assert seen[-1].most_in_flight <= ceiling
    assert seen[-1].refused <= seen[-1].submitted
