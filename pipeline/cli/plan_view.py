"""A plan and its price → lines for a person, and JSON lines.

Readable for ten items and for a hundred thousand: a few are listed with their prices,
many are counted by the manifest entry they come from.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from pipeline.cli.console.money import CuPrice, priced, units_phrase, units_text
from pipeline.cli.console.printing import find_width, print_json, say
from pipeline.cli.console.text import columns, one_line, printable, wrapped
from pipeline.cli.share_table import share_lines
from pipeline.cli.stale_items import StaleItems
from pipeline.counting import choose, items_and_jobs, plural
from pipeline.job import prompt_of
from pipeline.manifest.review import Review
from pipeline.planning import Action, Orphan, Plan, PlannedItem
from pipeline.pricing import Cost, Estimate
from pipeline.pricing.joint import JointEstimate
from pipeline.units import units_number

LISTED_ITEMS = 100  # more are grouped, unless --long
_PRICED_ITEMS = (
    10_000  # lines kept until their price is known; more are printed without
)
_SHOWN = 20  # of models, entries, orphans
_PRICED = frozenset({Action.SUBMIT, Action.WAIT})
_WIDTH = 79
ORPHAN_SIGN = "-"
_ACTION_WORDS = (
    (Action.SUBMIT, "to submit"),
    (Action.WAIT, "waiting for others"),
    (Action.RENAME, "renamed"),
    (Action.SETTLE, "to settle"),
    (Action.COLLECT, "to collect"),
    (Action.FETCH, "to fetch"),
    (Action.DONE, "done"),
    (Action.SKIP, "failed for good"),
)


@dataclass(frozen=True, slots=True)
class _Line:
    """What is printed of one item."""

    item_id: str
    sign: str
    action: Action
    reason: str
    line: int
    cost_key: str
    prompt: str | None
    made_again_with: str


class PlanListing:
    """Collects the items as they are planned; prints them once their price is known.

    Args:
        as_json: Whether to print a JSON line for each item.
        long_form: Whether to list every item, however many.
        to_stderr: Whether to print to stderr, when the plan is not the command's
            result.
        prompts: Whether to list every item, with the prompt that is sent for it.
    """

    def __init__(
        self,
        *,
        as_json: bool = False,
        long_form: bool = False,
        to_stderr: bool = False,
        prompts: bool = False,
    ) -> None:
        self._to_stderr = to_stderr
        self._price: CuPrice | None = None
        self._as_json = as_json
        self._has_prompts = prompts
        self._all = as_json or long_form or prompts
        self._lines: list[_Line] | None = []
        self._groups: Counter[tuple[str, str]] = Counter()
        self._orphans: list[Orphan] = []
        self._more_orphans = 0
        self._stale = StaleItems()

    def add(self, planned: PlannedItem) -> None:
        """Add one item."""
        self._groups[planned.item.template_id, planned.sign] += 1
        line = _Line(
            planned.item.item_id,
            planned.sign,
            planned.action,
            planned.reason,
            planned.item.line,
            planned.cost_key if planned.action in _PRICED else "",
            prompt_of(planned.params) if self._has_prompts else None,
            self._stale.add(planned),
        )
        if self._lines is None:
            if self._all:
                self._print([line], None)
            return
        self._lines.append(line)
        if len(self._lines) > (_PRICED_ITEMS if self._all else LISTED_ITEMS):
            lines, self._lines = self._lines, None
            if self._all:
                self._print(lines, None)

    def add_orphan(self, orphan: Orphan) -> None:
        """Add one item that is no longer in the manifest."""
        if self._all or len(self._orphans) < _SHOWN:
            self._orphans.append(orphan)
        else:
            self._more_orphans += 1

    def finish(
        self, cost: Cost | None, review: Review, *, price: CuPrice | None = None
    ) -> None:
        """Print the items that were waiting for their price, and what follows them.

        Args:
            cost: The prices, or None.
            review: The decisions about the items.
            price: Of a compute unit, or None.
        """
        self._price = price
        if self._lines is not None:
            self._print(self._lines, cost)
        elif not self._all:
            shown = islice(self._groups.items(), LISTED_ITEMS)
            for (template_id, sign), count in shown:
                self._say(f"{sign} {one_line(template_id)}: {plural(count, 'item')}")
            if len(self._groups) > LISTED_ITEMS:
                more = len(self._groups) - LISTED_ITEMS
                entries = plural(more, "more entry", "more entries")
                self._say(f"… and {entries} (--long for every item)")
        for orphan in self._orphans:
            self._print_orphan(orphan)
        if self._more_orphans:
            self._say(f"{ORPHAN_SIGN} … and {self._more_orphans:,} more")
        if not self._as_json:
            for line in self._stale.lines(review):
                self._say(line)

    def _print_orphan(self, orphan: Orphan) -> None:
        files = [asset.path for asset in orphan.assets]
        if self._as_json:
            print_json(event="orphan", item_id=orphan.item_id, files=files)
            return
        why = "no longer in the manifest"
        if orphan.take:
            why = f"take {orphan.take} is not wanted any more"
        text = f"{ORPHAN_SIGN} {orphan.item_id}: {why}"
        self._say(f"{text} ({one_line(', '.join(files))})")

    def _say(self, text: str) -> None:
        say(text, err=self._to_stderr)

    def _print(self, lines: Iterable[_Line], cost: Cost | None) -> None:
        for line in lines:
            quote = None if cost is None else cost.by_key.get(line.cost_key)
            units = quote.units if quote and line.cost_key else None
            if self._as_json:
                print_json(
                    event="item",
                    item_id=line.item_id,
                    action=str(line.action),
                    sign=line.sign,
                    reason=line.reason,
                    line=line.line,
                    price=units_number(units),
                    **({"prompt": line.prompt} if self._has_prompts else {}),
                    **(
                        {"made_again_with": line.made_again_with}
                        if line.made_again_with
                        else {}
                    ),
                )
                continue
            price = "" if units is None else priced(units, self._price)
            if price and line.action is Action.WAIT:
                price = f"≤ {price}"
            text = f"{line.sign} {line.item_id}: {one_line(line.reason)}"
            self._say(with_price(text, price, find_width(err=self._to_stderr)))
            if self._has_prompts:
                shown = "(no prompt)" if line.prompt is None else line.prompt
                for part in printable(shown).split("\n"):
                    self._say(f"    {part}".rstrip())


def with_price(text: str, price: str, width: int | None) -> str:
    """``text`` with its price at the right; in several lines where it is too long.

    Args:
        text: Printable.
        price: Or "".
        width: In columns; None if long lines are no trouble.
    """
    if not price:
        return text
    most = _WIDTH if width is None else min(width, _WIDTH)
    lines = [text]
    if width is not None and columns(text) + 2 + columns(price) > most:
        lines = wrapped(text, most).split("\n")
        if columns(lines[-1]) + 2 + columns(price) > most:
            lines.append("")
    gap = max(2, most - columns(lines[-1]) - columns(price))
    return "\n".join([*lines[:-1], lines[-1] + " " * gap + price])


def print_estimate(
    estimate: Estimate, *, cu_price: CuPrice | None, to_stderr: bool = False
) -> None:
    """Print totals, budget and what is left, for a person."""
    cost = estimate.cost
    lines: list[str] = []
    if cost is not None and (cost.items or estimate.unsure):
        width = find_width(err=to_stderr) or _WIDTH
        plan = estimate.plan
        noun = "items" if plan.items == plan.total else "jobs"
        tables = share_lines(cost, cu_price, min(width, _WIDTH), noun=noun)
        lines = [*tables, "", *cost_lines(estimate, cu_price)]
    for line in (*lines, total_line(estimate, cu_price)):
        say(line, err=to_stderr)


def cost_lines(
    estimate: Estimate | JointEstimate, cu_price: CuPrice | None
) -> Iterator[str]:
    """Details of a price: add-ons, unpriced items, the budget and what is left."""
    cost = estimate.cost
    assert cost is not None
    for name, units in sorted(cost.addons.items()):
        verb = choose(units, "is", "are")
        yield f"of these units, {priced(units, cu_price)} {verb} for {one_line(name)}"
    for problem in cost.problems[:_SHOWN]:
        yield f"no price: {one_line(problem, 400)}"
    if estimate.unsure:
        yield f"unsure items may cost {units_phrase(estimate.unsure, cu_price)} more"
    if estimate.limit is not None and estimate.left is not None:
        left = estimate.left
        limit = units_phrase(estimate.limit, cu_price)
        text = f"budget: {units_text(estimate.taken)} of {limit} taken,"
        text += f" {priced(left, cu_price)} left"
        if cost.units > left:
            text += ": not everything will be made"
        yield text
    if estimate.team_left is not None:
        text = f"the team has {units_phrase(estimate.team_left, cu_price)} left"
        if cost.units > estimate.team_left:
            text += ": not enough for everything"
        yield text


def price_text(cost: Cost, cu_price: CuPrice | None) -> str:
    """``33 files for 99 units``, with the money in parentheses.

    ``at most``, if items wait for others: they may turn out to be made already.
    """
    most = "at most " if cost.waiting else ""
    text = (
        f"{plural(cost.files, 'file')} for {most}{units_phrase(cost.units, cu_price)}"
    )
    without = f" and {plural(cost.unpriced, 'item')} without a price"
    return text + without * bool(cost.unpriced)


def unsure_text(
    estimate: Estimate | JointEstimate, price: CuPrice | None = None
) -> str:
    """`` and up to 60 units more for unsure items``, or ""."""
    if not estimate.unsure:
        return ""
    return f" and up to {units_phrase(estimate.unsure, price)} more for unsure items"


def action_words(plans: Sequence[Plan]) -> str:
    """``3 to submit, 28 done``: the jobs of all plans, by what a run does."""
    parts: list[str] = []
    for action, word in _ACTION_WORDS:
        count = sum(plan.counts[action] - plan.blocked[action] for plan in plans)
        if count:
            parts.append(f"{count:,} {word}")
    if blocked := sum(plan.blocked.total() for plan in plans):
        parts.append(f"{blocked:,} blocked")
    return ", ".join(parts) or "nothing to do"


def total_line(estimate: Estimate, cu_price: CuPrice | None) -> str:
    """``31 items: 3 to submit, 28 done; 3 files for 9 units``; the jobs are counted."""
    plan, cost = estimate.plan, estimate.cost
    text = f"{items_and_jobs(plan.items, plan.total)}: {action_words([plan])}"
    if plan.orphan_count:
        text += f"; {plan.orphan_count:,} no longer wanted"
    if cost is None:
        return text + "; price not known" * bool(plan.to_submit)
    return f"{text}; {price_text(cost, cu_price)}" if cost.items else text


def print_plan_event(estimate: Estimate) -> None:
    """The last line of ``plan --json``."""
    print_json(event="plan", **_plan_fields(estimate))


def print_profile_event(name: str, estimate: Estimate) -> None:
    """One line of ``plan --profiles --json``."""
    print_json(event="profile", name=name, **_plan_fields(estimate))


def _plan_fields(estimate: Estimate) -> dict[str, Any]:
    plan, cost = estimate.plan, estimate.cost
    return {
        "items": plan.items,
        "jobs": plan.total,
        "counts": {str(action): plan.counts[action] for action in Action},
        "blocked": plan.blocked.total(),
        "orphans": plan.orphan_count,
        "cost": cost_fields(estimate),
        "unpriced": 0 if cost is None else cost.unpriced,
        "problems": [] if cost is None else list(cost.problems),
    }


def cost_fields(estimate: Estimate | JointEstimate) -> dict[str, Any]:
    """The price of a plan as JSON numbers."""
    cost = estimate.cost
    return {
        "quoted": None if cost is None else units_number(cost.units - cost.waiting),
        "bound": None if cost is None else units_number(cost.units),
        "addons": {}
        if cost is None
        else {name: units_number(units) for name, units in cost.addons.items()},
        "files": 0 if cost is None else cost.files,
        "taken": units_number(estimate.taken),
        "left": units_number(estimate.left),
        "team_left": units_number(estimate.team_left),
        "by_model": {}
        if cost is None
        else {
            name: {"items": share.items, "units": units_number(share.units)}
            for name, share in cost.by_model.items()
        },
    }
