"""First jobs: one canary job per kind goes first; the others wait for its result."""

from collections.abc import Hashable

import anyio


class FirstJobs:
    """Lets one job of each kind go first, and the others once its result is known.

    Items are named by anything that tells them apart, those of other manifests too.
    """

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._turns: dict[str, anyio.Event] = {}
        self._leaders: dict[str, Hashable] = {}

    async def wait_for_turn(self, kind: str, item: Hashable) -> None:
        """Suspend while another item's job is the first of this kind."""
        while kind not in self._known:
            if self._leaders.setdefault(kind, item) == item:
                return
            await self._turns.setdefault(kind, anyio.Event()).wait()

    def knows(self, kind: str) -> bool:
        """Whether the result of a job of this kind is known."""
        return kind in self._known

    def know(self, kind: str) -> None:
        """Note that the result of a job of this kind is known: all may follow."""
        self._known.add(kind)
        self._release(kind)

    def pass_on(self, kind: str, item: Hashable) -> None:
        """If this item goes first for this kind, let the next one go first."""
        if self._leaders.get(kind) == item:
            self._release(kind)

    def leave(self, item: Hashable) -> None:
        """Pass on every kind for which this item goes first: it submits no more."""
        for kind in list(self._leaders):
            self.pass_on(kind, item)

    def _release(self, kind: str) -> None:
        self._leaders.pop(kind, None)
        turn = self._turns.pop(kind, None)
        if turn is not None:
            turn.set()
