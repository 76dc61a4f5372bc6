"""--executor: what can be written, and what a worker may know."""

import os

import pytest

from pipeline.errors import UsageError
from pipeline.executors.choice import Choice, check_executor, parse_executor
from pipeline.executors.environment import without_credentials

RIGHT = {
    "": Choice(),
    "here": Choice(),
    "processes:4": Choice(processes=4),
    "processes:999": Choice(processes=256),
    "processes": Choice(processes=os.cpu_count() or 1),
    "dask:local": Choice(is_local=True),
    "dask:tcp://host:8786": Choice(scheduler="tcp://host:8786"),
    "dask:tls://[::1]:8786": Choice(scheduler="tls://[::1]:8786"),
}


@pytest.mark.parametrize("text", RIGHT)
def test_each_place_is_understood(text):
    assert parse_executor(text) == RIGHT[text]
    assert check_executor(text) == text
    assert parse_executor(text).is_here == (text in {"", "here"})


@pytest.mark.parametrize(
    "text",
    [
        "processes:0",
        "processes:x",
        "dask",
        "dask:host:8786",
        "ray:local",
        "dask:tcp://h",
    ],
)
def test_anything_else_is_one_clear_message(text):
    with pytest.raises(UsageError, match="is not known") as raised:
        parse_executor(text)

    assert "processes:4" in raised.value.hint


def test_a_password_in_an_address_is_not_repeated():
    with pytest.raises(UsageError) as raised:
        parse_executor("dask:tcp://me:secret@host:8786")

    assert "secret" not in str(raised.value)


def test_a_worker_knows_no_credential_of_scenario():
    before = {"SCENARIO_SDK_API_KEY": "k", "scenario_base_url": "u", "AWS_REGION": "r"}

    assert without_credentials(before) == {"AWS_REGION": "r"}
