"""WHAT WILL HAPPEN, before any effect: Items and ledger → Plan, with reasons.

``decision`` says what is to be done with one item and why; ``plan`` says it of all that
``selection`` leaves; ``inputs`` has what is sent for one.
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
