from doubles.place_fixtures import command, place, place_of, use  # noqa: F401 - fixtures
from doubles.shell_fixtures import shell  # noqa: F401 - fixture
from doubles.watched_loop import pytest_asyncio_loop_factories  # noqa: F401 - hook
from doubles.workshop_fixtures import workshop  # noqa: F401 - fixture
