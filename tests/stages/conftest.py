from doubles.poller_post import limited, many, post  # noqa: F401 - fixtures
from doubles.service_fixtures import (  # noqa: F401 - fixtures
    api,
    clock,
    finish,
    in_background,
    settings,
    transfer,
)
from doubles.settler_desk import desk  # noqa: F401 - fixture
from doubles.watched_loop import pytest_asyncio_loop_factories  # noqa: F401 - hook
