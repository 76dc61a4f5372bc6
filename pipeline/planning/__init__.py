"""WHAT WILL HAPPEN, before any effect: Items and ledger → Plan, with reasons.

``decision`` says what is to be done with one item and why; ``plan`` says it of all.
"""

from pipeline.planning.decision import Action, Decision, decide
from pipeline.planning.plan import Orphan, Plan, PlannedItem, Selection, make_plan

__all__ = [
    "Action",
    "Decision",
    "Orphan",
    "Plan",
    "PlannedItem",
    "Selection",
    "decide",
    "make_plan",
]
