"""Seeds in, reproducible randomness out; one series for each purpose."""

import random


def chance_of(*parts: object) -> random.Random:
    """The series that belongs to these parts; the same for the same parts."""
    text = ":".join(str(part) for part in parts)
    return random.Random(text)  # noqa: S311 - reproducible, and nothing is secret
