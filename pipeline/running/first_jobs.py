"""First jobs: of each kind one goes first, and the others wait for what it shows."""

import anyio


class FirstJobs:
    """Of each kind one job goes first, until it has shown what the others rely on."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._turns: dict[str, anyio.Event] = {}
        self._leaders: dict[str, str] = {}

    async def wait_for_turn(self, kind: str, item_id: str) -> None:
        """Suspend while another item's job of this kind goes first."""
        while kind not in self._known:
            if self._leaders.setdefault(kind, item_id) == item_id:
                return
            await self._turns.setdefault(kind, anyio.Event()).wait()

    def knows(self, kind: str) -> bool:
        """Whether a job of this kind has shown it."""
        return kind in self._known

    def know(self, kind: str) -> None:
        """A job of this kind has shown it: all may follow."""
        self._known.add(kind)
        self._release(kind)

    def pass_on(self, kind: str, item_id: str) -> None:
        """If this item goes first with this kind, the next one does."""
        if self._leaders.get(kind) == item_id:
            self._release(kind)

    def leave(self, item_id: str) -> None:
        """An item is done with its submits: where it goes first, the next one does."""
        for kind in list(self._leaders):
            self.pass_on(kind, item_id)

    def _release(self, kind: str) -> None:
        self._leaders.pop(kind, None)
        turn = self._turns.pop(kind, None)
        if turn is not None:
            turn.set()
