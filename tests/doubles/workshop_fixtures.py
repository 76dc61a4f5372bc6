"""A workshop on a clock that the test holds, a style reference and the lock file."""

from pathlib import Path

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


@pytest.fixture
def lock_file(workshop: Workshop) -> Path:
    return workshop.folder / "icons.yaml.lock"
