"""Every fault of the emulator strikes our client once: the harm is bounded.

Whatever broke, after at most one more run every item is saved, byte for byte, and
the service's counters show each of them paid once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from knobs.world import BIG_REFERENCE, PLAIN, QUICK, REFERENCE, items

from pipeline import ExitCode, Selection
from pipeline.emulator import FaultInjector
from pipeline.emulator.faults import FAULTS, Effect, InjectedFault

# A hang of 0.4 real seconds is 40 of the fast clock.
HASTY = replace(QUICK, submit_timeout_s=0.4, read_timeout_s=0.4, first_contact_s=200.0)
RESENT = frozenset({Effect.DROP, Effect.RESET})  # aiohttp sends such a GET again
GETS = frozenset({"poll", "list", "asset", "account", "cdn", "model"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A manifest whose run calls a class of endpoints."""

    text: str
    items: int
    knobs: Mapping[str, Any] = field(default_factory=dict)


STAGES: Mapping[str, Stage] = {
    "model": Stage(text=PLAIN, items=4),
    "quote": Stage(text=PLAIN, items=4),
    "submit": Stage(text=PLAIN, items=4),
    "poll": Stage(text=items("an oak", "an elm"), items=2),
    "list": Stage(text=PLAIN, items=4, knobs={"job_seconds": (20.0, 30.0)}),
    "bulk": Stage(text=PLAIN, items=4),
    "asset": Stage(text=REFERENCE, items=3, knobs={"upload_pending_s": 5.0}),
    "account": Stage(text=PLAIN, items=4),
    "upload": Stage(text=REFERENCE, items=3),
    "cdn": Stage(text=PLAIN, items=4, knobs={"slow_bytes_per_second": 200.0}),
    "part": Stage(text=BIG_REFERENCE, items=3),
}
NO_ACCESS = {
    "submit-401",
    "submit-403",
    "submit-401-after",
    "submit-403-after",
    "account-401",
    "poll-401",
    "list-401",
    "bulk-401",
    "asset-401",
    "upload-401",
    "quote-401",
}
# How the first run ends where it does not end well by itself.
CODES: Mapping[str, ExitCode] = {
    **dict.fromkeys(NO_ACCESS, ExitCode.ACCESS),
    "submit-402": ExitCode.BUDGET,
    "submit-402-after": ExitCode.BUDGET,
}
MET = tuple(FAULTS.values())


def times_of(fault: InjectedFault) -> int:
    return 2 if fault.effect in RESENT and fault.endpoint in GETS else 1


@pytest.mark.parametrize("fault", MET, ids=[fault.name for fault in MET])
async def test_nothing_is_lost_and_nothing_is_paid_twice(fault, world_of):
    stage = STAGES[fault.endpoint]
    times = times_of(fault)

    async with world_of(stage.knobs, settings=HASTY) as world:
        world.emulator.faults.next(fault.name, times=times)
        played = await world.play(stage.text)

        assert played.counters["faults"] == {fault.name: times}
        assert played.code is CODES.get(fault.name, ExitCode.OK), played.failures
        if played.code is not ExitCode.OK:
            failed = played.code is ExitCode.ITEMS_FAILED
            again = await world.play(
                stage.text, selection=Selection(only_failed=failed)
            )
            assert again.code is ExitCode.OK
        counters = world.counters
        assert counters["jobs_made"] == stage.items
        assert counters["charged_cu"] == 6 * stage.items
        assert len(world.sidecars()) == stage.items
        wasted = times if fault.endpoint == "submit" and not fault.after else 0
        assert counters["submits_received"] == stage.items + wasted
        world.check_secrets()
        await world.check_files()


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
async def test_run_without_faults_calls_what_its_faults_would_strike(stage, world_of):
    name = next(name for name, other in STAGES.items() if other is stage)
    async with world_of(stage.knobs) as world:
        played = await world.play(stage.text)

        assert played.code is ExitCode.OK
        assert played.counters["requests"][name] > 0


def test_every_fault_is_met():
    assert {fault.endpoint for fault in FAULTS.values()} == set(STAGES)
    assert set(CODES) <= set(FAULTS)


@pytest.mark.parametrize("name", ["poll-500", "list-503", "bulk-502-html", "cdn-500"])
async def test_free_call_that_fails_for_a_minute_costs_time_and_no_item(name, world_of):
    stage = STAGES[FAULTS[name].endpoint]

    async with world_of(stage.knobs, settings=HASTY) as world:
        world.emulator.faults.next(name, times=12)
        played = await world.play(stage.text)

        assert played.code is ExitCode.OK
        assert played.counters["faults"][name] == 12 or name == "list-503"
        assert played.counters["jobs_made"] == stage.items
        await world.check_files()


@pytest.mark.parametrize("name", ["submit-drop-after", "submit-504-after"])
async def test_every_submit_loses_its_answer_and_each_is_paid_once(name, world_of):
    async with world_of({}, settings=HASTY) as world:
        world.emulator.faults.next(name, times=4)
        played = await world.play(PLAIN)

        assert played.code is ExitCode.OK
        assert played.counters["faults"][name] == 4
        assert played.counters["jobs_made"] == 4
        assert played.counters["submits_received"] == 4
        await world.check_files()


@pytest.mark.parametrize("name", ["", "submit-drop-after"])
async def test_empty_pages_hide_no_job(name, world_of):
    """Half of the pages are empty but carry a token."""
    faults = FaultInjector({"list-empty-page": 0.5})
    if name:
        faults.next(name)
    async with world_of(STAGES["list"].knobs, faults=faults) as world:
        played = await world.play(PLAIN)

        assert played.code is ExitCode.OK, played.failures
        assert played.counters["faults"]["list-empty-page"] > 0
        assert played.counters["jobs_made"] == played.saved == 4
        assert played.counters["submits_received"] == 4
        world.check_secrets()
        await world.check_files()


class LaterFaults(FaultInjector):
    """Forces a fault on the n-th request of its class, whatever comes before."""

    def __init__(self, name: str, request: int) -> None:
        super().__init__()
        self._name = name
        self._left = request

    def draw(self, endpoint: str) -> InjectedFault | None:
        if endpoint == FAULTS[self._name].endpoint:
            self._left -= 1
            if self._left == 0:
                return FAULTS[self._name]
        return super().draw(endpoint)


@pytest.mark.parametrize(
    "request_number", [1, 2, 3], ids=["create", "complete", "read"]
)
@pytest.mark.parametrize(
    "name",
    [
        "upload-500",
        "upload-409",
        "upload-404",
        "upload-drop",
        "upload-drop-after",
        "upload-garbage",
        "upload-truncated",
    ],
)
async def test_multipart_upload_survives_a_fault_at_each_of_its_calls(
    name, request_number, world_of
):
    async with world_of(
        {"upload_seconds": 5.0},
        settings=HASTY,
        faults=LaterFaults(name, request_number),
    ) as world:
        played = await world.play(BIG_REFERENCE)

        assert played.counters["faults"] == {name: 1}
        if played.code is ExitCode.ITEMS_FAILED:  # a 404 is taken at its word
            assert name == "upload-404"
            played = await world.play(
                BIG_REFERENCE, selection=Selection(only_failed=True)
            )
        assert played.code is ExitCode.OK, played.failures
        assert played.counters["jobs_made"] == len(world.sidecars()) == 3
        assert 1 <= played.counters["uploads"] <= 2
        world.check_secrets()
