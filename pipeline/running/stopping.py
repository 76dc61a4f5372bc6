"""Stopping: decides when nothing more may be submitted, and reports why."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import anyio

from pipeline.errors import PRECEDENCE, AccessDenied, BudgetReached, RunError

FORBIDDEN = 403


class NotSubmitted(Exception):
    """The run stopped submitting before this item's turn."""


class Stopping:
    """The reasons to stop submitting, for all items or for one model.

    Args:
        tell: Called once with each reason and its hint.
        halt_all: Called with an error that concerns every run on the session; has
            :meth:`halt_alone` called for each. None if there is only this run.

    Attributes:
        interrupted: Whether the user or the run's deadline stopped the run.
        failing: Whether more items failed than the user allows.
        halts: The service's errors, by model id; "" stands for all models.
        over_budget: The error for the first item that did not fit the budget, or None;
            cheaper items may still be submitted.
    """

    def __init__(
        self,
        tell: Callable[[str, str], None],
        halt_all: Callable[[RunError, str], None] | None = None,
    ) -> None:
        self._tell = tell
        self._halt_all = halt_all or self.halt_alone
        self.interrupted = False
        self.failing = False
        self.halts: dict[str, RunError] = {}
        self.over_budget: BudgetReached | None = None
        self._waiting: set[anyio.CancelScope] = set()

    def interrupt(self) -> None:
        """Stop because the user or the run's deadline asks for it."""
        self.interrupted = True
        self._end_waiting()

    def give_up(self, reason: str, hint: str) -> None:
        """Stop because more items failed than the user allows; told once."""
        if self.failing:
            return
        self.failing = True
        self._end_waiting()
        self._tell(reason, hint)

    def halt(self, error: RunError, model_id: str = "") -> None:
        """Stop every run on the session because of an error.

        Args:
            error: The reason.
            model_id: The model of the refused submit, or "".
        """
        self._halt_all(error, model_id)

    def halt_alone(self, error: RunError, model_id: str = "") -> None:
        """Stop this run because of an error; a 403 on a submit concerns only its model.

        A graver error takes the place of one that has stopped the run already.

        Args:
            error: The reason.
            model_id: The model of the refused submit, or "".
        """
        of_model = isinstance(error, AccessDenied) and error.status == FORBIDDEN
        scope = model_id if of_model else ""
        known = self.halts.get("") or self.halts.get(scope)
        if known is not None and _rank(known) <= _rank(error):
            return
        self.halts[scope] = error
        if not scope:
            self._end_waiting()
        self._tell(error.message, error.hint)

    def pass_over(self, reason: BudgetReached) -> None:
        """Note that an item costs more than is left; cheaper ones may still fit."""
        if self.over_budget is None:
            self.over_budget = reason
            self._tell(reason.message, reason.hint)

    @property
    def reason(self) -> RunError | None:
        """The gravest error, which determines the exit code; or None."""
        found: list[RunError] = [*self.halts.values()]
        if self.over_budget is not None:
            found.append(self.over_budget)
        return min(found, key=_rank, default=None)

    def concerns(self, model_id: str) -> bool:
        """Whether items of this model may no longer be submitted."""
        return (
            self.interrupted
            or self.failing
            or "" in self.halts
            or model_id in self.halts
        )

    @contextmanager
    def ending_waits(self) -> Iterator[None]:
        """Cancel the block when the whole run stops submitting.

        Raises:
            NotSubmitted: The block was cancelled.
        """
        with anyio.CancelScope() as scope:
            self._waiting.add(scope)
            try:
                yield
            finally:
                self._waiting.discard(scope)
        if scope.cancelled_caught:
            raise NotSubmitted

    def _end_waiting(self) -> None:
        for scope in list(self._waiting):
            scope.cancel()


def _rank(error: RunError) -> int:
    """How grave an error is; 0 is the gravest."""
    return PRECEDENCE.index(error.exit_code)
