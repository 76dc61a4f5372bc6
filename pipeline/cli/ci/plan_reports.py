"""A plan → Markdown: for a comment on a pull request, and the summary of a step."""

import json
import os
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from pipeline.cli.ci.github import GitHub, find_github
from pipeline.cli.ci.places import find_picture_urls, find_pictures
from pipeline.cli.console.printing import print_note
from pipeline.cli.console.text import printable
from pipeline.cli.plan_view import total_line
from pipeline.errors import UsageError
from pipeline.operations.report_file import check_report_file, write_report_file
from pipeline.planning import Action, PlannedItem
from pipeline.planning.decision import CHANGED_SIGN, SIGNS, UNTOUCHED
from pipeline.pricing import Estimate
from pipeline.record import replace
from pipeline.redaction import SECRETS
from pipeline.report.markdown import fit
from pipeline.report.plan_summary import (
    COMMENT_BYTES,
    PLAN_MARK,
    PlanRow,
    PlanTotals,
    plan_lines,
)
from pipeline.stages.uploader import references_in
from pipeline.units import units_of_number

_UNTOUCHED_SIGNS = {SIGNS[action] for action in UNTOUCHED}


class PlanReports:
    """Writes the Markdown of one plan.

    Args:
        markdown: The file of ``--markdown``, or None.
        base: The file of ``--base``, the output of ``plan --json``; or None.
        environment: The process environment.

    Raises:
        UsageError: A file is not what it should be.
    """

    def __init__(
        self,
        markdown: Path | None,
        base: Path | None,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._markdown = markdown
        self._github = find_github(environment)
        check_report_file(
            markdown, PLAN_MARK, option="--markdown", kind="the Markdown of a plan"
        )
        self._base = None if base is None else read_base(base)
        self._rows: dict[str, PlanRow] = {}
        self._cost_keys: dict[str, str] = {}
        self._stems: dict[str, str] = {}  # of items that have been made before

    @property
    def is_asked_for(self) -> bool:
        """Whether anybody reads a report."""
        return self._markdown is not None or self._github is not None

    def add(self, planned: PlannedItem) -> None:
        """Add an item of the plan; those with nothing to do are left out."""
        if not self.is_asked_for or planned.action in UNTOUCHED:
            return
        item_id = planned.item.item_id
        self._rows[item_id] = PlanRow(
            item_id=printable(item_id),
            base=planned.item.base,
            sign=planned.sign,
            reason=printable(planned.reason),
            pictures=tuple(str(one.path) for one in references_in(planned.item.params)),
        )
        if planned.sign in {CHANGED_SIGN, SIGNS[Action.FETCH]}:
            self._stems[item_id] = planned.stem
        if planned.action in {Action.SUBMIT, Action.WAIT}:
            self._cost_keys[item_id] = planned.cost_key

    def write(self, estimate: Estimate) -> None:
        """Write the reports.

        Raises:
            OutputError: The file of ``--markdown`` cannot be written.
        """
        if not self.is_asked_for:
            return
        plan, cost = estimate.plan, estimate.cost
        quotes = {} if cost is None else cost.by_key
        rows = {}
        for item_id, row in self._rows.items():
            quote = quotes.get(self._cost_keys.get(item_id, ""))
            before = find_pictures(plan.store, self._stems.get(item_id, ""))
            rows[item_id] = replace(
                row,
                units=None if quote is None else quote.units,
                pictures=(*before, *row.pictures),
            )
        totals = PlanTotals(
            rows=rows,
            units=None if cost is None else cost.units,
            orphans=plan.orphan_count,
            problems=() if cost is None else tuple(map(printable, cost.problems)),
        )
        pictures = (path for row in rows.values() for path in row.pictures)
        github = self._github
        urls = {} if github is None else find_picture_urls(github, pictures)
        lines = list(
            plan_lines(
                totals,
                self._base,
                name=plan.manifest.name,
                summary=printable(total_line(estimate, None)),
                urls=urls,
            )
        )
        if self._markdown is not None:
            text = SECRETS.clean(fit(lines, COMMENT_BYTES))
            write_report_file(self._markdown, text, option="--markdown")
        if github is not None:
            _add_summary(github, lines)


def _add_summary(github: GitHub, lines: list[str]) -> None:
    try:
        github.add_summary(lines)
    except OSError as error:
        print_note(f"the summary of the step cannot be written: {error}")


def read_base(path: Path) -> PlanTotals:
    """The plan before a change, from the lines of ``plan --json``.

    Raises:
        UsageError: The file cannot be read, or is something else.
    """
    rows: dict[str, PlanRow] = {}
    totals: PlanTotals | None = None
    try:
        with path.open(encoding="utf-8") as file:
            for line in file:
                event = json.loads(line)
                if event["event"] == "item" and event["sign"] not in _UNTOUCHED_SIGNS:
                    rows[event["item_id"]] = _row_of(event)
                elif event["event"] == "plan":
                    totals = PlanTotals(
                        rows=rows,
                        units=_units(event["cost"]["bound"]),
                        orphans=int(event["orphans"]),
                    )
    except OSError as error:
        raise UsageError(
            f"--base: {path} cannot be read: {error.strerror or error}",
            hint="make it with: pipeline plan MANIFEST --json > FILE",
        ) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _is_no_plan(path) from error
    if totals is None:
        raise _is_no_plan(path)
    return totals


def _row_of(event: Mapping[str, Any]) -> PlanRow:
    return PlanRow(
        item_id=str(event["item_id"]),
        sign=str(event["sign"]),
        reason=printable(str(event["reason"])),
        units=_units(event["price"]),
    )


def _units(number: Any) -> Decimal | None:
    if number is not None and not isinstance(number, int | float):
        raise TypeError
    return units_of_number(number)


def _is_no_plan(path: Path) -> UsageError:
    return UsageError(
        f"--base: {path} does not hold what plan --json prints",
        hint="make it with: pipeline plan MANIFEST --json > FILE",
    )
