from doubles.watched_loop import pytest_asyncio_loop_factories  # noqa: F401 - hook
