"""Counts in messages: ``1 item has failed``, ``2 items have failed``. Pure."""

from decimal import Decimal


def plural(count: int | Decimal, noun: str, nouns: str = "") -> str:
    """``1 item``, ``2 items``, ``1,234.5 units``.

    Args:
        count: How many.
        noun: For one of them.
        nouns: For several of them; by default the noun with an ``s``.
    """
    number = f"{count:,f}" if isinstance(count, Decimal) else f"{count:,}"
    return f"{number} {choose(count, noun, nouns or noun + 's')}"


def choose(count: int | Decimal, one: str, several: str) -> str:
    """The words for one or for several, such as ``has`` and ``have``."""
    return one if count == 1 else several


def items_and_jobs(items: int, jobs: int) -> str:
    """``4 items``; ``4 items, 9 jobs`` where they have several takes or steps.

    Args:
        items: How many items the user wrote.
        jobs: How many takes and steps they have together.
    """
    text = plural(items, "item")
    return text if jobs == items else f"{text}, {plural(jobs, 'job')}"
