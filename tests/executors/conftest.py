from doubles.service_fixtures import api, clock, finish, transfer  # noqa: F401
from doubles.watched_loop import pytest_asyncio_loop_factories  # noqa: F401 - hook
from doubles.workers import dask_address  # noqa: F401
