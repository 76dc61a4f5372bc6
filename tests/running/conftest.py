from doubles.batch import batch  # noqa: F401 - fixture
from doubles.place_fixtures import command, place, place_of, use  # noqa: F401 - fixtures
from doubles.trees import made  # noqa: F401 - fixture
from doubles.watched_loop import pytest_asyncio_loop_factories  # noqa: F401 - hook
from doubles.workshop_fixtures import style, workshop  # noqa: F401 - fixtures
