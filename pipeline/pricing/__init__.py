"""What a plan costs before it is paid for: items → quotes → Cost; and the budget.

``groups`` groups the items with the same price, ``quotes`` asks the service for each
price once, ``cost`` adds them up, ``budget`` limits spending, ``limits`` makes the
first contact with the service, and ``saved_plan`` saves a plan for a later run.
"""

from pipeline.pricing.budget import Budget
from pipeline.pricing.cost import Cost, Estimate, asking_prices, find_cost
from pipeline.pricing.groups import CostGroups
from pipeline.pricing.limits import check_project, find_limits, find_project
from pipeline.pricing.quotes import Quotes

__all__ = [
    "Budget",
    "Cost",
    "CostGroups",
    "Estimate",
    "Quotes",
    "asking_prices",
    "check_project",
    "find_cost",
    "find_limits",
    "find_project",
]
