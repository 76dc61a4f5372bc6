"""Each open question to the service has two answers, and our client copes with both.

With the emulator's default and with the other value, a run must end as the case says:
every file saved byte for byte and each job paid for once, or a clear failure.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import pytest
from knobs.cases import assets, cdn, jobs, limits, listing, money, uploads, whole
from knobs.cases.case import Case, Ends
from knobs.world import KEY, MODEL, QUICK, REFERENCE, SECRET, items

from pipeline import Credentials, ExitCode
from pipeline.api.cdn import HttpTransfer
from pipeline.api.client import HttpApi
from pipeline.api.interface import UrlExpired
from pipeline.emulator import EmulatorProfile
from pipeline.errors import Unavailable

GROUPS = {
    "limits": limits,
    "money": money,
    "jobs": jobs,
    "listing": listing,
    "assets": assets,
    "cdn": cdn,
    "uploads": uploads,
}
CASES = tuple(case for group in (*GROUPS.values(), whole) for case in group.CASES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One run: a case with one of its answers."""

    name: str
    case: Case
    knobs: dict[str, Any]
    ends: Ends


def _scenes() -> Iterator[Scene]:
    """Each changed value once; each distinct default situation once."""
    seen: list[tuple[object, ...]] = []
    for number, case in enumerate(CASES):
        situation = (
            case.text,
            case.beside,
            case.faults,
            case.settings,
            case.project_id,
            case.default,
        )
        if situation not in seen:
            seen.append(situation)
            yield Scene(
                name=f"{number}-{case.knob}-default",
                case=case,
                knobs=dict(case.beside),
                ends=case.default,
            )
        yield Scene(
            name=f"{number}-{case}",
            case=case,
            knobs={**case.beside, case.knob: case.value},
            ends=case.default if case.changed is None else case.changed,
        )


SCENES = tuple(_scenes())


@pytest.mark.parametrize("scene", SCENES, ids=[scene.name for scene in SCENES])
async def test_run_ends_as_it_should_whatever_the_service_does(scene, world_of):
    case, ends = scene.case, scene.ends

    async with world_of(
        scene.knobs,
        settings=case.settings,
        project_id=case.project_id,
        faults=case.faults,
        is_quick="answer_delay_s" not in scene.knobs,  # the tables are read in a thread
    ) as world:
        played = await world.play(case.text)

        wanted = ends.jobs if ends.saved is None else ends.saved
        posts = ends.jobs if ends.posts is None else ends.posts
        assert played.code is ends.code, (played.error, played.failures)
        assert played.counters["jobs_made"] == ends.jobs
        assert len({car["item_id"] for car in world.sidecars().values()}) == wanted
        assert posts in {-1, played.counters["submits_received"]}
        for fault in case.faults:
            assert played.counters["faults"][fault] == 1
        ends.check(world, played)
        world.check_secrets()
        await world.check_files()
        if ends.code is ExitCode.OK:
            again = await world.play(case.text)
            assert again.code is ExitCode.OK
            assert (
                again.counters["submits_received"]
                == played.counters["submits_received"]
            )


@pytest.mark.parametrize("status", [404, 400])
async def test_reference_the_service_has_lost_is_uploaded_once_more(status, world_of):
    async with world_of({"unknown_asset_status": status}) as world:
        first = await world.play(REFERENCE)
        world.emulator.service.assets._uploaded.clear()
        second = await world.play(REFERENCE.replace("ash]", "ash, yew]"))

        assert (first.code, second.code) == (ExitCode.OK, ExitCode.OK)
        assert second.counters["jobs_made"] == 4
        assert second.counters["uploads"] == 1


@pytest.mark.parametrize("same_author", [False, True])
async def test_equal_job_of_a_stranger_is_not_ours(same_author, world_of):
    """It was listed before our first submit. As our own author's it is taken over."""
    text = items("an oak", "an elm", "an ash", "a yew", params="{seed: 5}")
    async with world_of({"same_author": same_author}) as world:
        await world.play(items("a fir", params="{seed: 5}"))  # who we are
        stranger = Credentials(key="k2", secret="s2", base_url=world.emulator.base_url)
        async with HttpApi(stranger, QUICK, world.clock) as api:
            inputs: dict[str, Any]
            inputs = {"prompt": "an oak", "size": "1K", "thinkingMode": False}
            await api.submit(MODEL, {**inputs, "seed": 5})
        world.emulator.faults.next("submit-drop-before")
        played = await world.play(text)

        assert played.code is ExitCode.OK
        assert played.saved == 4
        assert played.counters["jobs_made"] == 1 + 1 + (3 if same_author else 4)


async def test_quote_that_needs_a_slot_waits_for_one(world_of):
    knobs = {"ceiling": 1, "quotes_need_slot": True, "job_seconds": (20.0, 20.0)}
    async with world_of(knobs, is_quick=True) as world:
        stranger = Credentials(key="k2", secret="s2", base_url=world.emulator.base_url)
        async with HttpApi(stranger, QUICK, world.clock) as api:
            await api.submit(MODEL, {"prompt": "a fir"})
        played = await world.play(items("an oak"))

        assert played.code is ExitCode.OK, played.error
        assert played.saved == 1
        assert played.counters["answers"]["quote 429"] > 0


@pytest.mark.parametrize("status", [302, 403])
async def test_altered_url_asks_for_a_fresh_one_and_leads_nowhere(status, world_of):
    async with world_of({"altered_url_status": status}) as world:
        await world.play(items("an oak"))
        (sidecar,) = world.sidecars().values()
        me = Credentials(key=KEY, secret=SECRET, base_url=world.emulator.base_url)
        async with (
            HttpApi(me, QUICK, world.clock) as api,
            HttpTransfer(QUICK, loopback=True) as transfer,
        ):
            asset = await api.find_asset(sidecar["asset_id"])
            assert asset is not None
            altered = asset.url.replace("Signature=", "Signature=x")
            with pytest.raises((UrlExpired, Unavailable)):
                async with transfer.read(altered):
                    pass


def _check_all_have_cases(known, group):
    tested = {case.knob for case in group.CASES}
    assert tested | set(group.NO_CASE) == known
    assert not tested & set(group.NO_CASE)


@pytest.mark.parametrize("name", GROUPS)
def test_every_field_of_a_record_has_a_case(name):
    record = getattr(EmulatorProfile(), name)
    _check_all_have_cases({field.name for field in fields(record)}, GROUPS[name])


def test_every_field_outside_of_the_records_has_a_case():
    profile = EmulatorProfile()
    records = {
        field.name
        for field in fields(profile)
        if is_dataclass(getattr(profile, field.name))
    }
    assert records == set(GROUPS)
    _check_all_have_cases({field.name for field in fields(profile)} - records, whole)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_changed_value_differs_from_the_default(case):
    assert case.value != EmulatorProfile().flat()[case.knob]
    assert case.knob not in case.beside
