"""Unanswered: the submits that wait for their answer, and who waits for them."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import anyio


class Unanswered:
    """The submits that wait for their answer, by model."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, set[anyio.Event]] = defaultdict(set)

    @contextmanager
    def holding(self, model_id: str) -> Iterator[None]:
        """A submit waits within the block, until its answer is recorded."""
        answered = anyio.Event()
        self._waiting[model_id].add(answered)
        try:
            yield
        finally:
            self._waiting[model_id].remove(answered)
            answered.set()

    async def wait_for_answers(self, model_id: str) -> None:
        """Suspend until the submits of a model that wait now are answered."""
        for answered in list(self._waiting[model_id]):
            await answered.wait()
