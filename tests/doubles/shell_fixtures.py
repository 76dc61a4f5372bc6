"""A shell without credentials."""

import pytest

from doubles.shell import Shell


@pytest.fixture
def shell(tmp_path) -> Shell:
    """Types commands as processes of their own."""
    return Shell(tmp_path)
