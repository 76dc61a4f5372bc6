"""Whole runs under whatever may happen at once, drawn from a seed.

Lost, refused and unsent submits, broken reads, a list that lags, strangers' jobs,
cut downloads, kills: afterwards everything is home and paid for once.
"""

import random
from collections import Counter

import anyio
import pytest
from doubles.lost import LOST
from doubles.pictures import png_of
from doubles.transfer import Body

from pipeline.api.interface import UrlExpired
from pipeline.errors import (
    ExitCode,
    RateLimited,
    Unavailable,
    UnexpectedAnswer,
)

MANIFEST = """\
references: {style: style.png}
items:
  - {id: oak, prompt: oak}
  - {id: elm, prompt: elm, params: {numOutputs: 2}}
  - {id: fir, prompt: fir, params: {images: [ref:style]}}
  - {id: yew, prompt: yew, params: {seed: 5}}
  - {id: yew-twin, prompt: yew, params: {seed: 5}}
  - {id: ash, prompt: ash}
  - {id: ash-night, prompt: night, params: {images: ['item:ash', 'item:elm/2']}}
  - {id: ash-dawn, prompt: dawn, params: {images: ['item:ash-night']}}
"""
ITEMS = ("oak", "elm", "fir", "yew", "yew-twin", "ash", "ash-night", "ash-dawn")
YEWS = Counter({"yew": 1})  # of two that ask for the same, one may be paid before
REFUSALS = (
    LOST,
    LOST,
    RateLimited("slow down", retry_after_s=3.0),
    RateLimited("busy"),
    Unavailable("refused", request_left=False),
)
BROKEN_READS = (
    Unavailable("502", status=502),
    UnexpectedAnswer("HTML"),
    RateLimited("slow"),
)
BROKEN_FILES = (Unavailable("reset"), Body(cut_at=20), UrlExpired("403"), Body())
READS = ("find_job", "list_jobs", "find_assets", "find_asset", "upload_image")
KNOBS = {
    "ceiling": (None, 1, 2, 4),
    "announces": (True, False),
    "list_lag_s": (0, 0, 1, 4),
    "sparse": (False, True),
    "echo_delay_s": (0, 3),
    "hidden_s": (0, 2),
    "heartbeat_s": (0, 1),
    "asset_pending_s": (0, 3),
    "upload_pending_s": (0, 2),
    "page_size": (1, 2, 100),
    "skew_s": (0, -300, 4000),
    "duration_s": (1, 10, 40),
}


def make_trouble(workshop, chance):
    api = workshop.api
    for knob, values in KNOBS.items():
        setattr(api, knob, chance.choice(values))
    for prompt in chance.choices(("oak", "yew", "elm"), k=chance.choice((0, 5))):
        api.add_job({"prompt": prompt, "size": "1K"}, author_id="apiu_stranger")
    for _ in range(chance.randrange(5)):
        api.fail_next("submit", chance.choice(REFUSALS))
    for _ in range(chance.randrange(3)):
        api.fail_next("submit", LOST, after=True)
    for method in READS:
        for _ in range(chance.choice((0, 3))):
            error = chance.choice(BROKEN_READS)
            api.fail_next(method, error, where=lambda *_: chance.random() < 0.5)
    answers = chance.choices(BROKEN_FILES, k=chance.choice((0, 4)))
    workshop.transfer.answer_next(*answers)


def kill_at(number):
    """A scope, and what cancels it at the k-th await point."""
    scope, passed = anyio.CancelScope(), []

    def on_point(name):
        passed.append(name)
        if len(passed) == number:
            scope.cancel()

    return scope, on_point


@pytest.mark.parametrize("seed", range(30))
async def test_after_any_trouble_everything_is_home_and_paid_once(
    workshop, style, seed
):
    chance = random.Random(seed)
    workshop.write(MANIFEST, files={"style.png": style})
    make_trouble(workshop, chance)
    for _ in range(chance.choice((0, 1, 3))):
        scope, workshop.on_point = kill_at(chance.randint(1, 200))
        await workshop.run(scope=scope)
        workshop.clock.jump(chance.choice((0, 1, 100, 1000)))
    workshop.on_point = lambda _name: None

    result = await workshop.run()
    if result.exit_code is ExitCode.UNKNOWN_OUTCOME:
        # Nothing showed that the list can be trusted, or strangers were in the way.
        assert max((workshop.api.paid_by_prompt() - YEWS).values(), default=1) == 1
        workshop.decide()
        result = await workshop.run()

    assert result.exit_code is ExitCode.OK
    paid = workshop.api.paid_by_prompt()
    once = dict.fromkeys(("oak", "elm", "fir", "ash", "night", "dawn"), 1)
    assert paid == {**once, "yew": 2}
    assert workshop.statuses() == dict.fromkeys(ITEMS, "saved")
    jobs = [workshop.job(item_id) for item_id in ITEMS]
    owned = {job.remote_id for job in workshop.api.own_jobs}
    assert {job.remote_id for job in jobs} == owned
    for asset in (asset for job in jobs for asset in job.assets):
        content = (workshop.output / asset.path).read_bytes()
        assert content == png_of(asset.asset_id)
    assert workshop.partial_files() == []
