"""Guards that hold for every test: no real credentials, no address but loopback."""

import gc
import logging
import socket
import tracemalloc

import pytest
from hypothesis import HealthCheck, settings

from pipeline.api.rate_limiter_state import STATE_VARIABLE
from pipeline.models.catalog import CACHE_VARIABLE
from pipeline.redaction import SECRETS
from pipeline.settings import (
    BASE_URL_VARIABLE,
    KEY_VARIABLE,
    PROJECT_VARIABLE,
    SECRET_VARIABLE,
)

# The suite times nothing: a slow machine fails no property.
settings.register_profile(
    "suite", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("suite")


# Tests that wait for processes or for time, the longest first. One worker begins with
# them, and no worker is left with them at the end.
LONG = (
    "tests/end_to_end/test_kill.py",
    "tests/test_benchmarks.py",
    "tests/end_to_end/",
    "tests/hostile/",
)


def _place_of(item: pytest.Item) -> int:
    places = (at for at, name in enumerate(LONG) if item.nodeid.startswith(name))
    return next(places, len(LONG))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_place_of)


def pytest_sessionstart() -> None:
    gc.disable()  # all that is collected stays


def pytest_collection_finish() -> None:
    gc.enable()
    gc.freeze()


class LeftThisMachine(AssertionError):
    """A test tried to reach another machine."""


@pytest.fixture(autouse=True)
def _no_credentials(monkeypatch):
    for name in (KEY_VARIABLE, SECRET_VARIABLE, BASE_URL_VARIABLE, PROJECT_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(autouse=True)
def _no_ci(monkeypatch):
    """The suite runs in CI too, whose files are not for what it tests."""
    for name in ("GITHUB_ACTIONS", "GITLAB_CI"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _no_secrets_known(monkeypatch):
    monkeypatch.setattr(SECRETS, "_forms", ())


@pytest.fixture(autouse=True)
def _logging_as_before():
    """A command that is typed in this process configures it for good."""
    logger = logging.getLogger("pipeline")
    before = logger.propagate, logger.level, [*logger.handlers]
    yield
    logger.propagate, logger.level, logger.handlers = before


@pytest.fixture(autouse=True)
def _memory_is_traced_no_longer():
    """Or what fails while it is traced makes every later test three times as slow."""
    yield
    tracemalloc.stop()


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path_factory):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setenv(STATE_VARIABLE, str(tmp_path_factory.mktemp("state")))


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch):
    connect = socket.socket.connect

    def guarded(self, address):
        if self.family in {socket.AF_INET, socket.AF_INET6}:
            host = str(address[0])
            if host not in {"127.0.0.1", "::1", "localhost"} and not host.startswith(
                "127."
            ):
                raise LeftThisMachine(f"connection to {host}")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
