from doubles.shell_fixtures import shell  # noqa: F401 - fixture
from doubles.watched_loop import pytest_asyncio_loop_factories  # noqa: F401 - hook
