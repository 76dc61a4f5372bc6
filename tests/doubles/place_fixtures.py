"""A place beside an emulator on a fast clock, and commands typed into it."""

from collections.abc import Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from knobs.world import KEY, SECRET, profile_of

from doubles.clock import ScaledClock
from doubles.place import HASTY, Place, Typist
from pipeline.emulator import Emulator
from pipeline.settings import (
    BASE_URL_VARIABLE,
    KEY_VARIABLE,
    PROJECT_VARIABLE,
    SECRET_VARIABLE,
    Settings,
)


@pytest.fixture
def command(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    monkeypatch.chdir(tmp_path)
    return Typist(capsys)


@pytest.fixture
def use(monkeypatch):
    """Export the credentials for this service."""

    def export(base_url: str, *, key: str = KEY, project_id: str = "") -> None:
        monkeypatch.setenv(KEY_VARIABLE, key)
        monkeypatch.setenv(SECRET_VARIABLE, SECRET)
        monkeypatch.setenv(BASE_URL_VARIABLE, base_url)
        monkeypatch.setenv(PROJECT_VARIABLE, project_id)

    return export


@pytest.fixture
def place_of(tmp_path, command, use):
    """Starts an emulator with these answers on a fast clock, and gives the place."""

    @asynccontextmanager
    async def start(
        knobs: Mapping[str, Any] | None = None, *, settings: Settings = HASTY
    ):
        clock = ScaledClock()
        profile = profile_of(**(knobs or {}))
        async with Emulator(profile=profile, clock=clock) as emulator:
            use(emulator.base_url)
            yield Place(
                folder=tmp_path,
                emulator=emulator,
                clock=clock,
                settings=settings,
                command=command,
            )

    return start


@pytest.fixture
async def place(place_of):
    async with place_of() as made:
        yield made
