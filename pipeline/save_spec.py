"""How the files of an item are saved: ``save:``, ``embed:`` and ``checks:``. Pure data.

``manifest`` reads them, ``assets`` carries them out, and a *recipe*, the one text form
of a SaveSpec, is what ledger, sidecar and lock file remember.
"""

import json
from collections.abc import Iterable, Mapping
from enum import StrEnum

from pipeline.record import Struct, asdict

FORMATS = ("png", "webp", "jpeg", "avif")
LOSSY_FORMATS = frozenset({"webp", "jpeg", "avif"})
MAX_EDGE_PX = 16_383  # WebP's own limit, the lowest of the formats
_NAMES_SHOWN = 3


class Fit(StrEnum):
    """How a picture is made to fit the box of ``resize``."""

    CONTAIN = "contain"  # all of it, inside the box; never enlarged
    COVER = "cover"  # the shape of the box, what stands out is cut off; never enlarged
    FILL = "fill"  # exactly the box, stretched
    PAD = "pad"  # all of it, with borders up to exactly the box


class SaveSpec(Struct, frozen=True, kw_only=True):
    """What is done with a picture before it is saved; by default nothing.

    Attributes:
        format: One of ``FORMATS``; "" to keep that of the original.
        quality: 1 to 100, of a lossy format; None for the default.
        resize: Width and height in pixels of the box that it has to fit, or None.
        fit: How it is made to fit the box.
        trim: Cut away borders that are transparent or of one colour.
        max_bytes: The most bytes that the file may have, or None.
        embed: Write into the file how it was made.
    """

    format: str = ""
    quality: int | None = None
    resize: tuple[int, int] | None = None
    fit: Fit = Fit.CONTAIN
    trim: bool = False
    max_bytes: int | None = None
    embed: bool = False

    @property
    def recipe(self) -> str:
        """JSON of everything that is not the default; "" if nothing is done."""
        values = _without_defaults(self)
        return json.dumps(values, sort_keys=True) if values else ""


class CheckSpec(Struct, frozen=True, kw_only=True):
    """What a saved picture is checked for; by default nothing.

    Attributes:
        alpha: It has transparency that is used.
        not_blank: It shows something.
        min_px: The least pixels of its shorter edge, or None.
        similar_to_another: The likeness, above 0 and at most 1, from which on it is too
            similar to the picture of another item; or None.
    """

    alpha: bool = False
    not_blank: bool = False
    min_px: int | None = None
    similar_to_another: float | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is checked."""
        return self == CheckSpec()


class Saving(Struct, frozen=True, kw_only=True):
    """How the files of an item are saved and checked."""

    save: SaveSpec = SaveSpec()
    checks: CheckSpec = CheckSpec()


class CheckResult(Struct, frozen=True, kw_only=True):
    """What one check found.

    Attributes:
        name: The key under ``checks``; ``max_bytes`` or ``save`` if saving itself could
            not do what it should.
        why: Why a person has to look at the file; "" if the check passed.
    """

    name: str
    why: str = ""


def find_open(checks: Iterable[CheckResult]) -> str:
    """Why a file needs review, such as ``alpha: it has no transparency``; or ""."""
    return "; ".join(f"{one.name}: {one.why}" for one in checks if one.why)


def describe_change(before: str, now: str) -> str:
    """Which keys differ between two recipes: ``format and quality``."""
    old, new = parse_recipe(before), parse_recipe(now)
    names = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
    shown = names[:_NAMES_SHOWN]
    if len(names) > _NAMES_SHOWN:
        shown[-1:] = [f"{len(names) - _NAMES_SHOWN + 1} more"]
    *first, last = shown or ["nothing"]
    return f"{', '.join(first)} and {last}" if first else last


def parse_recipe(recipe: str) -> Mapping[str, object]:
    """The keys and values of a recipe; empty if it cannot be read."""
    try:
        values = json.loads(recipe or "{}")
    except ValueError:
        return {}
    return values if isinstance(values, dict) else {}


def _without_defaults(spec: SaveSpec) -> dict[str, object]:
    default = asdict(SaveSpec())
    return {
        name: value for name, value in asdict(spec).items() if value != default[name]
    }
