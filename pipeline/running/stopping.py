"""Stopping: when nothing more may be submitted, and who has to be told."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import anyio

from pipeline.errors import PRECEDENCE, AccessDenied, BudgetReached, RunError

FORBIDDEN = 403


class NotSubmitted(Exception):
    """The run stopped submitting before this item's turn."""


class Stopping:
    """The reasons to submit nothing more, for all items or for one model.

    Args:
        tell: Called once with each reason and its hint.

    Attributes:
        interrupted: Whether the user, or the run's deadline, asked for it.
        failing: Whether more items failed than the user allows.
        halts: By model id, or "" for all: what the service said.
        over_budget: Why an item was passed over whose price does not fit, or None;
            a cheaper one may still be submitted.
    """

    def __init__(self, tell: Callable[[str, str], None]) -> None:
        self._tell = tell
        self.interrupted = False
        self.failing = False
        self.halts: dict[str, RunError] = {}
        self.over_budget: BudgetReached | None = None
        self._waiting: set[anyio.CancelScope] = set()

    def interrupt(self) -> None:
        """The user asks for it."""
        self.interrupted = True
        self._end_waiting()

    def give_up(self, reason: str, hint: str) -> None:
        """More has gone wrong than the user allows."""
        self.failing = True
        self._end_waiting()
        self._tell(reason, hint)

    def halt(self, error: RunError, model_id: str = "") -> None:
        """The service gives a reason; a 403 on a submit concerns that model alone.

        Args:
            error: Why.
            model_id: Of the submit that was refused, or "".
        """
        of_model = isinstance(error, AccessDenied) and error.status == FORBIDDEN
        scope = model_id if of_model else ""
        if scope in self.halts or "" in self.halts:
            return
        self.halts[scope] = error
        if not scope:
            self._end_waiting()
        self._tell(error.message, error.hint)

    def pass_over(self, reason: BudgetReached) -> None:
        """An item costs more than is left; others may not."""
        if self.over_budget is None:
            self.over_budget = reason
            self._tell(reason.message, reason.hint)

    @property
    def reason(self) -> RunError | None:
        """What the exit code tells of: the gravest, or None."""
        found: list[RunError] = [*self.halts.values()]
        if self.over_budget is not None:
            found.append(self.over_budget)
        return min(
            found, key=lambda error: PRECEDENCE.index(error.exit_code), default=None
        )

    def concerns(self, model_id: str) -> bool:
        """Whether an item of this model may no longer be submitted."""
        return (
            self.interrupted
            or self.failing
            or "" in self.halts
            or model_id in self.halts
        )

    @contextmanager
    def ending_waits(self) -> Iterator[None]:
        """Waiting inside the block ends when everything stops.

        Raises:
            NotSubmitted: It did.
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
