"""What will happen, before any effect: Items and ledger → Plan, with reasons.

``decision`` says what to do with one item, and why; ``item_planner`` turns that into a
``PlannedItem``; ``plan`` does so for all items that ``selection`` includes. Items that
may be renamed, and those that use outputs of others, are planned last, by
``late_planner`` and ``line_planner``. ``inputs`` works out what is sent for an item.
"""

from pipeline.planning.decision import MAY_BE_PAID, Action, Decision, decide
from pipeline.planning.lines import Lines
from pipeline.planning.plan import Plan, make_plan
from pipeline.planning.planned import Orphan, PlannedItem
from pipeline.planning.selection import Selection

__all__ = [
    "MAY_BE_PAID",
    "Action",
    "Decision",
    "Lines",
    "Orphan",
    "Plan",
    "PlannedItem",
    "Selection",
    "decide",
    "make_plan",
]
