"""Several runs on one session: stopped together, and reported together."""

from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path

from pipeline.errors import PRECEDENCE, ExitCode, PipelineError
from pipeline.pricing import Budget
from pipeline.pricing.budget import SharedBudget
from pipeline.record import Struct
from pipeline.running.result import RunCost, RunResult
from pipeline.running.run import Run

# After those of PRECEDENCE, which end a run: what else a run may end with.
_ORDER = (*PRECEDENCE, ExitCode.PLAN_MOVED, ExitCode.INTERRUPTED)


class JointRun:
    """The runs under way on one session, stopped as one.

    Args:
        runs: At least one.
        budget: What they may cost together.
    """

    def __init__(self, runs: Sequence[Run], budget: SharedBudget) -> None:
        self._runs = tuple(runs)
        self._budget = budget

    def stop(self) -> float:
        """As :meth:`Run.stop`, for all of them; the longest time that this takes."""
        return max(run.stop() for run in self._runs)

    def abandon(self) -> None:
        """As :meth:`Run.abandon`, for all of them."""
        for run in self._runs:
            run.abandon()

    @property
    def budget(self) -> Budget | SharedBudget:
        """The limit on what they cost: of the only one, or of all of them together."""
        return self._runs[0].budget if len(self._runs) == 1 else self._budget

    @property
    def is_over(self) -> bool:
        """Whether all have ended, so that nothing is left to stop."""
        return all(run.is_over for run in self._runs)

    @property
    def in_flight(self) -> int:
        """How many jobs the service is working on, for whichever run."""
        return self._runs[0].in_flight

    def find_units_in_flight(self) -> Decimal:
        """Compute units charged for jobs in flight."""
        units = (run.find_units_in_flight() for run in self._runs)
        return sum(units, Decimal(0))


class Outcome(Struct, frozen=True, kw_only=True):
    """How the run of one manifest ended.

    Attributes:
        manifest: The manifest's path, as the user gave it.
        output: Its output folder.
        result: How the run ended; None if an error ended it.
        error: That error; None if there was none.
    """

    manifest: str
    output: Path
    result: RunResult | None = None
    error: PipelineError | None = None

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of this run alone."""
        if self.error is not None:
            return self.error.exit_code
        return ExitCode.BUG if self.result is None else self.result.exit_code


class JointResult(Struct, frozen=True, kw_only=True):
    """How the runs of several manifests ended.

    Attributes:
        outcomes: One for each manifest, in the order in which they were named.
        left: Compute units left of their common budget, or None without one.
    """

    outcomes: tuple[Outcome, ...]
    left: Decimal | None = None

    @property
    def exit_code(self) -> ExitCode:
        """The gravest exit code; see ``docs/reference/exit-codes.md``."""
        return find_gravest(one.exit_code for one in self.outcomes)

    @property
    def counts(self) -> dict[str, int]:
        """Jobs by outcome, of all manifests; see :attr:`RunResult.counts`."""
        counts: Counter[str] = Counter()
        for result in self._results:
            counts.update(result.counts)
        return {name: count for name, count in counts.items() if count}

    @property
    def submitted(self) -> int:
        """Jobs that the service accepted in these runs."""
        return sum(result.submitted for result in self._results)

    @property
    def needs_review(self) -> int:
        """Items with a file that a person has to look at."""
        return sum(result.needs_review for result in self._results)

    @property
    def changed_inputs(self) -> dict[str, str]:
        """Inputs that the service dropped or changed, by manifest and item id."""
        return {
            f"{one.manifest}: {item_id}": difference
            for one in self.outcomes
            if one.result is not None
            for item_id, difference in one.result.changed_inputs.items()
        }

    @property
    def cost(self) -> RunCost:
        """The cost of all runs."""
        costs = [result.cost for result in self._results]
        addons: Counter[str] = Counter()
        for cost in costs:
            addons.update(cost.addons)
        return RunCost(
            quoted=sum((cost.quoted for cost in costs), Decimal(0)),
            charged=sum((cost.charged for cost in costs), Decimal(0)),
            addons=dict(addons),  # type: ignore[arg-type]
            refunded=sum((cost.refunded for cost in costs), Decimal(0)),
            reserved=sum((cost.reserved for cost in costs), Decimal(0)),
            taken=sum((cost.taken for cost in costs), Decimal(0)),
            left=self.left,
            team_left=next(
                (cost.team_left for cost in costs if cost.team_left is not None), None
            ),
        )

    @property
    def _results(self) -> Iterable[RunResult]:
        return (one.result for one in self.outcomes if one.result is not None)


def find_gravest(codes: Iterable[ExitCode]) -> ExitCode:
    """The exit code to end with if several apply; OK if there is none."""
    found = set(codes)
    rest = max(found - {*_ORDER}, default=ExitCode.OK)
    return next((code for code in _ORDER if code in found), rest)
