"""Workers: whatever carries tasks out elsewhere, as ``elsewhere`` sees it."""

from collections.abc import Callable, Sequence
from typing import Protocol


class WorkerLost(Exception):
    """A worker has ended before the task did; another may carry it out.

    Attributes:
        times: How many workers were lost on it.
    """

    def __init__(self, times: int = 1) -> None:
        super().__init__("a worker has ended too early")
        self.times = times


class WorkersGone(Exception):
    """There are no workers any more; ``str()`` says why."""


class Workers(Protocol):
    """Carries out tasks, a few at a time on each worker."""

    async def run(self, task: bytes, on_start: Callable[[], None]) -> bytes:
        """Wait for a worker with room, and have it carry out a task.

        Args:
            task: As of :func:`pipeline.executors.messages.encode`. It holds a secret:
                it must not be shown.
            on_start: Called when there is room for it.

        Returns:
            The worker's reply.

        Raises:
            WorkerLost: The worker has ended before it replied.
            WorkersGone: There is none any more.
        """

    async def run_everywhere(self, task: bytes) -> Sequence[bytes]:
        """Have every worker carry out a task; at least one reply.

        Raises:
            WorkerLost, WorkersGone: As for :meth:`run`.
        """
