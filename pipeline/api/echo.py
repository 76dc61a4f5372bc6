"""Inputs as sent ↔ inputs as the service echoes them in ``metadata.input``. Pure.

The echo may add ``modelId``, defaults and a seed, turn numbers into text, and archive
texts as assets. It is used to rank the jobs that a lost submit may have made, and to
notice a dropped reference.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from pipeline.api.interface import ARCHIVED_TEXT
from pipeline.job import JsonValue

# The inputs that distinguish items weigh more than all others.
_WEIGHTS = {"seed": 30, "prompt": 30, "text": 30}
_WEIGHT = 1
_LONGEST_EXACT = 20  # a prefix of this many characters may stand for the whole text


class Agreement(NamedTuple):
    """How far an echo agrees with what was sent.

    Attributes:
        score: The weights of the inputs that agree; higher is better.
        contradicted: Inputs whose echoed value differs, and not in a way that the
            service is known to change them.
        has_seed: Whether the echo has the seed that was sent.
        is_another: Whether seed and text, as far as they were sent, are all echoed and
            all contradicted: then the job belongs to another item.
    """

    score: int
    contradicted: frozenset[str]
    has_seed: bool
    is_another: bool = False

    def fits(self, *, derived_seed: bool) -> bool:
        """Whether the job may be the one that was submitted.

        Only one item has a given derived seed. With it, only the prompt can distinguish
        the item's requests, and other differences are made by the service.
        """
        if derived_seed and self.has_seed:
            return self.contradicted.isdisjoint(_WEIGHTS)
        return not self.contradicted


class Habits:
    """How the service changes inputs, learned from jobs that are known to be ours."""

    def __init__(self) -> None:
        self._changed: Counter[str] = Counter()

    def note(
        self, sent: Mapping[str, JsonValue], echo: Mapping[str, JsonValue]
    ) -> None:
        """Learn from one of our jobs which inputs come back changed."""
        for name, value in sent.items():
            if name in echo and not _is_echo_of(value, echo[name]):
                self._changed[name] += 1

    def changes(self, name: str) -> bool:
        """Whether this input has come back changed before."""
        return self._changed[name] > 0

    def rules_out(
        self, sent: Mapping[str, JsonValue], echo: Mapping[str, JsonValue]
    ) -> bool:
        """Whether the seed alone shows that :meth:`Agreement.fits` is False."""
        return (
            "seed" in sent
            and "seed" in echo
            and not self.changes("seed")
            and not same_value(sent["seed"], echo["seed"])
        )

    def compare(
        self, sent: Mapping[str, JsonValue], echo: Mapping[str, JsonValue]
    ) -> Agreement:
        """Compare an echo with what was sent."""
        score = 0
        contradicted = set()
        has_seed = False
        for name, value in sent.items():
            if name not in echo or is_archived(value, echo[name]):
                continue
            weight = _WEIGHTS.get(name, _WEIGHT)
            if same_value(value, echo[name]):
                score += weight
                has_seed = has_seed or name == "seed"
            elif _is_echo_of(value, echo[name]):
                score += weight // 2
            elif not self.changes(name):
                contradicted.add(name)
        telling = sent.keys() & _WEIGHTS.keys()
        is_another = bool(telling) and telling <= contradicted
        return Agreement(score, frozenset(contradicted), has_seed, is_another)


def is_archived(sent: object, echoed: object) -> bool:
    """Whether the service replaced a text that was sent by the id of a text asset.

    Source: Scenario API sheet, section 17.1. Such a text is unknown, not different.
    """
    return (
        isinstance(sent, str)
        and isinstance(echoed, str)
        and not ARCHIVED_TEXT.fullmatch(sent)
        and ARCHIVED_TEXT.fullmatch(echoed) is not None
    )


def same_value(ours: object, theirs: object) -> bool:
    """Whether an echoed value equals ours: ``7``, ``7.0`` and ``"7"`` are equal."""
    if isinstance(ours, bool) or isinstance(theirs, bool):
        return ours is theirs
    if isinstance(ours, int | float) and isinstance(theirs, int | float | str):
        try:
            return float(ours) == float(theirs)
        except (ValueError, OverflowError):
            return False
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(same_value, ours, theirs))
    return ours == theirs


def _is_echo_of(sent: object, echoed: object) -> bool:
    """Whether a value is what was sent, possibly trimmed, cut off or normalised."""
    if same_value(sent, echoed) or is_archived(sent, echoed):
        return True
    if not (isinstance(sent, str) and isinstance(echoed, str)):
        return False
    ours, theirs = _plain(sent), _plain(echoed)
    if not ours or not theirs:
        return False
    return ours == theirs or (len(theirs) >= _LONGEST_EXACT and ours.startswith(theirs))


@lru_cache(maxsize=2048)  # each text is compared with many others
def _plain(text: str) -> str:
    """A text without what services may change: case, spacing, composition, signs."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    # Sizes are spelled 1024*1024, 1024x1024, or with the sign for multiplication.
    folded = re.sub(r"(?<=\d)\s*[*x\u00d7]\s*(?=\d)", "*", folded)
    return re.sub(r"[^\w*]+", " ", folded).strip()


def describe_difference(difference: Mapping[str, JsonValue]) -> str:
    """A sentence on what ``echo_difference`` found: what was dropped or changed."""
    dropped = sorted(name for name, value in difference.items() if value is None)
    changed = sorted(name for name in difference if name not in dropped)
    parts = []
    if dropped:
        parts.append(f"dropped {' and '.join(dropped)}")
    if changed:
        shown = (f"{name} to {str(difference[name])[:80]!r}" for name in changed)
        parts.append(f"changed {' and '.join(shown)}")
    return f"the service {' and '.join(parts)}; the job was charged anyway"


def echo_difference(
    sent: Mapping[str, JsonValue], echo: Mapping[str, JsonValue]
) -> dict[str, JsonValue] | None:
    """How the echo differs from what was sent; None if there is no echo.

    Returns:
        By input name: the echoed value, or None if the input was dropped.
    """
    if not echo:
        return None
    return {
        name: echo.get(name)
        for name, value in sent.items()
        if not same_value(value, echo.get(name))
        and not is_archived(value, echo.get(name))
    }
