"""How messages word values and suggestions. Pure."""

import json
from collections.abc import Sequence
from difflib import SequenceMatcher, get_close_matches

from pipeline.job import ItemOutput, ParamValue, ReferenceAsset
from pipeline.redaction import SECRETS
from pipeline.storage.near_names import describe_spelling, find_same
from pipeline.visible import visible

_TYPO_SIMILARITY = 0.96  # of two ids of 20 letters, of which one has one more
_ONE_SLIP_IN_SHORT_IDS = 0.8


def suggestion(word: str, known: Sequence[str]) -> str:
    """A hint with the closest known word, or else a list of some; "" if none exist."""
    if same := find_same(word, known):
        return f"did you mean '{same}'? {describe_spelling(same, word)}"
    lowered = {name.lower(): name for name in reversed(known)}
    matches = get_close_matches(word.lower(), list(lowered), n=1, cutoff=0.6)
    if matches:
        return f"did you mean '{lowered[matches[0]]}'?"
    if not known:
        return ""
    shown = ", ".join(known[:12]) + (", …" if len(known) > 12 else "")  # noqa: PLR2004 - a line's worth
    return f"known: {shown}"


def find_misspelt(word: str, known: Sequence[str]) -> list[str]:
    """The known ids of which ``word`` is a misspelling, the closest first.

    Only one typing error counts: a letter missing, added, wrong, or swapped with the
    next. Digits mark versions, so an id with another digit is another id.
    """
    near = get_close_matches(word, known, 3, _ONE_SLIP_IN_SHORT_IDS)
    return [one for one in near if _is_one_slip(word, one)]


def _is_one_slip(word: str, known: str) -> bool:
    if SequenceMatcher(None, known, word).ratio() >= _TYPO_SIMILARITY:
        return True
    wrong = [
        at
        for at, pair in enumerate(zip(word, known, strict=False))
        if pair[0] != pair[1]
    ]
    if len(word) != len(known) or any((word[at] + known[at]).isdigit() for at in wrong):
        return False
    if len(wrong) == 2:  # noqa: PLR2004 - a pair
        first, second = wrong
        return (
            second == first + 1
            and word[first] + word[second] == known[second] + known[first]
        )
    return len(wrong) == 1


def described(value: ParamValue) -> str:
    """The kind of value; for text and numbers also the value itself."""
    if isinstance(value, ReferenceAsset | ItemOutput):
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
    """A value for use in a message: short, and quoted if it is text."""
    text = SECRETS.clean(plain(value))  # before cutting: half a secret is still one
    text = text if len(text) <= 60 else text[:57] + "…"  # noqa: PLR2004 - a message is one line
    text = visible(text)
    return f"'{text}'" if isinstance(value, str) else text
