"""Inputs as sent ↔ inputs as the service echoes them in ``metadata.input``. Pure.

The echo may add ``modelId``, defaults and a seed, turn numbers into text, and archive
texts as assets. It ranks the jobs that a lost submit may have made, and is how a
dropped reference shows.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from pipeline.job import JsonValue

_TEXT_ASSET = re.compile(r"asset_[A-Za-z0-9_-]{1,250}")
# What tells one item from another, before all else that is sent.
_WEIGHTS = {"seed": 30, "prompt": 30, "text": 30}
_WEIGHT = 1
_LONGEST_EXACT = 20  # characters from which a beginning stands for a whole text


class Agreement(NamedTuple):
    """How far an echo agrees with what was sent.

    Attributes:
        score: The weights of the inputs that agree; higher is better.
        contradicted: Inputs that the echo shows with a value that the service is not
            known to have made of ours.
        has_seed: Whether the seed that was sent is echoed.
        is_another: Whether seed and text are both shown, as far as they were sent, and
            both contradicted: what tells one item from another is another item's.
    """

    score: int
    contradicted: frozenset[str]
    has_seed: bool
    is_another: bool = False

    def fits(self, *, derived_seed: bool) -> bool:
        """Whether the job may be taken for the one that was asked for.

        A derived seed is one that only the item has: with it, the prompt alone can
        tell its requests apart, and other differences are the service's doing.
        """
        if derived_seed and self.has_seed:
            return self.contradicted.isdisjoint(_WEIGHTS)
        return not self.contradicted


class Habits:
    """What the service does to inputs, learned from jobs that are known to be ours."""

    def __init__(self) -> None:
        self._changed: Counter[str] = Counter()

    def note(
        self, sent: Mapping[str, JsonValue], echo: Mapping[str, JsonValue]
    ) -> None:
        """Learn from a job of ours: which of its inputs come back changed."""
        for name, value in sent.items():
            if name in echo and not _is_echo_of(value, echo[name]):
                self._changed[name] += 1

    def changes(self, name: str) -> bool:
        """Whether this input was seen to come back changed."""
        return self._changed[name] > 0

    def rules_out(
        self, sent: Mapping[str, JsonValue], echo: Mapping[str, JsonValue]
    ) -> bool:
        """Whether the seed alone says that :meth:`Agreement.fits` does not hold."""
        return (
            "seed" in sent
            and "seed" in echo
            and not self.changes("seed")
            and not same_value(sent["seed"], echo["seed"])
        )

    def compare(
        self, sent: Mapping[str, JsonValue], echo: Mapping[str, JsonValue]
    ) -> Agreement:
        """Hold an echo against what was sent."""
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
    """Whether the service shows a text that was sent as the id of a text asset.

    Source: scenario API sheet, section 17.1. Such a text is unknown, not different.
    """
    return (
        isinstance(sent, str)
        and isinstance(echoed, str)
        and not _TEXT_ASSET.fullmatch(sent)
        and _TEXT_ASSET.fullmatch(echoed) is not None
    )


def same_value(ours: object, theirs: object) -> bool:
    """Equality that a service's echo deserves: ``7``, ``7.0`` and ``"7"`` are one."""
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
    """Whether a value is what was sent, perhaps trimmed, cut or normalised."""
    if same_value(sent, echoed) or is_archived(sent, echoed):
        return True
    if not (isinstance(sent, str) and isinstance(echoed, str)):
        return False
    ours, theirs = _plain(sent), _plain(echoed)
    if not ours or not theirs:
        return False
    return ours == theirs or (len(theirs) >= _LONGEST_EXACT and ours.startswith(theirs))


@lru_cache(maxsize=2048)  # each text is held against many others
def _plain(text: str) -> str:
    """A text without what services do to it: case, spacing, composition, signs."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    # Sizes are spelled 1024*1024, 1024x1024, or with the sign for multiplication.
    folded = re.sub(r"(?<=\d)\s*[*x\u00d7]\s*(?=\d)", "*", folded)
    return re.sub(r"[^\w*]+", " ", folded).strip()


def describe_difference(difference: Mapping[str, JsonValue]) -> str:
    """A sentence on what ``echo_difference`` found: dropped, or changed to what."""
    dropped = sorted(name for name, value in difference.items() if value is None)
    changed = sorted(name for name in difference if name not in dropped)
    parts = []
    if dropped:
        parts.append(f"dropped {' and '.join(dropped)}")
    if changed:
        shown = (f"{name} to {str(difference[name])[:80]!r}" for name in changed)
        parts.append(f"changed {' and '.join(shown)}")
    return f"the service {' and '.join(parts)}; the job was charged all the same"


def echo_difference(
    sent: Mapping[str, JsonValue], echo: Mapping[str, JsonValue]
) -> dict[str, JsonValue] | None:
    """What the echo says differently of what was sent; None where it has no echo.

    Returns:
        By input name: the echoed value, or None where the input was dropped.
    """
    if not echo:
        return None
    return {
        name: echo.get(name)
        for name, value in sent.items()
        if not same_value(value, echo.get(name))
        and not is_archived(value, echo.get(name))
    }
