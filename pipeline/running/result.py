"""The result of a run: counts, cost and the exit code that follows. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from pipeline.counting import plural
from pipeline.errors import ExitCode, RunError
from pipeline.report.notebook import Row, render_table
from pipeline.running.items import ItemRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCost:
    """The expected and the actual cost of a run, in compute units.

    Attributes:
        quoted: Quoted for everything to submit.
        charged: Charged by the service, add-ons included.
        addons: Of ``charged``, the units of each add-on.
        refunded: Refunded for failed jobs.
        reserved: Reserved for submits of this ledger whose outcome is unknown.
        taken: Charged or reserved for all jobs of this ledger, less refunds.
        left: Left of the budget, or None without a budget.
        team_left: Left for the team before the run, or None if the service did not say.
    """

    quoted: Decimal = Decimal(0)
    charged: Decimal = Decimal(0)
    addons: Mapping[str, Decimal] = field(default_factory=dict)
    refunded: Decimal = Decimal(0)
    reserved: Decimal = Decimal(0)
    taken: Decimal = Decimal(0)
    left: Decimal | None = None
    team_left: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """How a run ended.

    Attributes:
        exit_code: See ``docs/reference/exit-codes.md``.
        counts: Jobs by outcome: saved, done, renamed, failed, skipped, unknown,
            in_flight, not_fetched, not_submitted, blocked, made (an output that is
            not saved), not_needed (of a ``foreach``). Each take and each step of an
            item counts once; most items are one job.
        submitted: Jobs that the service accepted in this run.
        stopped_by: The error that stopped submitting, or None.
        cost: The cost of this run.
        changed_inputs: Inputs that the service dropped or changed, by item id.
        needs_review: Items with a file that a person has to look at.
        gallery: The page that was written afterwards, or None.
        items: By id: how each item of the manifest stands, with its files and costs;
            those that were done before too. Read when it is first used.
    """

    exit_code: ExitCode
    counts: Mapping[str, int]
    submitted: int
    stopped_by: RunError | None
    cost: RunCost = RunCost()
    changed_inputs: Mapping[str, str] = field(default_factory=dict)
    needs_review: int = 0
    gallery: Path | None = None
    items: Mapping[str, ItemRecord] = field(
        default_factory=dict, repr=False, compare=False
    )

    def _repr_html_(self) -> str:
        """The result in a notebook: every item, with small pictures of its files."""
        counts = ", ".join(f"{count:,} {name}" for name, count in self.counts.items())
        return render_table(
            f"{counts}; {plural(self.cost.charged, 'unit')} charged;"
            f" exit code {self.exit_code:d}",
            ("item", "status", "units", "reason"),
            (
                Row(
                    cells=(
                        item_id,
                        item.status.replace("_", " "),
                        f"{item.cost:f}",
                        item.worst.reason,
                    ),
                    pictures=tuple(file.store.file(file.name) for file in item.files),
                )
                for item_id, item in self.items.items()
            ),
            total=len(self.items),
        )


def find_exit_code(
    counts: Mapping[str, int],
    *,
    halted: RunError | None,
    is_interrupted: bool,
    may_pay: bool,
    is_broken: bool,
    frozen: bool,
) -> ExitCode:
    """The exit code of a run.

    Args:
        counts: As in :class:`RunResult`.
        halted: The error that stopped submitting, or None.
        is_interrupted: Whether the user or the deadline stopped the run.
        may_pay: False for ``fetch`` and ``--frozen``.
        is_broken: Whether ``--strict`` found a changed input.
        frozen: Whether ``--frozen`` is set: then items not submitted mean PLAN_MOVED.
    """
    if halted is not None:
        return halted.exit_code
    left_out = counts.get("not_submitted", 0) and not may_pay
    found = (
        (
            counts.get("in_flight") or counts.get("not_fetched"),
            ExitCode.LEFT_IN_FLIGHT,
        ),
        (counts.get("unknown"), ExitCode.UNKNOWN_OUTCOME),
        (frozen and left_out, ExitCode.PLAN_MOVED),
        (
            counts.get("failed") or counts.get("skipped") or counts.get("blocked"),
            ExitCode.ITEMS_FAILED,
        ),
        (is_broken, ExitCode.ITEMS_FAILED),
        (is_interrupted, ExitCode.INTERRUPTED),
        (left_out, ExitCode.ITEMS_FAILED),
    )
    return next((code for holds, code in found if holds), ExitCode.OK)
