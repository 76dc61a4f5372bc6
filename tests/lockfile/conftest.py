from pathlib import Path

import pytest
from doubles.place_fixtures import command, place, place_of, use  # noqa: F401 - fixtures
from doubles.watched_loop import pytest_asyncio_loop_factories  # noqa: F401 - hook
from doubles.workshop_fixtures import lock_file, workshop  # noqa: F401 - fixtures


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "icons.yaml.lock"
