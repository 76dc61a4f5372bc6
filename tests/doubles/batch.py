"""Ten items of one price."""

from decimal import Decimal

import pytest

NAMES = [f"tree-{number}" for number in range(10)]


@pytest.fixture
def batch(workshop):
    """Ten items of 3 units each, and room for all of them at once."""
    workshop.write_items(*NAMES)
    workshop.api.price = Decimal(3)
    workshop.api.readable_ceiling = 50
    return workshop
