"""Connection: opened when first needed; tables are asked for from threads alone."""

from pathlib import Path

import anyio.to_thread
import pytest
from doubles.clock import FakeClock, ScaledClock

from pipeline.emulator import Emulator
from pipeline.emulator.profile import EmulatorProfile
from pipeline.errors import (
    AccessDenied,
    Rejected,
    Unavailable,
    UnexpectedAnswer,
    UsageError,
)
from pipeline.models.record import load_shipped_model
from pipeline.operations.connection import (
    Connection,
    offline_catalog,
    service_of,
    wrong_address,
)
from pipeline.settings import (
    DEFAULT_BASE_URL,
    EMULATOR_NAME,
    Credentials,
    Service,
    Settings,
)

HOST = "https://api.cloud.scenario.com"
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


@pytest.mark.parametrize(
    ("base_url", "error", "meant"),
    [
        (HOST, Rejected("no such path", status=404), DEFAULT_BASE_URL),
        (HOST, AccessDenied("no such path", status=403), DEFAULT_BASE_URL),
        (HOST, UnexpectedAnswer("a page"), DEFAULT_BASE_URL),
        ("https://a.example", UnexpectedAnswer("a page"), "https://a.example/v1"),
        ("https://a.example/v1", UnexpectedAnswer("a page"), DEFAULT_BASE_URL),
    ],
)
def test_an_address_that_is_not_the_api_s_is_named_with_the_right_one(
    base_url, error, meant
):
    wrong = wrong_address(base_url, error)

    assert wrong is not None
    assert base_url in wrong.message
    assert wrong.hint.endswith(meant)


@pytest.mark.parametrize(
    ("base_url", "error"),
    [
        (DEFAULT_BASE_URL, AccessDenied("wrong key", status=401)),
        ("https://a.example", AccessDenied("wrong key", status=401)),
        (HOST, Unavailable("no answer")),
        (HOST, Rejected("what is this", status=400)),
    ],
)
def test_other_troubles_are_not_laid_to_the_address(base_url, error):
    assert wrong_address(base_url, error) is None


def test_a_dotenv_that_cannot_be_read_matters_without_keys_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_bytes("A=1".encode("utf-16"))
    keys = {"SCENARIO_SDK_API_KEY": "k", "SCENARIO_SDK_API_SECRET": "s"}

    with pytest.raises(UsageError, match="cannot be read"):
        service_of({}, emulate=False)

    assert service_of(keys, emulate=False)[0].base_url == DEFAULT_BASE_URL


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
