"""A shell, and an emulator on the test's own loop."""

from typing import Any

import pytest
from doubles import priced_batch, shell_fixtures
from doubles.shell import TREES

from pipeline.emulator import Emulator, EmulatorProfile

shell = shell_fixtures.shell
batch = priced_batch.batch
cheap = priced_batch.cheap


@pytest.fixture
async def start_emulator():
    """Starts emulators with these knobs; small pictures and short jobs."""
    running: list[Emulator] = []

    async def start(**knobs: Any) -> Emulator:
        values = {"seed": 7, "fixed_size_px": 16, "job_seconds": (0.05, 0.1), **knobs}
        emulator = Emulator(profile=EmulatorProfile.of(**values))
        running.append(await emulator.__aenter__())
        return emulator

    yield start
    for emulator in running:
        await emulator.__aexit__(None, None, None)


@pytest.fixture
async def emulator(start_emulator):
    return await start_emulator()


@pytest.fixture
def real(shell, emulator):
    """A shell with credentials for a service that counts."""
    shell.use(emulator)
    shell.write(TREES)
    return shell
