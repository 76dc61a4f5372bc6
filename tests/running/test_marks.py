"""Marks: what was listed before a submit, and when it is remembered."""

import pytest
from doubles.api import FakeApi
from doubles.quick_clock import QuickClock
from doubles.rows import FakeRows

from pipeline.errors import AccessDenied, RateLimited, Rejected, Unavailable
from pipeline.job import Job, JobKey
from pipeline.ledger.ledger import IN_MEMORY, Ledger
from pipeline.record import replace
from pipeline.running import marks as module
from pipeline.running.marks import SUBMITS_PER_MARK, Marks
from pipeline.settings import Settings

A_ROW = Job(
    item_id="oak",
    attempt=1,
    job_key=JobKey("k"),
    request_key=JobKey("k"),
    model_id="model_x",
)


@pytest.fixture
def clock():
    return QuickClock()


@pytest.fixture
def api(clock):
    return FakeApi(clock)


@pytest.fixture
def marks(api, clock):
    return Marks(api, clock, Settings(first_contact_s=5.0), owners=FakeRows())


@pytest.fixture
def ledger():
    with Ledger(IN_MEMORY) as opened:
        yield opened


def recorded(marks, ledger):
    return ledger.find_mark(marks.record(ledger))


def jobs_of(api, clock, count):
    for _ in range(count):
        api.add_job({"prompt": "a stone"}, author_id="apiu_stranger")
        clock.jump(1.0)


@pytest.mark.parametrize("page_size", [1, 3, 100])
@pytest.mark.parametrize("order", ["newest first", "oldest first"])
async def test_what_was_listed_is_known_whichever_way_it_is_sorted(
    api, marks, ledger, page_size, order
):
    clock = api.clock
    jobs_of(api, clock, 7)
    api.page_size = page_size
    if order == "oldest first":
        listed = [api.show(job, clock.monotonic_s()) for job in api.jobs]

        def sort(_which, token, page):
            start = int(token or 0)
            rest = start + page_size < len(listed)
            return replace(
                page,
                jobs=tuple(listed[start : start + page_size]),
                next_token=str(start + page_size) if rest else "",
            )

        api.tamper = sort

    await marks.set()
    mark = recorded(marks, ledger)

    assert mark.created_at is None  # there are few jobs: the list is read whole
    assert {job.remote_id for job in api.jobs[-3:]} <= set(mark.listed)


async def test_the_list_is_read_from_a_page_of_jobs_before_the_mark_on(
    api, clock, marks, ledger
):
    """A few jobs that are dated ahead do not hide what is made after them."""
    jobs_of(api, clock, 150)
    api.date_ahead(api.jobs[-1], 3600.0)

    await marks.set()
    mark = recorded(marks, ledger)

    assert mark.created_at == api.time_at(api.jobs[50].created_s)
    assert {job.remote_id for job in api.jobs[50:]} <= set(mark.listed)


async def test_the_list_is_read_from_a_listed_job_of_ours_on(api, clock, ledger):
    jobs_of(api, clock, 9)
    own = api.jobs[4]
    marks = Marks(
        api,
        clock,
        Settings(first_contact_s=5.0),
        owners=FakeRows({own.remote_id: A_ROW}),
    )

    await marks.set()

    assert recorded(marks, ledger).created_at == api.time_at(own.created_s)
    assert marks.models == {"model_x"}


async def test_a_project_without_jobs_has_a_mark_without_a_time(marks, ledger):
    await marks.set()

    mark = recorded(marks, ledger)

    assert (mark.created_at, mark.listed) == (None, ())


async def test_it_is_read_once_and_recorded_once(api, marks, ledger):
    await marks.set()
    await marks.set()

    assert marks.record(ledger) == marks.record(ledger) == 1
    assert api.calls["list_jobs"] == 1
    assert [mark.mark_id for mark in ledger.find_open_marks()] == [1]


async def test_after_many_submits_a_new_one_is_taken(api, clock, marks, ledger):
    await marks.set()
    first = marks.record(ledger)
    jobs_of(api, clock, 2)
    for _ in range(SUBMITS_PER_MARK):
        await marks.move_on()

    second = recorded(marks, ledger)

    assert second.mark_id == first + 1
    assert api.jobs[-1].remote_id in second.listed
    assert api.calls["list_jobs"] == 2


async def test_one_that_cannot_be_taken_leaves_the_old_one(api, marks, ledger):
    await marks.set()
    first = marks.record(ledger)
    api.break_down("list_jobs")
    for _ in range(SUBMITS_PER_MARK):
        await marks.move_on()

    assert marks.record(ledger) == first


async def test_a_list_that_fails_for_a_moment_is_tried_again(api, clock, marks):
    api.fail_next("list_jobs", Unavailable("reset"))
    api.fail_next("list_jobs", Rejected("odd", status=404))

    await clock.finish(marks.set)

    assert marks.is_set


async def test_a_list_that_is_refused_for_the_rate_is_read_later(api, clock, marks):
    busy = RateLimited("too many requests", is_about_requests=True)
    api.fail_next("list_jobs", busy, times=20)

    await clock.finish(marks.set)

    assert marks.is_set


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (Unavailable("gone"), Unavailable),
        (Rejected("not yours", status=404), AccessDenied),
    ],
    ids=["unreachable", "refused"],
)
async def test_without_the_list_there_is_no_mark(api, clock, marks, error, raised):
    api.break_down("list_jobs", error=error)

    with pytest.raises(raised):
        await clock.finish(marks.set)

    assert not marks.is_set


@pytest.mark.parametrize("trouble", ["repeated", "endless"])
async def test_of_a_list_without_an_end_what_was_read_is_the_mark(
    api, clock, marks, ledger, trouble
):
    """A mark that is too old is safe: more is read from it, never less."""
    jobs_of(api, clock, 1)
    tokens = iter(range(10**6))
    api.tamper = lambda _which, _token, page: replace(
        page, next_token="0" if trouble == "repeated" else str(next(tokens))
    )

    await marks.set()

    assert recorded(marks, ledger).listed == (api.jobs[0].remote_id,)
    assert api.calls["list_jobs"] <= module._MOST_PAGES + 1


async def test_a_mark_keeps_all_that_a_reading_from_it_on_would_show_again(
    api, clock, marks, ledger
):
    """Many jobs of a few seconds ago, on more pages than one."""
    for _ in range(30):
        api.add_job({"prompt": "a stone"})
        clock.jump(0.1)
    api.page_size = 2

    await marks.set()

    assert len(recorded(marks, ledger).listed) == 30
