"""HttpApi: an emulator in another process is believed on this machine alone."""

import pytest

from pipeline.api.client import EMULATOR_HEADER, HttpApi
from pipeline.emulator import Emulator
from pipeline.job import RemoteId
from pipeline.settings import Credentials, Settings


@pytest.mark.parametrize(
    ("base_url", "is_emulator"),
    [
        ("http://127.0.0.1:8765/v1", True),
        ("http://localhost:8765/v1", True),
        ("http://[::1]:8765/v1", True),
        ("https://api.cloud.scenario.com/v1", False),
        ("https://10.0.0.7/v1", False),
        ("https://127.0.0.1.example/v1", False),
    ],
)
async def test_only_a_service_on_this_machine_may_say_that_it_is_the_emulator(
    answers, clock, base_url, is_emulator
):
    answers.get(
        f"{base_url}/teams", payload={"teams": []}, headers={EMULATOR_HEADER: "1"}
    )
    credentials = Credentials(key="k", secret="s", base_url=base_url)
    async with HttpApi(credentials, Settings(), clock) as api:
        await api.find_limits()

        assert api.is_emulator is is_emulator


async def test_a_service_on_this_machine_that_says_nothing_is_no_emulator(
    answers, clock
):
    answers.get("http://127.0.0.1:8765/v1/teams", payload={"teams": []})
    credentials = Credentials(key="k", secret="s", base_url="http://127.0.0.1:8765/v1")
    async with HttpApi(credentials, Settings(), clock) as api:
        await api.find_limits()

        assert not api.is_emulator


async def test_our_emulator_says_so_even_when_it_refuses(clock):
    async with Emulator() as emulator:
        credentials = Credentials(key="k", secret="s", base_url=emulator.base_url)
        async with HttpApi(credentials, Settings(), clock) as api:
            assert await api.find_job(RemoteId("job_unknown")) is None

            assert api.is_emulator
