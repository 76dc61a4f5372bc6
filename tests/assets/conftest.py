from doubles.downloads import asset_id, download, downloader  # noqa: F401 - fixtures
from doubles.service_fixtures import (  # noqa: F401 - fixtures
    api,
    clock,
    finish,
    in_background,
    settings,
    transfer,
)
from doubles.watched_loop import pytest_asyncio_loop_factories  # noqa: F401 - hook
