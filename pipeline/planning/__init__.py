"""What will happen, before any effect: Items and ledger → Plan, with reasons.

``decision`` says what to do with one item, and why; ``plan`` does so for all items that
``selection`` includes; ``inputs`` works out what is sent for an item.
"""

from pipeline.planning.decision import MAY_BE_PAID, Action, Decision, decide
from pipeline.planning.plan import Orphan, Plan, PlannedItem, make_plan
from pipeline.planning.selection import Selection

__all__ = [
    "MAY_BE_PAID",
    "Action",
    "Decision",
    "Orphan",
    "Plan",
    "PlannedItem",
    "Selection",
    "decide",
    "make_plan",
]
