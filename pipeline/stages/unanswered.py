"""Unanswered: the submits that wait for their answer, and who waits for them."""

from collections import defaultdict
from collections.abc import Callable

import anyio


class Unanswered:
    """The submits that wait for their answer, by model."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, set[anyio.Event]] = defaultdict(set)

    def begin(self, model_id: str) -> Callable[[], None]:
        """A submit leaves.

        Returns:
            To be called, once or more, when what came of it counts: its job is
            recorded, its refusal is, or its loss has its claim at the settler.
        """
        answered = anyio.Event()
        self._waiting[model_id].add(answered)

        def end() -> None:
            self._waiting[model_id].discard(answered)
            answered.set()

        return end

    async def wait_for_answers(self, model_id: str) -> None:
        """Suspend until the submits of a model that wait now are answered."""
        for answered in list(self._waiting[model_id]):
            await answered.wait()
