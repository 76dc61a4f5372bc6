"""Outcomes: how the items of a run stand at its end, for the reports to CI. Pure."""

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal

from pipeline.record import Struct, field

# Of an item that a person has to act on, the worst first.
TROUBLES = ("unknown", "failed", "blocked", "not_fetched", "in_flight")
# How items stand, in the words that the gallery has too: see ``format.js``.
WORDS = {
    "unknown": "unsure",
    "failed": "failed",
    "blocked": "blocked",
    "not_fetched": "made but not fetched",
    "in_flight": "in flight",
    "not_submitted": "not submitted",
    "saved": "saved",
}
_KEPT = 500  # of each kind, for what is read by people


class Place(Struct, frozen=True, kw_only=True):
    """Where the user wrote something.

    Attributes:
        file: The path relative to the repository, or as given if it is outside.
        line: The line from 1, or 0 for the whole file.
        column: The column from 1, or 0 if only the line is known.
        is_inside: Whether the file is in the repository.
    """

    file: str
    line: int = 0
    column: int = 0
    is_inside: bool = True

    def __str__(self) -> str:
        numbers = [str(one) for one in (self.line, self.column) if one]
        return ":".join([self.file, *numbers])


class ItemOutcome(Struct, frozen=True, kw_only=True):
    """How one item stands.

    Attributes:
        item_id: As the user wrote it.
        status: ``saved``, ``failed``, ``blocked``, ``unknown``, ``in_flight``,
            ``not_fetched`` or ``not_submitted``.
        reason: Why it is not saved, or "".
        hint: The next step, or "".
        kind: The class of the failure, or "".
        place: Where it is written.
        model: The service's id of its model.
        charged: Compute units of all its attempts, less refunds.
        attempts: How many times it was submitted.
        made_s: Seconds for which the service worked on its newest attempt.
        is_new: Whether its newest attempt ended in this run.
        files: Their paths relative to the output folder.
        review: Why a person has to look at them, or "".
        pictures: Paths of the files that it was made from.
    """

    item_id: str
    status: str
    reason: str = ""
    hint: str = ""
    kind: str = ""
    place: Place
    model: str = ""
    charged: Decimal = Decimal(0)
    attempts: int = 0
    made_s: float = 0.0
    is_new: bool = False
    files: tuple[str, ...] = ()
    review: str = ""
    pictures: tuple[str, ...] = ()


class Problem(Struct, frozen=True, kw_only=True):
    """What ended or stopped a run: an error, or a fault of the manifest.

    Attributes:
        message: What is wrong.
        hint: The next step, or "".
        place: Where, or None if it is about no place in a file.
    """

    message: str
    hint: str = ""
    place: Place | None = None


class Outcomes(Struct, kw_only=True):
    """The items of a run, counted; the worst of them are kept.

    Attributes:
        counts: Items by status.
        problems: What ended or stopped the run.
        troubled: By status of ``TROUBLES``: the first items, in the manifest's order.
        reviews: The first items that a person has to look at.
        made: The first items that this run has made.
        made_count: How many it has made.
        review_count: How many a person has to look at.
    """

    counts: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    troubled: dict[str, list[ItemOutcome]] = field(default_factory=dict)
    reviews: list[ItemOutcome] = field(default_factory=list)
    made: list[ItemOutcome] = field(default_factory=list)
    made_count: int = 0
    review_count: int = 0

    def add(self, outcome: ItemOutcome) -> None:
        """Count an item, and keep it if it is among the first of its kind."""
        self.counts[outcome.status] += 1
        if outcome.status in TROUBLES:
            _keep(self.troubled.setdefault(outcome.status, []), outcome)
        if outcome.review:
            self.review_count += 1
            _keep(self.reviews, outcome)
        if outcome.is_new and outcome.status == "saved":
            self.made_count += 1
            _keep(self.made, outcome)

    @property
    def worst(self) -> Iterable[ItemOutcome]:
        """The troubled items that were kept, the worst first."""
        return (one for status in TROUBLES for one in self.troubled.get(status, ()))


def _keep(kept: list[ItemOutcome], outcome: ItemOutcome) -> None:
    if len(kept) < _KEPT:
        kept.append(outcome)
