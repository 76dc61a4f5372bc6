"""A plan → Markdown for GitHub: what a change of a manifest would make, and its price.

Pure. For a comment on a pull request, and for the summary of a step.
"""

from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal

from pipeline.counting import items_and_jobs, plural
from pipeline.record import Struct, field
from pipeline.report.markdown import code, table, thumbnail

PLAN_MARK = "<!-- scenario-pipeline plan -->"  # by which a workflow finds its comment
COMMENT_BYTES = 60_000  # GitHub takes 65,536 characters
_ROWS = 200
_PICTURES = 60
_SIGNS = {
    ">": "rename",
    "+": "new",
    "&": "wait",
    "~": "changed",
    "!": "settle",
    "*": "collect",
    "<": "fetch",
    "?": "ask",
}


class PlanRow(Struct, frozen=True, kw_only=True):
    """What would be done with one take or step of an item.

    Attributes:
        item_id: As in the plan.
        base: The item as the user wrote it, or "" if that is the same.
        sign: Its sign in the plan.
        reason: Why.
        units: Its price, or None if it has none.
        pictures: Paths of its last file, or of what it is made from.
    """

    item_id: str
    base: str = ""
    sign: str
    reason: str = ""
    units: Decimal | None = None
    pictures: tuple[str, ...] = ()

    @property
    def essence(self) -> tuple[str, str, Decimal | None]:
        """What is compared with another plan."""
        return self.sign, self.reason, self.units


class PlanTotals(Struct, frozen=True, kw_only=True):
    """A whole plan, of which only what is to be done is listed.

    Attributes:
        rows: Items that are neither done nor left out, by id.
        units: What all of them cost at most, or None if nobody was asked.
        orphans: Items with files that are no longer in the manifest.
        problems: Why there is no price, in sentences.
    """

    rows: Mapping[str, PlanRow] = field(default_factory=dict)
    units: Decimal | None = None
    orphans: int = 0
    problems: tuple[str, ...] = ()


def plan_lines(
    plan: PlanTotals,
    base: PlanTotals | None,
    *,
    name: str,
    summary: str,
    urls: Mapping[str, str],
) -> Iterator[str]:
    """The lines of the comment or summary.

    Args:
        plan: The plan.
        base: The plan before the change, or None to show all.
        name: The manifest's name.
        summary: The plan's last line, as a person reads it.
        urls: Addresses of pictures by their paths; others are not shown.
    """
    before = base.rows if base is not None else {}
    changed = [
        row
        for row in plan.rows.values()
        if row.item_id not in before or before[row.item_id].essence != row.essence
    ]
    yield PLAN_MARK
    yield f"### {code(name)}: {_headline(plan, base, _counted(changed))}"
    yield ""
    yield code(summary)
    yield ""
    for problem in plan.problems[:3]:
        yield f"- {code(problem)}"
    if plan.problems:
        yield ""
    yield from _table(changed, urls)
    if len(changed) < len(plan.rows):
        shown = {row.item_id for row in changed}
        rest = [row for row in plan.rows.values() if row.item_id not in shown]
        yield f"{_counted(rest)} to do without this change too."
        yield ""
    if base is not None and plan.orphans > base.orphans:
        count = plural(plan.orphans - base.orphans, "item")
        yield f"{count} no longer in the manifest."
        yield ""


def _headline(plan: PlanTotals, base: PlanTotals | None, counted: str) -> str:
    if base is None:
        if plan.units is None:
            return f"{counted}, price not known"
        return f"{counted}, {_units(plan.units)}"
    if plan.units is None or base.units is None:
        return f"this change concerns {counted}, price not known"
    more = plan.units - base.units
    if not more:
        return f"this change concerns {counted} and costs nothing"
    if more < 0:
        return f"this change concerns {counted} and saves {_units(-more)}"
    return f"this change concerns {counted} and costs {_units(more)}"


def _table(rows: list[PlanRow], urls: Mapping[str, str]) -> Iterator[str]:
    if not rows:
        return
    left = _PICTURES
    cells: list[list[str]] = []
    for row in rows[:_ROWS]:
        known = [urls[path] for path in row.pictures if path in urls]
        pictures = known[: min(left, 2)]
        left -= len(pictures)
        what = _SIGNS.get(row.sign, "")
        units = "" if row.units is None else f"{row.units:f}"
        shown = " ".join(map(thumbnail, pictures))
        cells.append([what, code(row.item_id), code(row.reason), units, shown])
    head = ["", "Item", "Why", "Units", "Before, or made from"]
    columns = len(head) if any(row[-1] for row in cells) else len(head) - 1
    yield from table(head[:columns], (row[:columns] for row in cells))
    if len(rows) > _ROWS:
        yield ""
        yield f"… and {len(rows) - _ROWS:,} more"
    yield ""


def _counted(rows: Collection[PlanRow]) -> str:
    return items_and_jobs(len({row.base or row.item_id for row in rows}), len(rows))


def _units(units: Decimal) -> str:
    return plural(units, "unit")
