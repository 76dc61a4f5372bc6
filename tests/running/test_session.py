"""Two manifests on one session: one ceiling, one request rate, one poller, one purse each."""

from contextlib import AsyncExitStack
from decimal import Decimal

import anyio
import pytest
from doubles.pictures import png_bytes
from doubles.quick_clock import QuickClock
from doubles.workshop import CountingWriter, Workshop

from pipeline.errors import BudgetReached, ExitCode, OutcomeUnknown
from pipeline.job import JobStatus
from pipeline.ledger.ledger import LEDGER_NAME, Ledger
from pipeline.pricing import CostGroups
from pipeline.running.events import Event, JobChanged, SlotsChanged, Warned
from pipeline.running.run import Run
from pipeline.running.shared_requests import SharedRequests

TREES = ("oak", "elm", "fir", "yew", "ash", "bay")
BIRDS = ("owl", "jay", "tit", "emu", "auk", "kea")
LOST = OutcomeUnknown("no answer in time")


def of(name):
    """Whether a submit is of this item."""
    return lambda _model, inputs: inputs["prompt"] == name


class Listener(list[Event]):
    """Events, each of which something is done about."""

    def __init__(self, act) -> None:
        super().__init__()
        self._act = act

    def append(self, event) -> None:
        super().append(event)
        self._act(event)


class Pair:
    """Two manifests with an output folder each, beside one service.

    Attributes:
        requests: What both ask for, if equal requests are to be paid once.
    """

    def __init__(self, folder, clock) -> None:
        self.requests: SharedRequests | None = None
        (folder / "trees").mkdir()
        (folder / "birds").mkdir()
        self.clock = clock
        self.trees = Workshop(folder / "trees", clock)
        self.birds = Workshop(folder / "birds", clock)
        self.api = self.birds.api = self.trees.api
        self.birds.transfer = self.trees.transfer
        self.on_start = lambda _trees, _birds: None

    async def run(self):
        """Both at once, on one session; their results."""
        session = self.trees.open_session()
        session.requests = self.requests
        results = {}

        async def carry_out(number: int, run: Run) -> None:
            results[number] = await run.carry_out(1)
            if self.requests is not None:
                self.requests.close(str((self.trees, self.birds)[number].output))

        async with AsyncExitStack() as stack:
            writers: list[CountingWriter] = []
            self.clock.is_busy = lambda: any(writer.pending for writer in writers)
            runs, groups = [], []
            for shop in (self.trees, self.birds):
                path = shop.output / LEDGER_NAME
                ledger = stack.enter_context(Ledger(path))
                reader = stack.enter_context(Ledger(path, read_only=True))
                writer = CountingWriter(ledger, lambda _point: None)
                writers.append(await stack.enter_async_context(writer))
                groups.append(CostGroups())
                runs.append(
                    Run(
                        shop.plan(reader, groups[-1]),
                        session,
                        ledger=reader,
                        writer=writer,
                        settings=shop.settings,
                        on_event=shop.events.append,
                    )
                )

            async def carry_out_both() -> None:
                for run, items in zip(runs, groups, strict=True):
                    await run.price(items)
                self.on_start(*runs)
                async with session.watching(), anyio.create_task_group() as both:
                    for number, run in enumerate(runs):
                        both.start_soon(carry_out, number, run)

            await self.clock.finish(carry_out_both)
        return results[0], results[1]


@pytest.fixture
def pair(tmp_path):
    return Pair(tmp_path, QuickClock())


async def test_what_concerns_the_workers_of_all_runs_is_told_once(pair):
    pair.trees.write_items("oak")
    pair.birds.write_items("owl")

    def on_start(trees, _birds):
        trees._session.warn("the workers are gone")

    pair.on_start = on_start

    await pair.run()

    events = [*pair.trees.events, *pair.birds.events]
    told = [event.message for event in events if isinstance(event, Warned)]
    assert told == ["the workers are gone"]


async def test_two_runs_share_one_ceiling_and_keep_it_full(pair):
    pair.api.ceiling = pair.api.readable_ceiling = 3
    pair.trees.write_items(*TREES)
    pair.birds.write_items(*BIRDS)

    trees, birds = await pair.run()

    assert trees.counts == birds.counts == {"saved": 6}
    assert pair.api.most_in_flight == 3
    assert len(pair.api.submits) == len(pair.api.jobs) == 12  # and none was refused
    assert {f"{name}.png" for name in TREES} < pair.trees.files()
    assert {f"{name}.png" for name in BIRDS} < pair.birds.files()


async def test_two_runs_are_watched_by_one_poller(pair):
    """Listing for both costs what listing for one costs, but for the marks."""
    pair.trees.write_items(*TREES, *BIRDS)
    await pair.trees.run()
    alone = pair.api.calls["list_jobs"]
    pair.api.calls.clear()
    pair.trees.write_items(*(f"{name}-2" for name in TREES))
    pair.birds.write_items(*BIRDS)

    await pair.run()

    own_readings = 3  # of each run: its mark, and the list held against its rows
    assert pair.api.calls["list_jobs"] <= alone + own_readings


async def test_two_runs_ask_for_one_price_once_and_upload_one_file_once(pair):
    text = "references: {style: style.png}\nitems:\n"
    item = "  - {id: NAME, prompt: NAME, params: {images: [ref:style]}}\n"
    files = {"style.png": png_bytes("purple", 16, 16)}
    pair.trees.write(text + item.replace("NAME", "oak"), files=files)
    pair.birds.write(text + item.replace("NAME", "owl"), files=files)

    await pair.run()

    assert pair.api.calls["upload_image"] == 1
    assert len(pair.api.quotes) == 1
    for shop in (pair.trees, pair.birds):
        with Ledger(shop.output / LEDGER_NAME, read_only=True) as ledger:
            assert len(ledger.find_uploads("")) == 1


@pytest.mark.parametrize("is_made", [True, False])
async def test_lost_submits_of_two_runs_are_each_settled_and_paid_once(pair, is_made):
    pair.trees.write_items(*TREES)
    pair.birds.write_items(*BIRDS)
    for name in ("fir", "emu", "yew"):
        pair.api.fail_next("submit", LOST, after=is_made, where=of(name))

    trees, birds = await pair.run()

    assert trees.counts == birds.counts == {"saved": 6}
    assert pair.api.paid_by_prompt() == dict.fromkeys((*TREES, *BIRDS), 1)
    prompts = {job.remote_id: job.inputs["prompt"] for job in pair.api.jobs}
    for shop, names in ((pair.trees, TREES), (pair.birds, BIRDS)):
        assert [prompts[shop.job(name).remote_id] for name in names] == [*names]


async def test_a_run_without_budget_left_does_not_stop_the_other(pair):
    pair.trees.write_items(*TREES)
    pair.birds.write_items(*BIRDS)
    pair.birds.set(max_cost=Decimal(12))

    trees, birds = await pair.run()

    assert (trees.exit_code, birds.exit_code) == (ExitCode.OK, ExitCode.BUDGET)
    assert trees.counts == {"saved": 6}
    assert birds.counts == {"saved": 2, "not_submitted": 4}
    assert pair.trees.halts() == []
    assert len(pair.api.jobs) == 8


async def test_a_run_that_is_abandoned_leaves_the_other_at_work(pair):
    pair.trees.write_items(*TREES)
    pair.birds.write_items(*BIRDS)
    pair.on_start = lambda _trees, birds: birds.abandon()

    trees, birds = await pair.run()

    assert trees.counts == {"saved": 6}
    assert birds.exit_code is ExitCode.INTERRUPTED
    assert set(pair.api.paid_by_prompt()) == {*TREES}


async def test_a_run_that_ends_early_leaves_its_slots_to_the_other(pair):
    """Its jobs are in flight, and nobody watches them: the other must not wait."""
    pair.api.readable_ceiling = 1
    pair.trees.write_items(*TREES)
    pair.birds.write_items(*BIRDS)
    pair.on_start = lambda trees, birds: runs.extend((trees, birds))
    runs: list[Run] = []

    def leave_with_jobs_in_flight(event) -> None:
        if isinstance(event, JobChanged) and event.status is JobStatus.SUBMITTED:
            runs[1].abandon()

    pair.birds.events = Listener(leave_with_jobs_in_flight)

    trees, birds = await pair.run()

    assert trees.counts == {"saved": 6}
    assert birds.counts["in_flight"] >= 1


async def test_credit_that_is_used_up_stops_both(pair):
    pair.trees.write_items(*TREES)
    pair.birds.write_items(*BIRDS)
    pair.api.fail_next("submit", BudgetReached("no credit"), where=of("owl"))

    trees, birds = await pair.run()

    assert trees.exit_code is birds.exit_code is ExitCode.BUDGET
    assert pair.trees.halts() == pair.birds.halts() == ["no credit"]
    assert len(pair.api.jobs) < 12


@pytest.mark.parametrize("is_made", [None, True, False], ids=["plain", "made", "lost"])
async def test_what_both_ask_for_is_paid_once(pair, is_made):
    """Even if the answer to its submit is lost, whether it made a job or not."""
    pair.trees.write_items(*TREES)
    pair.birds.write_items(*TREES)
    pair.requests = SharedRequests()
    if is_made is not None:
        pair.api.fail_next("submit", LOST, after=is_made, where=of("fir"))

    trees, birds = await pair.run()

    assert trees.counts == birds.counts == {"saved": 6}
    assert pair.api.paid_by_prompt() == dict.fromkeys(TREES, 1)
    assert (trees.cost.charged > 0, birds.cost.charged) == (True, 0)
    assert pair.trees.job("fir").remote_id == pair.birds.job("fir").remote_id


async def test_what_was_cut_off_in_one_is_not_paid_for_by_the_other(pair):
    """Its job may be in flight, and the next run will find it."""
    pair.trees.write_items("oak")
    pair.birds.write_items("oak")
    pair.requests = SharedRequests()
    runs: list[Run] = []
    pair.on_start = lambda trees, birds: runs.extend((trees, birds))

    def leave_with_the_job_in_flight(event) -> None:
        if isinstance(event, JobChanged) and event.status is JobStatus.SUBMITTED:
            runs[0].abandon()

    pair.trees.events = Listener(leave_with_the_job_in_flight)

    trees, birds = await pair.run()

    assert trees.exit_code is ExitCode.LEFT_IN_FLIGHT
    assert birds.counts == {"not_submitted": 1}
    assert len(pair.api.jobs) == 1


async def test_both_are_told_of_the_slots_and_of_their_own_jobs_alone(pair):
    pair.trees.write_items(*TREES)
    pair.birds.write_items(*BIRDS)

    await pair.run()

    for shop, names in ((pair.trees, TREES), (pair.birds, BIRDS)):
        assert any(isinstance(event, SlotsChanged) for event in shop.events)
        told = {e.item_id for e in shop.events if isinstance(e, JobChanged)}
        assert told == {*names}
