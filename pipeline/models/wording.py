"""How values and near misses are worded in messages. Pure."""

import json
from collections.abc import Sequence
from difflib import get_close_matches

from pipeline.job import ParamValue, ReferenceAsset
from pipeline.redaction import SECRETS


def suggestion(word: str, known: Sequence[str]) -> str:
    """A hint that names the nearest known word, or lists a few; "" without any."""
    lowered = {name.lower(): name for name in reversed(known)}
    matches = get_close_matches(word.lower(), list(lowered), n=1, cutoff=0.6)
    if matches:
        return f"did you mean '{lowered[matches[0]]}'?"
    if not known:
        return ""
    shown = ", ".join(known[:12]) + (", …" if len(known) > 12 else "")  # noqa: PLR2004 - a line's worth
    return f"known: {shown}"


def described(value: ParamValue) -> str:
    """What kind of value it is, and for text and numbers which."""
    if isinstance(value, ReferenceAsset):
        return "a file"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "a mapping"
    if value is None or isinstance(value, bool):
        return plain(value)
    if isinstance(value, str):
        return f"the text {shown(value)}"
    return f"the number {plain(value)}"


def plain(value: object) -> str:
    """A scalar as YAML and JSON write it."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return str(value)


def shown(value: object) -> str:
    """A value as it may stand in a message: short, and quoted when it is text."""
    text = SECRETS.clean(plain(value))  # before it is cut: half a secret is one too
    text = text if len(text) <= 60 else text[:57] + "…"  # noqa: PLR2004 - a message is one line
    text = "".join(c if c.isprintable() else "·" for c in text)
    return f"'{text}'" if isinstance(value, str) else text
