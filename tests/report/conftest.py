"""Outcomes as reports get them."""

from decimal import Decimal

import pytest

from pipeline.record import replace
from pipeline.report.outcomes import ItemOutcome, Place


@pytest.fixture
def outcome():
    """Makes the outcome of an item; anything that matters is named."""

    def make(item_id="oak", status="failed", **named):
        plain = ItemOutcome(
            item_id=item_id,
            status=status,
            reason="moderated",
            hint="change the prompt",
            place=Place(file="icons.yaml", line=12),
            charged=Decimal(6),
            attempts=1,
        )
        return replace(plain, **named)

    return make
