"""A workshop on a clock that the test holds, and a style reference."""

import pytest

from doubles.pictures import png_bytes
from doubles.quick_clock import QuickClock
from doubles.workshop import Workshop


@pytest.fixture
def workshop(tmp_path) -> Workshop:
    return Workshop(tmp_path, QuickClock())


@pytest.fixture
def style() -> bytes:
    return png_bytes("purple", 16, 16)
