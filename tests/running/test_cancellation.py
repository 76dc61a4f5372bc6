"""A run cut at every await: nothing is paid twice, nothing paid for is forgotten.

The k-th await point of our doubles (service, CDN, ledger, clock) cancels the whole
run, as if the process had ended there; then a new run, on the same ledger and with
the same service, has to bring every item home.
"""

from collections import Counter

import anyio
import pytest
from doubles.lost import LOST
from doubles.pictures import png_of

from pipeline.errors import ExitCode

MANIFEST = """\
references: {style: style.png}
items:
  - {id: oak, prompt: oak}
  - {id: elm, prompt: elm, params: {numOutputs: 2}}
  - {id: fir, prompt: fir, params: {images: [ref:style]}}
  - {id: yew, prompt: yew}
"""
PROMPTS = ("oak", "elm", "fir", "yew")
FILES = {"oak.png", "elm-1.png", "elm-2.png", "fir.png", "yew.png"}
POINTS = 150  # more than an uncut run has; checked below


class Cut:
    """Cancels at the k-th point that is passed."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.passed: list[str] = []
        self.scope = anyio.CancelScope()

    def __call__(self, name: str) -> None:
        self.passed.append(name)
        if len(self.passed) == self.number:
            self.scope.cancel()


@pytest.fixture
def batch(workshop, style):
    workshop.write(MANIFEST, files={"style.png": style})
    workshop.api.ceiling = workshop.api.readable_ceiling = 3
    workshop.api.duration_s = 2.0
    return workshop


async def cut_and_run_again(workshop, *numbers):
    """Cut runs at these points, one after the other, then run in peace."""
    for number in numbers:
        cut = workshop.on_point = Cut(number)
        await workshop.run(scope=cut.scope)
        assert not [name for name in sidecars(workshop) if not is_whole(workshop, name)]
    workshop.on_point = lambda _name: None
    return await workshop.run()


def sidecars(workshop):
    return {name for name in workshop.files() if name.endswith(".json")}


def is_whole(workshop, sidecar):
    return (workshop.output / sidecar.removesuffix(".json")).is_file()


def assert_everything_is_home_and_paid_once(workshop, result):
    assert result.exit_code is ExitCode.OK
    assert workshop.api.paid_by_prompt() == dict.fromkeys(PROMPTS, 1)
    assert workshop.statuses() == dict.fromkeys(PROMPTS, "saved")
    assert workshop.files() == FILES | {f"{name}.json" for name in FILES}
    assert workshop.partial_files() == []
    for item_id in PROMPTS:
        for asset in workshop.job(item_id).assets:
            content = (workshop.output / asset.path).read_bytes()
            assert content == png_of(asset.asset_id)
    owned = Counter(
        job.remote_id
        for item_id in PROMPTS
        for job in workshop.attempts(item_id)
        if job.remote_id is not None
    )
    assert owned == {job.remote_id: 1 for job in workshop.api.own_jobs}


async def test_an_uncut_run_passes_fewer_points_than_are_cut(batch):
    cut = batch.on_point = Cut(0)

    result = await batch.run()

    assert_everything_is_home_and_paid_once(batch, result)
    assert POINTS > len(cut.passed) > 60
    assert {"submit", "submit!", "read", "read!", "sleep", "find_job"} <= {*cut.passed}
    assert {"write record_saved", "write record_saved!"} <= {*cut.passed}


@pytest.mark.parametrize("number", range(1, POINTS + 1))
async def test_a_run_that_is_cut_at_this_point_is_completed_by_the_next(batch, number):
    result = await cut_and_run_again(batch, number)

    assert_everything_is_home_and_paid_once(batch, result)


@pytest.mark.parametrize("number", range(1, POINTS + 1, 4))
async def test_three_cuts_in_a_row_are_no_worse_than_one(batch, number):
    result = await cut_and_run_again(batch, number, number // 2 + 1, number // 3 + 2)

    assert_everything_is_home_and_paid_once(batch, result)


@pytest.mark.parametrize("number", range(1, POINTS + 1, 4))
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_cut_while_submits_are_lost_leads_to_no_second_payment(
    batch, number, after
):
    batch.api.list_lag_s = 2.0
    batch.api.fail_next("submit", LOST, after=after)
    batch.api.fail_next("submit", LOST, after=not after)

    result = await cut_and_run_again(batch, number)

    assert_everything_is_home_and_paid_once(batch, result)
