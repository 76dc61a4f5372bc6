"""WHAT IT COSTS, before it is spent: a plan's items → quotes → Cost; and the budget.

``groups`` brings items of one price together, ``quotes`` asks the service for each
price once, ``cost`` adds up, ``budget`` holds spending to a limit.
"""

from pipeline.pricing.budget import Budget
from pipeline.pricing.cost import Cost, Estimate, find_cost
from pipeline.pricing.groups import CostGroups
from pipeline.pricing.limits import check_project, find_limits, find_project
from pipeline.pricing.quotes import Quotes

__all__ = [
    "Budget",
    "Cost",
    "CostGroups",
    "Estimate",
    "Quotes",
    "check_project",
    "find_cost",
    "find_limits",
    "find_project",
]
