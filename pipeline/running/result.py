"""How a run ended: counts, cost, and the exit code that they make. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from pipeline.errors import ExitCode, RunError


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCost:
    """What a run was to cost and has cost, in compute units.

    Attributes:
        quoted: For everything it was to submit.
        charged: By the service, add-ons included.
        addons: Of these, the units of each add-on.
        refunded: Given back for failed jobs.
        reserved: For submits of this ledger whose outcome is not known yet.
        taken: By all jobs of this ledger: charged or reserved, refunds taken off.
        left: Of the budget, or None without one.
        team_left: What the team had left before the run, or None if unsaid.
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
        counts: Items by outcome: saved, done, failed, skipped, unknown, in_flight,
            not_fetched, not_submitted. An item is counted once.
        submitted: Jobs the service accepted in this run.
        stopped_by: What stopped the submitting, or None.
        cost: Of this run.
        changed_inputs: What the service dropped or changed, by item id.
    """

    exit_code: ExitCode
    counts: Mapping[str, int]
    submitted: int
    stopped_by: RunError | None
    cost: RunCost = RunCost()
    changed_inputs: Mapping[str, str] = field(default_factory=dict)


def find_exit_code(
    counts: Mapping[str, int],
    *,
    halted: RunError | None,
    is_interrupted: bool,
    may_pay: bool,
    is_broken: bool,
    frozen: bool,
) -> ExitCode:
    """What the process says.

    Args:
        counts: As of :class:`RunResult`.
        halted: What stopped the submitting, or None.
        is_interrupted: The user, or the deadline, did.
        may_pay: False for ``fetch`` and ``--frozen``.
        is_broken: ``--strict`` found a changed input.
        frozen: What is not paid for counts as a plan that has moved.
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
        (counts.get("failed") or counts.get("skipped"), ExitCode.ITEMS_FAILED),
        (is_broken, ExitCode.ITEMS_FAILED),
        (is_interrupted, ExitCode.INTERRUPTED),
        (left_out, ExitCode.ITEMS_FAILED),
    )
    return next((code for holds, code in found if holds), ExitCode.OK)
