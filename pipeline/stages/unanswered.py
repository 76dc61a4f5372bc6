"""Unanswered: keeps track of submits in progress, so that others can wait for them."""

from collections import defaultdict
from collections.abc import Callable

import anyio


class Unanswered:
    """The submits that are not answered yet, by model."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, set[anyio.Event]] = defaultdict(set)

    def begin(self, model_id: str) -> Callable[[], None]:
        """Note that a submit is about to be sent.

        Returns:
            A function to call, at least once, when the outcome counts: the job or the
            refusal is recorded, or the settler knows of the lost submit.
        """
        answered = anyio.Event()
        self._waiting[model_id].add(answered)

        def end() -> None:
            self._waiting[model_id].discard(answered)
            answered.set()

        return end

    async def wait_for_answers(self, model_id: str) -> None:
        """Suspend until the submits of a model now in progress are answered."""
        for answered in list(self._waiting[model_id]):
            await answered.wait()
