"""Reads the values of inputs."""

import math


def number_of(value: object, default: float) -> float:
    """The number that an input holds.

    A closed list may hold numbers as text, such as ``5`` or ``2x``.

    Args:
        value: The value of the input, or None.
        default: The answer if the value is no finite number.
    """
    try:
        number = float(str(value).removesuffix("x"))
    except ValueError:
        return default
    return number if math.isfinite(number) else default
