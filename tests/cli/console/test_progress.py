"""Progress: events → where a run stands."""

from decimal import Decimal

import pytest
from doubles.clock import FakeClock

from pipeline.job import JobStatus
from pipeline.running.events import Halted, JobChanged, Launched, SlotsChanged, Warned
from pipeline.running.progress import Progress
from pipeline.stages.slots import SlotStatistics

S = JobStatus


@pytest.fixture
def clock():
    clock = FakeClock()
    clock.jump(1000)
    return clock


@pytest.fixture
def progress(clock):
    begun = Progress(clock=clock)
    begun.take(
        Launched(run_id=3, total=10, done=2, skipped=1, to_submit=7, ceiling=None)
    )
    return begun


def change(item_id, status, **named):
    return JobChanged(item_id=item_id, status=status, attempt=1, **named)


def at_work(progress):
    return {status: count for status, count in progress.states.items() if count}


def test_a_launch_sets_the_scene(progress, clock):
    clock.jump(5)

    assert (progress.run_id, progress.total, progress.finished) == (3, 10, 3)
    assert progress.elapsed_s == 5


def test_an_item_is_counted_in_one_state_at_a_time(progress):
    seen = []
    for status in (S.SUBMITTING, S.SUBMITTED, S.SUCCEEDED, S.SAVED):
        progress.take(change("a", status))
        seen.append(at_work(progress))

    assert seen == [{S.SUBMITTING: 1}, {S.SUBMITTED: 1}, {S.SUCCEEDED: 1}, {}]
    assert (progress.saved, progress.finished) == (1, 4)


def test_items_are_counted_apart(progress):
    progress.take(change("a", S.SUBMITTED))
    progress.take(change("b", S.SUBMITTED))
    progress.take(change("a", S.SUCCEEDED))

    assert at_work(progress) == {S.SUBMITTED: 1, S.SUCCEEDED: 1}


def test_an_item_refused_for_now_is_at_work_again(progress):
    for status in (S.SUBMITTING, S.PLANNED, S.SUBMITTING):
        progress.take(change("a", status))

    assert at_work(progress) == {S.SUBMITTING: 1}
    assert not progress.troubles


def test_failed_and_unsure_items_are_remembered_with_their_reason(progress):
    progress.take(change("a", S.FAILED, reason="bad size", hint="use 1024*1024"))
    progress.take(change("b", S.UNKNOWN, reason="no answer"))

    assert [(t.item_id, t.reason, t.hint) for t in progress.troubles.values()] == [
        ("a", "bad size", "use 1024*1024"),
        ("b", "no answer", ""),
    ]
    assert progress.failed == 1
    assert at_work(progress) == {S.UNKNOWN: 1}


def test_what_has_ended_well_is_no_trouble_any_more(progress):
    progress.take(change("a", S.UNKNOWN, reason="no answer"))
    progress.take(change("b", S.FAILED, reason="bad size"))
    progress.take(change("a", S.SUBMITTED))

    assert [*progress.troubles] == ["b"]


def test_only_the_latest_thousand_troubles_are_kept(progress):
    for number in range(1500):
        progress.take(change(f"{number}", S.FAILED))

    assert len(progress.troubles) == 1000
    assert next(iter(progress.troubles)) == "500"
    assert [*progress.troubles][-1] == "1499"
    assert progress.failed == 1500


def test_files_and_charges_add_up(progress):
    progress.take(change("a", S.SUBMITTED, charged=Decimal("7.25")))
    progress.take(change("b", S.SUBMITTED, charged=None))
    progress.take(change("b", S.SUBMITTED, charged=Decimal("0.75")))
    progress.take(change("a", S.SAVED, files=("a-1.png", "a-2.png")))

    assert progress.charged == 8
    assert progress.files == 2


def test_the_rate_is_that_of_late_and_the_time_left_follows(progress, clock):
    assert (progress.rate_per_min, progress.left_s) == (0, None)
    progress.take(change("a", S.SAVED))
    assert progress.rate_per_min == 0
    clock.jump(30)
    progress.take(change("b", S.SAVED))

    assert progress.rate_per_min == pytest.approx(2)
    assert progress.left_s == pytest.approx(150)  # 5 of 10 are left


def test_a_rate_falls_while_nothing_is_saved(progress, clock):
    progress.take(change("a", S.SAVED))
    clock.jump(30)
    progress.take(change("b", S.SAVED))
    clock.jump(30)

    assert progress.rate_per_min == pytest.approx(1)


def test_items_saved_in_one_instant_give_no_rate(progress):
    progress.take(change("a", S.SAVED))
    progress.take(change("b", S.SAVED))

    assert progress.rate_per_min == 0


def test_the_other_events_are_kept(progress):
    slots = SlotStatistics(
        in_flight=1, held=2, limit=3, refusals=0, waiting=0, paused_s=0
    )
    halted = Halted(reason="no credit", hint="buy some", in_flight=2)

    progress.take(SlotsChanged(slots=slots))
    progress.take(halted)
    progress.take(Warned(message="odd"))
    progress.take(Warned(message="odd", item_id="a"))

    assert progress.slots is slots
    assert progress.halted is halted
    assert progress.warnings == 2
