"""Lease: the slots of a session that one run holds, given back when the run ends."""

from pipeline.stages.slots import LAST_RANK, Slots


class Lease:
    """What one run does with the slots of its session.

    It counts, so that a run which ends early leaves no slot held: the runs beside it
    could never use it.

    Args:
        slots: The slots of all runs on the session.
    """

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._held = 0
        self._in_flight = 0

    async def wait_for_slot(
        self, *, first_in_line: bool = False, rank: int = LAST_RANK
    ) -> None:
        """As :meth:`Slots.wait_for_slot`."""
        await self._slots.wait_for_slot(first_in_line=first_in_line, rank=rank)
        self._held += 1

    def occupy(self) -> None:
        """As :meth:`Slots.occupy`."""
        self._held += 1
        self._in_flight += 1
        self._slots.occupy()

    def accepted(self) -> None:
        """As :meth:`Slots.accepted`."""
        self._in_flight += 1
        self._slots.accepted()

    def retired(self) -> None:
        """As :meth:`Slots.retired`."""
        self._held -= 1
        self._in_flight -= 1
        self._slots.retired()

    def unused(self) -> None:
        """As :meth:`Slots.unused`."""
        self._held -= 1
        self._slots.unused()

    def refused(
        self,
        *,
        ceiling: int | None,
        wait_s: float = 0.0,
        counted: int | None = None,
        scope: str = "",
    ) -> None:
        """As :meth:`Slots.refused`."""
        self._held -= 1
        self._slots.refused(
            ceiling=ceiling, wait_s=wait_s, counted=counted, scope=scope
        )

    def pause(self, duration_s: float) -> None:
        """As :meth:`Slots.pause`."""
        self._slots.pause(duration_s)

    def give_back(self) -> None:
        """Release every slot that the run still holds, because nobody watches its jobs.

        They may still be in flight: the service refuses what is too much.
        """
        while self._in_flight > 0:
            self.retired()
        while self._held > 0:
            self.unused()
