"""Fixtures of the cases: reference images, and worlds to run our client in."""

import shutil
from collections.abc import Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from doubles.clock import ScaledClock
from knobs.world import QUICK, World, draw_references, profile_of

from pipeline import Settings
from pipeline.emulator import Emulator, FaultInjector


@pytest.fixture(scope="session")
def references(tmp_path_factory):
    folder = tmp_path_factory.mktemp("references")
    draw_references(folder)
    return folder


@pytest.fixture
def world_of(references, tmp_path):
    """Starts an emulator with this profile, and gives the world around it."""

    @asynccontextmanager
    async def start(
        knobs: Mapping[str, Any],
        *,
        settings: Settings = QUICK,
        project_id: str = "",
        faults: FaultInjector | tuple[str, ...] = (),
    ):
        for file in references.iterdir():
            shutil.copyfile(file, tmp_path / file.name)
        clock = ScaledClock()
        scripted = faults if isinstance(faults, FaultInjector) else FaultInjector()
        if isinstance(faults, tuple):
            for fault in faults:
                scripted.next(fault)
        async with Emulator(
            profile=profile_of(**knobs), clock=clock, faults=scripted
        ) as emulator:
            yield World(
                folder=tmp_path,
                emulator=emulator,
                clock=clock,
                settings=settings,
                project_id=project_id,
            )

    return start
