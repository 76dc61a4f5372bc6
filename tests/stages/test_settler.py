"""Settler: what is adopted, what is proved absent, and what proves nothing."""

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import anyio
import pytest
from doubles.api import MODEL, MODEL_PRO, US, FakeApi, QuickClock

from pipeline.api.interface import JobPage
from pipeline.errors import OutcomeUnknown, Rejected, Unavailable
from pipeline.job import Job, JobKey, JobStatus, RemoteId
from pipeline.record import replace
from pipeline.settings import Settings
from pipeline.stages.settler import MARGIN, Settler

STRANGER = "apiu_stranger"
OAK = {"prompt": "an oak", "size": "1K", "seed": 7}
SETTINGS = Settings(settle_s=10.0, submit_timeout_s=5.0, free_deadline_s=60.0)


@dataclass
class Desk:
    """A settler, what the ledger knows, and what came of each lost job."""

    api: FakeApi
    clock: QuickClock
    settler: Settler = field(init=False)
    owned: set[RemoteId] = field(default_factory=set)
    under_way: list[Job] = field(default_factory=list)
    ended: dict[str, object] = field(default_factory=dict)
    ended_s: dict[str, float] = field(default_factory=dict)
    rows: int = 0

    def __post_init__(self) -> None:
        self.settler = Settler(
            self.api,
            self.clock,
            SETTINGS,
            find_owned=lambda ids: self.owned & set(ids),
            is_being_submitted=lambda job: any(
                other.request == job.request for other in self.under_way
            ),
        )
        self.settler.author_id = US

    def lost(self, inputs=OAK, *, name="oak", model_id=MODEL, sent_ago_s=0.0) -> Job:
        self.rows += 1
        return Job(
            row_id=self.rows,
            item_id=name,
            attempt=1,
            job_key=JobKey("k"),
            request_key=JobKey("k"),
            model_id=model_id,
            status=JobStatus.UNKNOWN,
            request=dict(inputs),
            sent_at=self.api.service_now() - timedelta(seconds=sent_ago_s),
        )

    async def settle(self, job, *, derived_seed=True) -> None:
        try:
            found = await self.settler.wait_until_settled(
                job, derived_seed=derived_seed
            )
            self.ended[job.item_id] = found and found.remote_id
        except OutcomeUnknown as error:
            self.ended[job.item_id] = error
        self.ended_s[job.item_id] = self.clock.monotonic_s()

    @asynccontextmanager
    async def settling(self, *jobs, derived_seed=True):
        """The settler at work on these jobs."""
        async with AsyncExitStack() as stack:
            tasks = await stack.enter_async_context(anyio.create_task_group())
            tasks.start_soon(self.settler.run)
            for job in jobs:
                tasks.start_soon(
                    lambda j=job: self.settle(j, derived_seed=derived_seed)
                )
            await self.clock.settle()
            yield
            tasks.cancel_scope.cancel()

    async def settle_all(self, *jobs, derived_seed=True, within_s=200.0):
        async with self.settling(*jobs, derived_seed=derived_seed):
            await self.clock.advance(within_s)
        return self.ended


@pytest.fixture
def desk(api, clock):
    return Desk(api, clock)


# --- found --------------------------------------------------------------------------


async def test_a_job_with_our_derived_seed_is_adopted_long_before_the_settling_time(
    desk,
):
    job = desk.lost()
    made = desk.api.add_job(OAK)

    ended = await desk.settle_all(job)

    assert ended == {"oak": made.remote_id}
    assert desk.ended_s["oak"] == 0.5


async def test_other_differences_of_the_echo_do_not_hide_a_job_with_a_derived_seed(
    desk,
):
    job = desk.lost({**OAK, "images": ["asset_1"]})
    made = desk.api.add_job({**OAK, "size": "2K", "thinkingMode": True})

    assert await desk.settle_all(job) == {"oak": made.remote_id}


async def test_our_seed_with_another_prompt_is_neither_adopted_nor_proof_of_absence(
    desk,
):
    job = desk.lost()
    desk.api.add_job({**OAK, "prompt": "a birch in snow"})

    [outcome] = (await desk.settle_all(job)).values()

    assert isinstance(outcome, OutcomeUnknown)


async def test_a_service_that_is_seen_to_rewrite_prompts_is_believed(desk):
    job = desk.lost()
    own = desk.api.add_job({**OAK, "seed": 99, "prompt": "an oak, nicer"})
    desk.owned.add(own.remote_id)
    made = desk.api.add_job({**OAK, "prompt": "rewritten"})
    desk.settler.note_echo(
        desk.lost({**OAK, "seed": 99}), await desk.api.find_job(own.remote_id)
    )

    assert await desk.settle_all(job) == {"oak": made.remote_id}


async def test_a_seed_that_comes_back_as_text_is_the_same_seed(desk):
    job = desk.lost()
    made = desk.api.add_job({**OAK, "seed": "7"})

    assert await desk.settle_all(job) == {"oak": made.remote_id}


@pytest.mark.parametrize(
    ("echoed", "fits"),
    [
        (OAK, True),
        ({**OAK, "thinkingMode": True}, True),
        ({**OAK, "prompt": "an elm"}, False),
        ({**OAK, "seed": 8}, False),
        ({**OAK, "size": "2K"}, False),
    ],
    ids=["the same", "with a default", "prompt", "seed", "size"],
)
async def test_an_explicit_seed_is_no_fingerprint_and_every_input_counts(
    desk, echoed, fits
):
    job = desk.lost()
    made = desk.api.add_job(echoed)

    ended = await desk.settle_all(job, derived_seed=False)

    assert ended == {"oak": made.remote_id if fits else None}


@pytest.mark.parametrize(
    ("echoed", "fits"),
    [
        ({"prompt": "an oak", "size": "1K"}, True),
        ({"prompt": "an oak", "size": "2K"}, False),
        ({"prompt": "an elm", "size": "1K"}, False),
    ],
    ids=["the same", "size", "prompt"],
)
async def test_without_a_seed_every_input_has_to_agree(desk, echoed, fits):
    job = desk.lost({"prompt": "an oak", "size": "1K"})
    made = desk.api.add_job(echoed)

    ended = await desk.settle_all(job, derived_seed=False)

    assert ended == {"oak": made.remote_id if fits else None}


async def test_a_job_of_another_model_is_not_adopted(desk):
    job = desk.lost()
    desk.api.add_job(OAK, model_id=MODEL_PRO)

    assert await desk.settle_all(job) == {"oak": None}


async def test_the_best_agreement_decides_between_two_jobs_of_one_seed(desk):
    job = desk.lost()
    desk.api.add_job({**OAK, "prompt": "another prompt"})
    best = desk.api.add_job(OAK)
    desk.api.add_job({**OAK, "prompt": "a third prompt"})

    assert await desk.settle_all(job) == {"oak": best.remote_id}


async def test_two_lost_submits_of_the_same_inputs_never_adopt_one_job(desk):
    desk.api.add_job(OAK)
    jobs = [desk.lost(name="oak"), desk.lost(name="second oak")]

    ended = await desk.settle_all(*jobs)

    assert sorted(ended.values(), key=str) == [None, "job_1"]


async def test_two_lost_submits_of_the_same_inputs_adopt_two_jobs(desk):
    made = {desk.api.add_job(OAK).remote_id, desk.api.add_job(OAK).remote_id}
    jobs = [desk.lost(name="oak"), desk.lost(name="second oak")]

    ended = await desk.settle_all(*jobs)

    assert set(ended.values()) == made


async def test_one_listing_serves_every_lost_submit(desk):
    jobs = []
    for number in range(20):
        inputs = {**OAK, "seed": number}
        jobs.append(desk.lost(inputs, name=f"tree-{number}"))
        desk.api.add_job(inputs)

    ended = await desk.settle_all(*jobs)

    assert len(set(ended.values())) == 20
    assert desk.api.calls["list_jobs"] == 1


async def test_the_listing_is_by_creation_and_begins_a_margin_before_the_oldest(desk):
    old = desk.lost(name="old", sent_ago_s=600.0)
    new = desk.lost({**OAK, "seed": 8}, name="new")

    await desk.settle_all(old, new, within_s=1.0)

    which, _ = desk.api.listings[0]
    assert which.created_after == old.sent_at - MARGIN
    assert which.updated_after is None
    assert which.status == ""


async def test_a_job_on_the_last_page_is_found_behind_empty_pages(desk):
    job = desk.lost()
    made = desk.api.add_job(OAK)
    for number in range(4):
        desk.api.add_job({**OAK, "seed": 100 + number}, author_id=STRANGER)
    desk.api.page_size = 1
    empty = iter(["e1", "e2"])

    def with_empty_pages(_which, token, page):
        name = next(empty, None) if token == "2" else None
        return page if name is None else JobPage(jobs=(), next_token="2 ")

    desk.api.tamper = with_empty_pages

    assert await desk.settle_all(job) == {"oak": made.remote_id}


async def test_a_job_that_the_list_shows_late_is_found_late(desk):
    desk.api.list_lag_s = 6.0
    job = desk.lost()
    made = desk.api.add_job(OAK)

    ended = await desk.settle_all(job)

    assert ended == {"oak": made.remote_id}
    assert desk.ended_s["oak"] >= 6.0


@pytest.mark.parametrize(
    ("age_s", "adopted"),
    [(119, True), (121, False), (-124, True), (-126, False)],
    ids=["a margin before", "earlier", "a margin after the timeout", "later"],
)
async def test_the_time_of_creation_has_to_fit_within_the_margin(desk, age_s, adopted):
    job = desk.lost()
    desk.clock.jump(200)
    desk.api.add_job(OAK, age_s=200 + age_s)

    ended = await desk.settle_all(job, within_s=30.0)

    assert (ended.get("oak") == "job_1") == adopted


# --- whose job it is ----------------------------------------------------------------------


async def test_a_job_of_a_foreign_author_is_never_adopted_even_with_our_seed(desk):
    job = desk.lost()
    desk.api.add_job(OAK, author_id=STRANGER)

    assert await desk.settle_all(job) == {"oak": None}


async def test_while_our_author_is_unknown_the_derived_seed_decides(desk):
    desk.settler.author_id = ""
    job = desk.lost()
    desk.api.add_job({**OAK, "seed": 8}, author_id=STRANGER)
    made = desk.api.add_job(OAK)

    assert await desk.settle_all(job) == {"oak": made.remote_id}


async def test_while_our_author_is_unknown_one_of_several_is_not_guessed(desk):
    desk.settler.author_id = ""
    job = desk.lost()
    desk.api.add_job(OAK, author_id=STRANGER)
    desk.api.add_job(OAK)

    [outcome] = (await desk.settle_all(job)).values()

    assert isinstance(outcome, OutcomeUnknown)


async def test_while_our_author_is_unknown_an_older_job_is_not_taken(desk):
    desk.settler.author_id = ""
    job = desk.lost()
    desk.api.add_job(OAK, author_id=STRANGER, age_s=60.0)

    [outcome] = (await desk.settle_all(job)).values()

    assert isinstance(outcome, OutcomeUnknown)


async def test_as_soon_as_we_know_who_we_are_ours_is_taken_from_among_several(desk):
    desk.settler.author_id = ""
    job = desk.lost()
    desk.api.add_job(OAK, author_id=STRANGER)
    ours = desk.api.add_job(OAK)
    known = desk.api.add_job({**OAK, "seed": 99})
    desk.owned.add(known.remote_id)

    async with desk.settling(job):
        await desk.clock.advance(30.0)
        assert desk.ended == {}
        desk.settler.note_own(await desk.api.find_job(known.remote_id))
        await desk.clock.advance(10.0)

    assert desk.ended == {"oak": ours.remote_id}


async def test_a_job_of_ours_teaches_who_we_are(desk):
    desk.settler.author_id = ""
    own = desk.api.add_job({**OAK, "seed": 99})
    desk.owned.add(own.remote_id)
    desk.settler.note_own(await desk.api.find_job(own.remote_id))
    job = desk.lost()
    desk.api.add_job(OAK, author_id=STRANGER)

    assert await desk.settle_all(job) == {"oak": None}
    assert desk.settler.author_id == US


async def test_a_record_without_an_author_may_be_ours(desk):
    job = desk.lost()
    made = desk.api.add_job(OAK, author_id="")

    assert await desk.settle_all(job) == {"oak": made.remote_id}


async def test_a_job_that_a_row_owns_is_never_adopted(desk):
    """Another item's job, and the job of an earlier attempt of this item."""
    job = desk.lost()
    desk.owned.add(desk.api.add_job(OAK).remote_id)

    assert await desk.settle_all(job) == {"oak": None}


async def test_a_job_of_an_earlier_attempt_does_not_hide_that_of_this_one(desk):
    desk.owned.add(desk.api.add_job(OAK).remote_id)
    job = desk.lost()
    made = desk.api.add_job(OAK)

    assert await desk.settle_all(job) == {"oak": made.remote_id}


async def test_an_identical_submit_under_way_defers_the_adoption(desk):
    job = desk.lost()
    made = desk.api.add_job(OAK)
    desk.under_way.append(replace(job, row_id=99))

    async with desk.settling(job):
        await desk.clock.advance(30)
        early = dict(desk.ended)
        desk.under_way.clear()
        await desk.clock.advance(10)

    assert early == {}
    assert desk.ended == {"oak": made.remote_id}


async def test_an_identical_submit_under_way_defers_the_proof_of_absence(desk):
    job = desk.lost()
    desk.under_way.append(replace(job, row_id=99))

    async with desk.settling(job):
        await desk.clock.advance(40)
        early = dict(desk.ended)
        desk.under_way.clear()
        await desk.clock.advance(20)

    assert early == {}
    assert desk.ended == {"oak": None}


# --- absent -----------------------------------------------------------------------------


async def test_absence_needs_two_complete_listings_after_the_settling_time(desk):
    job = desk.lost()
    begun = []
    desk.api.on_point = lambda point: (
        begun.append(desk.clock.monotonic_s()) if point == "list_jobs" else None
    )

    ended = await desk.settle_all(job)

    assert ended == {"oak": None}
    counted = [moment_s for moment_s in begun if moment_s >= SETTINGS.settle_s]
    assert len(counted) == 2
    assert desk.ended_s["oak"] == counted[1]


async def test_a_job_that_appears_between_the_two_listings_is_adopted(desk):
    job = desk.lost()
    seen = []

    def appear(_which, _token, page):
        if desk.clock.monotonic_s() >= SETTINGS.settle_s:
            seen.append(page)
            if len(seen) == 1:
                desk.api.add_job(OAK)
        return page

    desk.api.tamper = appear

    assert await desk.settle_all(job) == {"oak": "job_1"}


async def test_a_listing_that_breaks_off_proves_nothing(desk):
    desk.api.page_size = 1
    for number in range(3):
        desk.api.add_job({**OAK, "seed": 100 + number}, author_id=STRANGER)
    job = desk.lost()

    def break_off(_which, token, page):
        if token == "2":
            raise Unavailable("reset")
        return page

    desk.api.tamper = break_off

    ended = await desk.settle_all(job)

    assert isinstance(ended["oak"], OutcomeUnknown)


async def test_an_unowned_job_of_ours_without_inputs_blocks_the_proof(desk):
    desk.api.echo_delay_s = 40.0
    job = desk.lost()
    desk.api.add_job({**OAK, "seed": 8})

    async with desk.settling(job):
        await desk.clock.advance(39)
        early = dict(desk.ended)
        await desk.clock.advance(30)

    assert early == {}
    assert desk.ended == {"oak": None}


@pytest.mark.parametrize("whose", ["owned", "foreign"])
async def test_a_job_without_inputs_that_is_not_this_ones_blocks_nothing(desk, whose):
    desk.api.echo_delay_s = 4000.0
    job = desk.lost()
    made = desk.api.add_job(OAK, author_id=STRANGER if whose == "foreign" else US)
    if whose == "owned":
        desk.owned.add(made.remote_id)

    ended = await desk.settle_all(job, within_s=30.0)

    assert ended == {"oak": None}


async def test_a_later_job_of_ours_that_the_list_does_not_show_blocks_the_proof(desk):
    job = desk.lost()
    desk.clock.jump(1)
    witness = desk.api.add_job({**OAK, "seed": 8})
    desk.owned.add(witness.remote_id)
    desk.settler.note_own(await desk.api.find_job(witness.remote_id))
    desk.api.list_lag_s = 40.0

    async with desk.settling(job):
        await desk.clock.advance(35)
        early = dict(desk.ended)
        await desk.clock.advance(30)

    assert early == {}
    assert desk.ended == {"oak": None}


async def test_an_earlier_job_of_ours_is_no_witness_and_blocks_nothing(desk):
    earlier = desk.api.add_job({**OAK, "seed": 8})
    desk.owned.add(earlier.remote_id)
    desk.settler.note_own(await desk.api.find_job(earlier.remote_id))
    desk.clock.jump(1000)
    desk.api.list_lag_s = 2000.0
    job = desk.lost()

    assert await desk.settle_all(job) == {"oak": None}


async def test_a_list_that_fails_to_the_deadline_leaves_the_outcome_unknown(desk):
    desk.api.break_down("list_jobs")
    job = desk.lost()

    ended = await desk.settle_all(job)

    assert isinstance(ended["oak"], OutcomeUnknown)
    assert "no route to the service" in ended["oak"].message
    end_s = SETTINGS.settle_s + SETTINGS.free_deadline_s
    assert end_s <= desk.ended_s["oak"] <= end_s + 5


@pytest.mark.parametrize(
    "trouble", [Unavailable("reset"), Rejected("odd", status=400)], ids=["5xx", "400"]
)
async def test_a_list_that_fails_for_a_while_only_delays(desk, trouble):
    desk.api.fail_next("list_jobs", trouble, times=6)
    job = desk.lost()
    made = desk.api.add_job(OAK)

    assert await desk.settle_all(job) == {"oak": made.remote_id}


@pytest.mark.parametrize("trouble", ["repeated", "endless"])
async def test_a_listing_without_an_end_is_given_up_and_proves_nothing(desk, trouble):
    tokens = iter(range(10**9))

    def spoil(_which, _token, page):
        token = "0" if trouble == "repeated" else f"{next(tokens)}"
        return replace(page, next_token=token)

    desk.api.tamper = spoil
    job = desk.lost()

    ended = await desk.settle_all(job, within_s=80.0)

    assert isinstance(ended["oak"], OutcomeUnknown)


async def test_a_waiter_that_is_cancelled_is_forgotten(desk):
    job = desk.lost()
    async with desk.settling():
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(desk.settle, job)
                await desk.clock.advance(1)
                scope.cancel()
        listings = desk.api.calls["list_jobs"]
        await desk.clock.advance(60)

        assert listings >= 1
        assert desk.api.calls["list_jobs"] <= listings + 1


async def test_what_is_lost_later_is_settled_too(desk):
    first, made = desk.lost(name="first"), desk.api.add_job(OAK)
    async with desk.settling(first):
        await desk.clock.advance(1000)
        second = desk.lost({**OAK, "seed": 8}, name="second")
        also_made = desk.api.add_job({**OAK, "seed": 8})
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(desk.settle, second)
            await desk.clock.advance(5)

    assert desk.ended == {"first": made.remote_id, "second": also_made.remote_id}


# --- after a proof that was wrong ------------------------------------------------------------


async def test_a_job_that_surfaces_after_the_proof_is_a_duplicate(desk):
    job = desk.lost()
    await desk.settle_all(job, within_s=30.0)
    late = desk.api.add_job(OAK)

    desk.settler.notice(await desk.api.find_job(late.remote_id))

    assert [
        (lost.item_id, remote.remote_id)
        for lost, remote in desk.settler.find_duplicates()
    ] == [("oak", late.remote_id)]


async def test_the_job_of_the_resubmit_is_no_duplicate(desk):
    job = desk.lost()
    await desk.settle_all(job, within_s=30.0)
    again = desk.api.add_job(OAK)
    desk.settler.notice(await desk.api.find_job(again.remote_id))

    desk.owned.add(again.remote_id)

    assert desk.settler.find_duplicates() == []
