"""Settler: what is adopted, what is proved absent, and what proves nothing."""

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import anyio
import pytest
from doubles.api import MODEL, MODEL_PRO, US, FakeApi, QuickClock
from doubles.rows import FakeRows

from pipeline.api.interface import JobPage
from pipeline.errors import OutcomeUnknown, Rejected, Unavailable
from pipeline.job import Job, JobKey, JobStatus, Mark, RemoteId
from pipeline.record import replace
from pipeline.settings import Service, Settings
from pipeline.stages.identity import Identity
from pipeline.stages.reading import LONG_AGO, SKEW, JobReader, ListedJobs
from pipeline.stages.settler import Settler
from pipeline.stages.unanswered import Unanswered

STRANGER = "apiu_stranger"
OAK = {"prompt": "an oak", "size": "1K", "seed": 7}
ELM = {"prompt": "an elm", "size": "1K", "seed": 99}
SETTINGS = Settings(settle_s=10.0, submit_timeout_s=5.0, free_deadline_s=60.0)


@dataclass
class Desk:
    """A settler, what the ledger knows, and what came of each lost job."""

    api: FakeApi
    clock: QuickClock
    reader: JobReader = field(init=False)
    settler: Settler = field(init=False)
    rows: dict[RemoteId, Job] = field(default_factory=dict)
    marks: dict[int, Mark] = field(default_factory=dict)
    known: FakeRows = field(init=False)
    identity: Identity = field(init=False)
    seen: ListedJobs = field(default_factory=ListedJobs)
    unanswered: Unanswered = field(default_factory=Unanswered)
    may_learn: bool = False
    ended: dict[str, object] = field(default_factory=dict)
    ended_s: dict[str, float] = field(default_factory=dict)
    count: int = 0

    def __post_init__(self) -> None:
        self.known = FakeRows(self.rows, self.marks)
        self.identity = Identity(Service(base_url="https://api.example/v1"))
        self.reader = JobReader(self.api, self.known, self.identity)
        self.settler = Settler(
            self.reader,
            self.identity,
            self.clock,
            SETTINGS,
            seen=self.seen,
            unanswered=self.unanswered,
            may_learn=lambda: self.may_learn,
        )

    def mark(self) -> Mark:
        """What the service lists now, as a run remembers it before its submits."""
        jobs = [self.api.time_at(job.created_s) for job in self.api.jobs]
        mark = Mark(
            mark_id=len(self.marks) + 1,
            created_at=max(jobs, default=None),
            listed=tuple(job.remote_id for job in self.api.jobs),
        )
        self.marks[mark.mark_id] = mark
        return mark

    def job(self, inputs=OAK, *, name="oak", model_id=MODEL, mark=None, **facts) -> Job:
        self.count += 1
        mark = mark or (self.marks[1] if self.marks else self.mark())
        return Job(
            row_id=self.count,
            item_id=name,
            attempt=1,
            job_key=JobKey("k"),
            request_key=JobKey("k"),
            model_id=model_id,
            request=dict(inputs),
            sent_at=self.api.service_now(),
            **{"status": JobStatus.UNKNOWN, "mark_id": mark.mark_id, **facts},
        )

    def lost(self, inputs=OAK, *, derived_seed=True, **facts) -> Job:
        return self.job(inputs, derived_seed=derived_seed, **facts)

    def own(self, inputs=ELM, *, echo=None, said=US, made=None, **facts) -> Job:
        """A job that the service made and whose submit was answered."""
        made = made or self.api.add_job(inputs if echo is None else echo)
        job = self.job(
            inputs,
            name=f"own-{made.remote_id}",
            remote_id=made.remote_id,
            author_id=said,
            **facts,
        )
        self.rows[made.remote_id] = job
        self.settler.note_answered(job, self.known)
        return job

    async def settle(self, job, *, is_refused=False) -> None:
        try:
            found = await self.settler.wait_until_settled(
                job, self.known, is_refused=is_refused, waits=not is_refused
            )
            self.ended[job.item_id] = found and found.remote_id
        except OutcomeUnknown as error:
            self.ended[job.item_id] = error
        self.ended_s[job.item_id] = self.clock.monotonic_s()

    @asynccontextmanager
    async def settling(self, *jobs, is_refused=False):
        """The settler at work on these jobs."""
        async with AsyncExitStack() as stack:
            tasks = await stack.enter_async_context(anyio.create_task_group())
            tasks.start_soon(self.settler.run)
            for job in jobs:
                tasks.start_soon(lambda j=job: self.settle(j, is_refused=is_refused))
            await self.clock.settle()
            yield
            tasks.cancel_scope.cancel()

    async def settle_all(self, *jobs, within_s=200.0, is_refused=False):
        async with self.settling(*jobs, is_refused=is_refused):
            await self.clock.advance(within_s)
        return self.ended


@pytest.fixture
def desk(api, clock):
    return Desk(api, clock)


def unsure(outcome) -> bool:
    return isinstance(outcome, OutcomeUnknown)


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


@pytest.mark.parametrize(
    "echo",
    [
        {**OAK, "prompt": "a birch in snow"},
        {**OAK, "seed": 8},
        {**OAK, "seed": 8, "prompt": "a birch in snow"},
    ],
    ids=["prompt", "seed", "both"],
)
async def test_a_job_that_shows_other_inputs_is_neither_adopted_nor_passed_over(
    desk, echo
):
    """No difference of an echo proves that a job is not ours."""
    desk.own()
    job = desk.lost()
    desk.api.add_job(echo)

    [outcome] = (await desk.settle_all(job)).values()

    assert unsure(outcome)
    assert "the job may be job_2" in outcome.message


async def test_what_the_service_does_to_inputs_is_learned_from_jobs_of_ours(desk):
    job = desk.lost()
    desk.own(ELM, echo={**ELM, "prompt": "an elm, nicer", "seed": 3})
    made = desk.api.add_job({**OAK, "prompt": "rewritten", "seed": 4})

    assert await desk.settle_all(job) == {"oak": made.remote_id}


@pytest.mark.parametrize(
    "echo",
    [
        {**OAK, "seed": "7"},
        {**OAK, "seed": 7.0},
        {**OAK, "prompt": "asset_GTrL3mq4SXWyMxkOHRxlpw"},
        {**OAK, "prompt": " An  oak"},
        {"prompt": "an oak", "size": "1K"},
        {},
    ],
    ids=["text", "float", "archived", "trimmed", "no seed", "nothing"],
)
@pytest.mark.parametrize("derived_seed", [True, False])
async def test_one_job_for_one_submit_is_adopted_unless_it_shows_other_inputs(
    desk, echo, derived_seed
):
    job = desk.lost(derived_seed=derived_seed)
    if not echo:
        desk.own()  # so that we know who we are
    desk.api.echo_omits = tuple(OAK.keys() - echo.keys())
    made = desk.api.add_job(echo)

    assert await desk.settle_all(job) == {"oak": made.remote_id}


async def test_a_size_that_is_spelled_otherwise_is_the_same_size(desk):
    job = desk.lost({**OAK, "size": "1024*1024"}, derived_seed=False)
    made = desk.api.add_job({**OAK, "size": "1024x1024"})

    assert await desk.settle_all(job) == {"oak": made.remote_id}


async def test_a_job_of_another_model_is_not_ours(desk):
    desk.own()
    job = desk.lost()
    desk.api.add_job(OAK, model_id=MODEL_PRO)

    assert await desk.settle_all(job) == {"oak": None}


@pytest.mark.parametrize(
    "kind", [{"job_type": "upload"}, {"is_child": True}], ids=["upload", "workflow"]
)
async def test_a_job_that_no_submit_makes_is_passed_over(desk, kind):
    desk.own()
    job = desk.lost()
    other = desk.api.add_job({})

    def tamper(_which, _token, page):
        jobs = [
            replace(one, **kind) if one.remote_id == other.remote_id else one
            for one in page.jobs
        ]
        return replace(page, jobs=tuple(jobs))

    desk.api.tamper = tamper

    assert await desk.settle_all(job) == {"oak": None}


async def test_the_best_agreement_decides_between_two_jobs_of_one_seed(desk):
    job = desk.lost()
    desk.api.add_job({**OAK, "prompt": "another prompt"})
    best = desk.api.add_job(OAK)
    desk.api.add_job({**OAK, "prompt": "a third prompt"})

    assert await desk.settle_all(job) == {"oak": best.remote_id}


async def test_two_lost_submits_of_the_same_inputs_never_adopt_one_job(desk):
    desk.own()
    jobs = [desk.lost(name="oak"), desk.lost(name="second oak")]
    made = desk.api.add_job(OAK)

    ended = await desk.settle_all(*jobs)

    assert sorted(ended.values(), key=str) == [None, made.remote_id]


async def test_two_lost_submits_of_the_same_inputs_adopt_two_jobs(desk):
    jobs = [desk.lost(name="oak"), desk.lost(name="second oak")]
    made = {desk.api.add_job(OAK).remote_id, desk.api.add_job(OAK).remote_id}

    ended = await desk.settle_all(*jobs)

    assert set(ended.values()) == made


async def test_submits_that_differ_in_archived_prompts_alone_are_not_guessed(desk):
    """One explicit seed for all, and the service shows no prompt."""
    desk.own({**ELM, "seed": 7}, echo={**ELM, "seed": 7, "prompt": "asset_elm"})
    jobs = [
        desk.lost({**OAK, "prompt": name}, name=name, derived_seed=False)
        for name in ("oak", "ash")
    ]
    for number in range(2):
        desk.api.add_job({**OAK, "prompt": f"asset_{number}"})

    ended = await desk.settle_all(*jobs)

    assert all(map(unsure, ended.values()))


async def test_what_was_given_up_keeps_its_claim(desk):
    """Nothing that tells is shown, so that any of the three may be the job's."""
    desk.own(echo={**ELM, "prompt": "[redacted]", "seed": 65535})
    early = [
        desk.lost({"prompt": name, "size": "1K", "seed": 1}, name=name)
        for name in ("an ash", "a fir")
    ]
    desk.api.add_job({**OAK, "prompt": "[redacted]", "seed": 65535})

    async with desk.settling(*early):
        await desk.clock.advance(60)
        late = desk.lost({**OAK, "seed": 3, "prompt": "a late oak"}, name="late")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(desk.settle, late)
            await desk.clock.advance(60)

    assert all(map(unsure, desk.ended.values()))


async def test_one_listing_serves_every_lost_submit(desk):
    jobs = [
        desk.lost({**OAK, "seed": number}, name=f"tree-{number}")
        for number in range(20)
    ]
    for job in jobs:
        desk.api.add_job(job.request)

    ended = await desk.settle_all(*jobs)

    assert len(set(ended.values())) == 20
    assert desk.api.calls["list_jobs"] == 1


async def test_the_reading_begins_at_the_oldest_mark(desk):
    desk.api.add_job(ELM)
    first = desk.mark()
    desk.clock.jump(600)
    desk.api.add_job(ELM)
    second = desk.mark()

    await desk.settle_all(
        desk.lost(mark=second, name="new"), desk.lost(mark=first), within_s=1.0
    )

    which, _ = desk.api.listings[0]
    assert which.created_after == first.created_at - SKEW
    assert (which.updated_after, which.status) == (None, "")


async def test_without_a_job_before_the_mark_the_whole_list_is_read(desk):
    await desk.settle_all(desk.lost(), within_s=1.0)

    assert desk.api.listings[0][0].created_after == LONG_AGO


async def test_what_was_listed_before_the_submit_is_no_candidate(desk):
    """A colleague's, or another run's, with the very same inputs and author."""
    desk.api.add_job(OAK)
    job = desk.lost()
    desk.own()

    assert await desk.settle_all(job) == {"oak": None}


@pytest.mark.parametrize("skew_s", [-300.0, 300.0, -10_800.0, 10_800.0], ids=str)
async def test_no_clock_of_ours_bounds_the_reading(desk, skew_s):
    """The service's ``Date`` is far from the creation times in its list."""
    desk.own()
    sent_at = desk.api.service_now() + timedelta(seconds=skew_s)
    job = replace(desk.lost(), sent_at=sent_at)
    made = desk.api.add_job(OAK)

    assert await desk.settle_all(job) == {"oak": made.remote_id}


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
    job = desk.lost()
    desk.api.list_lag_s = 6.0
    made = desk.api.add_job(OAK)

    ended = await desk.settle_all(job)

    assert ended == {"oak": made.remote_id}
    assert desk.ended_s["oak"] >= 6.0


# --- whose job it is ----------------------------------------------------------------------


async def test_once_submit_and_list_agree_who_we_are_others_are_passed_over(desk):
    desk.own()
    job = desk.lost()
    desk.api.add_job(OAK, author_id=STRANGER)

    assert await desk.settle_all(job) == {"oak": None}


@pytest.mark.parametrize(
    "said", ["apiu_another_name_of_ours", ""], ids=["other", "none"]
)
async def test_while_they_do_not_agree_another_author_proves_nothing(desk, said):
    desk.own(said=said)
    job = desk.lost()
    desk.api.add_job({**OAK, "seed": 8}, author_id=STRANGER)

    [outcome] = (await desk.settle_all(job)).values()

    assert unsure(outcome)


async def test_once_they_have_disagreed_no_author_proves_anything(desk):
    desk.own(said="apiu_another_name_of_ours")
    desk.own()
    job = desk.lost()
    desk.api.add_job({**OAK, "seed": 8}, author_id=STRANGER)

    [outcome] = (await desk.settle_all(job)).values()

    assert unsure(outcome)


async def test_an_author_proves_nothing_for_a_submit_with_another_key(desk):
    desk.own()
    job = desk.lost(made_with="another key")
    made = desk.api.add_job(OAK, author_id="apiu_the_other_key")

    assert await desk.settle_all(job) == {"oak": made.remote_id}


async def test_a_submit_with_another_key_is_never_proved_absent(desk):
    """This key may not see what the other has made."""
    desk.own()
    job = desk.lost(made_with="another key")

    [outcome] = (await desk.settle_all(job)).values()

    assert unsure(outcome)
    assert "another API key" in outcome.message


async def test_a_record_without_an_author_may_be_ours(desk):
    desk.own()
    job = desk.lost()
    made = desk.api.add_job(OAK, author_id="")

    assert await desk.settle_all(job) == {"oak": made.remote_id}


async def test_an_adopted_job_teaches_nothing(desk):
    desk.identity.last_author_id = ""
    job = desk.lost()
    made = desk.api.add_job(OAK, author_id=STRANGER)
    await desk.settle_all(job)

    desk.identity.note_own(await desk.api.find_job(made.remote_id))

    assert desk.identity.last_author_id == ""


async def test_a_job_that_a_row_owns_is_never_adopted(desk):
    """Another item's job, and the job of an earlier attempt of this item."""
    job = desk.lost()
    desk.own(OAK)

    assert await desk.settle_all(job) == {"oak": None}


async def test_a_submit_under_way_gets_its_own_job_first(desk):
    """Whose the listed job is shows with the answer that is still to come."""
    desk.own()
    job = desk.lost()
    answered = desk.unanswered.begin(MODEL)
    made = desk.api.add_job(OAK)

    async with desk.settling(job):
        await desk.clock.advance(30)
        early = dict(desk.ended)
        desk.own(OAK, made=made)
        answered()
        await desk.clock.advance(60)

    assert early == {}
    assert desk.ended == {"oak": None}


# --- absent -----------------------------------------------------------------------------


async def test_absence_needs_two_complete_listings_after_the_settling_time(desk):
    desk.own()
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


async def test_without_a_job_of_ours_in_the_list_absence_is_not_proved(desk):
    """Nothing shows that the list would show it."""
    [outcome] = (await desk.settle_all(desk.lost())).values()

    assert unsure(outcome)
    assert "no other job" in outcome.message


async def test_a_job_of_ours_that_the_rule_would_not_find_is_no_control(desk):
    """A list that shows another model than was asked for would hide a candidate."""
    desk.own()
    job = desk.lost()

    def tamper(_which, _token, page):
        return replace(
            page, jobs=tuple(replace(one, model_id="another") for one in page.jobs)
        )

    desk.api.tamper = tamper

    [outcome] = (await desk.settle_all(job)).values()

    assert unsure(outcome)


async def test_a_job_from_before_the_mark_is_no_control(desk):
    """The rule that leaves it out may leave the lost one out too."""
    made = desk.api.add_job(ELM)
    desk.clock.jump(1000)
    desk.api.add_job({**ELM, "seed": 1}, author_id=STRANGER)
    job = desk.lost()
    desk.own(made=made)
    desk.settler._answered.clear()  # in this run nothing has been answered

    [outcome] = (await desk.settle_all(job)).values()

    assert unsure(outcome)


async def test_a_job_that_is_dated_ahead_does_not_hide_the_lost_one(desk):
    """Another machine of the service is a minute ahead, so the mark is too late."""
    theirs = desk.api.add_job({"prompt": "a stone"}, author_id=STRANGER)
    ahead = desk.api.time_at(theirs.created_s) + timedelta(seconds=60)
    mark = Mark(mark_id=1, created_at=ahead, listed=(theirs.remote_id,))
    desk.marks[1] = mark
    job = desk.lost()
    desk.own()
    desk.api.add_job(OAK)

    [outcome] = (await desk.settle_all(job)).values()

    assert unsure(outcome)


async def test_as_long_as_another_submit_may_be_answered_a_control_may_come(desk):
    job = desk.lost()
    desk.may_learn = True

    async with desk.settling(job):
        await desk.clock.advance(40)
        early = dict(desk.ended)
        desk.own()
        await desk.clock.advance(20)

    assert early == {}
    assert desk.ended == {"oak": None}


async def test_a_job_that_appears_between_the_two_listings_is_adopted(desk):
    desk.own()
    job = desk.lost()
    seen = []

    def appear(_which, _token, page):
        if desk.clock.monotonic_s() >= SETTINGS.settle_s:
            seen.append(page)
            if len(seen) == 1:
                desk.api.add_job(OAK)
        return page

    desk.api.tamper = appear

    assert await desk.settle_all(job) == {"oak": "job_2"}


async def test_a_listing_that_breaks_off_proves_nothing(desk):
    desk.own()
    desk.api.page_size = 1
    job = desk.lost()
    for number in range(3):
        desk.api.add_job({**OAK, "seed": 100 + number}, author_id=STRANGER)

    def break_off(_which, token, page):
        if token == "2":
            raise Unavailable("reset")
        return page

    desk.api.tamper = break_off

    assert unsure((await desk.settle_all(job))["oak"])


async def test_a_later_job_of_ours_that_the_list_does_not_show_blocks_the_proof(desk):
    desk.own()
    job = desk.lost()
    desk.clock.jump(1)
    desk.api.list_lag_s = 40.0

    async with desk.settling(job):
        await desk.clock.advance(1)
        desk.own({**ELM, "seed": 8})  # its submit was answered after the loss
        await desk.clock.advance(34)
        early = dict(desk.ended)
        await desk.clock.advance(30)

    assert early == {}
    assert desk.ended == {"oak": None}


async def test_every_older_job_of_ours_has_to_be_in_the_list(desk):
    """The list hides some for longer than others: it may hide the lost one too."""
    hidden = desk.own({**ELM, "seed": 1}).remote_id
    desk.own()
    job = desk.lost()

    def tamper(_which, _token, page):
        if desk.clock.monotonic_s() >= 40.0:
            return page
        jobs = tuple(one for one in page.jobs if one.remote_id != hidden)
        return replace(page, jobs=jobs)

    desk.api.tamper = tamper

    async with desk.settling(job):
        await desk.clock.advance(39)
        early = dict(desk.ended)
        await desk.clock.advance(30)

    assert early == {}
    assert desk.ended == {"oak": None}


async def test_a_row_without_a_mark_can_be_found_and_not_proved_absent(desk):
    """Of an older version, or of a dry run that was none."""
    desk.own()
    found, absent = desk.lost(mark_id=None), desk.lost(ELM, name="elm", mark_id=None)
    made = desk.api.add_job(OAK)

    ended = await desk.settle_all(found, absent)

    assert ended["oak"] == made.remote_id
    assert unsure(ended["elm"])


async def test_a_list_that_fails_to_the_deadline_leaves_the_outcome_unknown(desk):
    desk.api.break_down("list_jobs")
    job = desk.lost()

    ended = await desk.settle_all(job)

    assert unsure(ended["oak"])
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

    desk.own()
    desk.api.tamper = spoil
    job = desk.lost()

    ended = await desk.settle_all(job, within_s=80.0)

    assert unsure(ended["oak"])


# --- refused ------------------------------------------------------------------------------


async def test_after_a_refusal_one_reading_without_a_candidate_is_enough(desk):
    desk.own()
    job = desk.lost()

    ended = await desk.settle_all(job, is_refused=True)

    assert ended == {"oak": None}
    assert desk.api.calls["list_jobs"] == 1


async def test_a_job_that_was_made_in_spite_of_its_refusal_is_adopted(desk):
    job = desk.lost()
    made = desk.api.add_job(OAK)

    assert await desk.settle_all(job, is_refused=True) == {"oak": made.remote_id}


async def test_a_refusal_beside_a_job_that_says_nothing_is_not_believed(desk):
    job = desk.lost()
    desk.api.add_job({})

    assert unsure((await desk.settle_all(job, is_refused=True))["oak"])


async def test_a_job_that_shows_nothing_that_tells_is_not_adopted_from_a_stranger(desk):
    job = desk.lost()
    desk.api.add_job({"size": "1K", "prompt": "asset_toad"}, author_id=STRANGER)
    desk.api.echo_omits = ("seed",)

    [outcome] = (await desk.settle_all(job)).values()

    assert unsure(outcome)


async def test_a_refusal_is_believed_when_the_list_shows_what_came_before_it(desk):
    desk.own()
    job = desk.lost()
    desk.api.list_lag_s = 8.0
    made = desk.api.add_job(OAK)

    ended = await desk.settle_all(job, is_refused=True)

    assert ended == {"oak": made.remote_id}
    assert desk.ended_s["oak"] >= 8.0


@pytest.mark.parametrize("shown", [{"seed": 5}, {"prompt": "rewritten"}], ids=str)
async def test_after_a_refusal_one_input_that_agrees_keeps_a_job_in_the_way(
    desk, shown
):
    desk.own()
    job = desk.lost()
    desk.api.add_job({**OAK, **shown})

    assert unsure((await desk.settle_all(job, is_refused=True))["oak"])


@pytest.mark.parametrize("knows_us", [True, False])
async def test_after_a_refusal_a_job_with_other_inputs_is_another_runs(desk, knows_us):
    """Once it is known how the service shows jobs of ours; before, it may be ours."""
    job = desk.lost()
    if knows_us:
        desk.own()
    desk.api.add_job({**OAK, "prompt": "a stone", "seed": 5})

    outcome = (await desk.settle_all(job, is_refused=True))["oak"]

    assert outcome is None if knows_us else unsure(outcome)


async def test_a_job_that_a_listing_showed_and_nobody_owns_is_remembered(desk):
    job = desk.lost()
    made = desk.api.add_job(OAK)

    before = await desk.settler.sees_unowned(job, desk.known)
    desk.seen.note(await desk.api.find_job(made.remote_id))
    after = await desk.settler.sees_unowned(job, desk.known)
    desk.own(OAK, made=made)

    assert (before, after) == (False, True)
    assert not await desk.settler.sees_unowned(job, desk.known)


# --- waiting ------------------------------------------------------------------------------


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
        desk.own(OAK, made=made)
        second = desk.lost({**OAK, "seed": 8}, name="second")
        also_made = desk.api.add_job({**OAK, "seed": 8})
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(desk.settle, second)
            await desk.clock.advance(5)

    assert desk.ended == {"first": made.remote_id, "second": also_made.remote_id}
