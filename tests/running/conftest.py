"""Fixtures: a workshop, and the style reference that some manifests use."""

import pytest
from doubles.api import QuickClock, png_bytes
from doubles.workshop import Workshop


@pytest.fixture
async def workshop(tmp_path):
    clock = QuickClock()
    async with clock.watching_threads():
        yield Workshop(tmp_path, clock)


@pytest.fixture
def style() -> bytes:
    return png_bytes("purple", 16, 16)
