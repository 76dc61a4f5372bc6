"""Connection: opened when first needed; tables are asked for from threads alone."""

from pathlib import Path

import anyio.to_thread
import pytest
from doubles.clock import FakeClock, ScaledClock

from pipeline.emulator import Emulator
from pipeline.emulator.profile import EmulatorProfile
from pipeline.errors import UsageError
from pipeline.models.schema import load_shipped_model
from pipeline.operations.connection import Connection, offline_catalog, service_of
from pipeline.settings import EMULATOR_NAME, Credentials, Service, Settings

WAN = "model_wan-2-7-image"
ELSEWHERE = Credentials(key="k", secret="s", base_url="http://127.0.0.1:9")


@pytest.fixture
async def emulator():
    async with Emulator(profile=EmulatorProfile.of(seed=1)) as running:
        yield running


@pytest.fixture
def connect():
    def make(credentials, **named):
        base_url = credentials.base_url if credentials else EMULATOR_NAME
        return Connection(
            credentials,
            Settings(model_deadline_s=1.0),
            ScaledClock(),
            service=Service(base_url=base_url),
            **named,
        )

    return make


async def test_a_table_is_asked_for_from_a_thread(emulator, connect):
    credentials = Credentials(key="k", secret="s", base_url=emulator.base_url)
    async with connect(credentials) as connection:
        schema = await anyio.to_thread.run_sync(connection.catalog.find, WAN)

    assert schema.source == "live"


async def test_a_run_under_way_asks_for_no_table_and_uses_what_is_known(connect):
    """As when a job of a model is recovered that the manifest no longer names."""
    async with connect(ELSEWHERE) as connection:
        schema = connection.catalog.find(WAN)
        unknown = connection.catalog.find("model_nobody-has")

    assert schema == load_shipped_model(WAN)
    assert unknown is None
    assert "a run in progress does not read" in connection.catalog.notes[0]


async def test_a_service_that_is_away_costs_a_moment_and_no_error(connect):
    async with connect(ELSEWHERE) as connection:
        schema = await anyio.to_thread.run_sync(connection.catalog.find, WAN)

    assert schema.source == "shipped"
    assert len(connection.catalog.notes) == 1


async def test_offline_nothing_is_opened(connect):
    async with connect(ELSEWHERE, offline=True) as connection:
        schema = await anyio.to_thread.run_sync(connection.catalog.find, WAN)

    assert schema.source == "shipped"
    assert "the service was not asked" in connection.catalog.notes[0]


async def test_the_emulator_s_tables_are_known_without_starting_it(connect):
    async with connect(None) as connection:
        schema = connection.catalog.find(WAN)

    assert schema.source == "live"
    assert connection.catalog.find("model_nobody-has") is None


async def test_a_service_is_opened_once(emulator, connect):
    credentials = Credentials(key="k", secret="s", base_url=emulator.base_url)
    async with connect(credentials) as connection:
        assert await connection.open() is await connection.open()


def test_without_credentials_the_shipped_tables_are_what_is_known(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)

    with pytest.raises(UsageError):
        service_of({}, emulate=False)

    schema = offline_catalog(FakeClock(), {}).find(WAN)
    assert schema is not None
    assert schema.source == "shipped"
    assert not list(Path(tmp_path).iterdir())
