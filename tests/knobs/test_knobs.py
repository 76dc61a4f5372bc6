"""Every open question of the service contract: our client meets both answers.

A run must end as the table says with the emulator's default and with the other
value: everything saved byte for byte, each job paid for once, or a clear end.
"""

import shutil
from collections.abc import Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from typing import Any

import pytest
from doubles.clock import ScaledClock
from knobs.cases import CASES, NOT_A_GUESS, Case, Ends
from knobs.world import World, draw_references, profile_of

from pipeline import ExitCode
from pipeline.emulator import Emulator, EmulatorProfile


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One run of the table: a case with one of its answers."""

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


@pytest.fixture(scope="session")
def references(tmp_path_factory):
    folder = tmp_path_factory.mktemp("references")
    draw_references(folder)
    return folder


@asynccontextmanager
async def world_of(folder, references, case: Case, knobs: dict[str, Any]):
    clock = ScaledClock()
    for file in references.iterdir():
        shutil.copyfile(file, folder / file.name)
    async with Emulator(profile=profile_of(**knobs), clock=clock) as emulator:
        for fault in case.faults:
            emulator.faults.next(fault)
        yield World(
            folder=folder,
            emulator=emulator,
            clock=clock,
            settings=case.settings,
            project_id=case.project_id,
        )


@pytest.mark.parametrize("scene", SCENES, ids=[scene.name for scene in SCENES])
async def test_run_ends_as_it_should_whatever_the_service_does(
    scene, tmp_path, references
):
    ends = scene.ends

    async with world_of(tmp_path, references, scene.case, scene.knobs) as world:
        played = await world.play(scene.case.text)

        wanted = ends.jobs if ends.saved is None else ends.saved
        posts = ends.jobs if ends.posts is None else ends.posts
        assert played.code is ends.code, (played.error, played.failures)
        assert played.books["jobs_made"] == ends.jobs
        assert len({car["item_id"] for car in world.sidecars().values()}) == wanted
        assert posts in {-1, played.books["submits_received"]}
        for fault in scene.case.faults:
            assert played.books["faults"][fault] == 1
        ends.check(world, played)
        world.check_secrets()
        await world.check_files()
        if ends.code is ExitCode.OK:
            again = await world.play(scene.case.text)
            assert again.code is ExitCode.OK
            assert again.books["submits_received"] == played.books["submits_received"]


def test_every_knob_is_in_the_table_or_is_no_guess():
    known = {field.name for field in fields(EmulatorProfile)}
    tested = {case.knob for case in CASES}

    assert tested | set(NOT_A_GUESS) == known
    assert not tested & set(NOT_A_GUESS)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_changed_value_differs_from_the_default(case):
    default = {
        field.name: getattr(EmulatorProfile(), field.name)
        for field in fields(EmulatorProfile)
    }
    assert case.value != default[case.knob]
    assert case.knob not in case.beside
