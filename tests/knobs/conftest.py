"""Fixtures of the cases: reference images, and worlds to run our client in."""

import shutil
from collections.abc import Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from doubles.clock import ScaledClock
from doubles.quick_clock import QuickClock
from doubles.watched_loop import pytest_asyncio_loop_factories  # noqa: F401 - hook
from knobs.world import QUICK, World, draw_references, profile_of

from pipeline import Settings
from pipeline.emulator import Emulator, FaultInjector
from pipeline.ledger.writer import LedgerWriter


@pytest.fixture(scope="session")
def references(tmp_path_factory):
    folder = tmp_path_factory.mktemp("references")
    draw_references(folder)
    return folder


@pytest.fixture
def world_of(references, tmp_path):
    """Starts an emulator with this profile, and gives the world around it.

    With ``is_quick``, time moves whenever all wait: a slow machine changes nothing. Not
    for what waits for the service in a thread: then nobody sees that all wait.
    """

    @asynccontextmanager
    async def start(
        knobs: Mapping[str, Any],
        *,
        settings: Settings = QUICK,
        project_id: str = "",
        faults: FaultInjector | tuple[str, ...] = (),
        is_quick: bool = False,
    ):
        for file in references.iterdir():
            shutil.copyfile(file, tmp_path / file.name)
        clock = _quick_clock() if is_quick else ScaledClock()
        scripted = faults if isinstance(faults, FaultInjector) else FaultInjector()
        if isinstance(faults, tuple):
            for fault in faults:
                scripted.next(fault)
        async with (
            Emulator(
                profile=profile_of(**knobs), clock=clock, faults=scripted
            ) as emulator,
            clock.running(),
        ):
            yield World(
                folder=tmp_path,
                emulator=emulator,
                clock=clock,
                settings=settings,
                project_id=project_id,
            )

    return start


def _quick_clock():
    clock = QuickClock(datetime.now(UTC))
    clock.is_busy = lambda: _commits.awaited > 0
    return clock


@pytest.fixture(autouse=True)
def _writes_are_work(monkeypatch):
    """No time passes during a commit: the loop does not know the ledger's thread."""
    for name in ("write", "write_patiently"):
        monkeypatch.setattr(LedgerWriter, name, _counted(getattr(LedgerWriter, name)))


def _counted(write):
    async def counted(*arguments, **named):
        _commits.awaited += 1
        try:
            return await write(*arguments, **named)
        finally:
            _commits.awaited -= 1

    return counted


class _Commits:
    awaited = 0  # writes that are not durable yet


_commits = _Commits()
