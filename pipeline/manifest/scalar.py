"""Text without quotes → null, boolean, number or text, by YAML 1.2's core schema.

Stricter where a difference between YAML 1.1 and 1.2 could cost money: ``no``, ``yes``,
``on`` and ``off`` are text, ``1e3`` is a number, and ``012`` is rejected (10 in YAML
1.1, 12 in 1.2). Dates, ``1_000`` and ``12:30`` are text.
"""

import re

from pipeline.manifest.faults import Faults
from pipeline.manifest.node import BROKEN, Node

_MAX_INTEGER = 2**63 - 1
_MAX_DIGITS = 40

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NUMBER_START = frozenset("0123456789+-.")
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_OCTAL_LOOKING = re.compile(r"[-+]?0[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?")
_BASED = re.compile(r"0x[0-9a-fA-F]+|0o[0-7]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


def plain_scalar(text: str, mark: int, faults: Faults) -> Node:
    """The node of an unquoted scalar; BROKEN and a fault if the value is unusable."""
    if text in _NULLS:
        return Node(None, mark)
    if text[0] in _NUMBER_START:
        return _number(text, mark, faults)
    return Node(_BOOLEANS.get(text, text), mark)


def _number(text: str, mark: int, faults: Faults) -> Node:
    if _OCTAL_LOOKING.fullmatch(text):
        plain = re.sub(r"^([-+]?)0+(?=[0-9])", r"\1", text)
        hint = f'write {plain} for the number or "{text}" for the text'
        faults.add(mark, f"{text} is ambiguous", hint)
        return Node(BROKEN, mark)
    if _INTEGER.fullmatch(text) or _BASED.fullmatch(text):
        # Python refuses to convert thousands of digits; nobody needs them.
        value = int(text, 0) if len(text) < _MAX_DIGITS else _MAX_INTEGER + 1
        if abs(value) <= _MAX_INTEGER:
            return Node(value, mark, text)
    elif _FLOAT.fullmatch(text):
        number = float(text)
        if abs(number) != float("inf"):
            return Node(number, mark, text)
    elif not _NOT_FINITE.fullmatch(text):
        return Node(text, mark)
    shown = text if len(text) < _MAX_DIGITS else text[:_MAX_DIGITS] + "…"
    hint = "put it in quotes if it is text"
    faults.add(mark, f"{shown} is not a number that can be sent", hint)
    return Node(BROKEN, mark)
