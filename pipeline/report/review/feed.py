"""Feed: what has changed, so that each page can read on from where it is.

Of each thing only the newest state is kept: however slow a reader is, and however long
it was away, it gets each thing at most once, and nothing is kept for it.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from itertools import takewhile
from typing import Any

import msgspec

from pipeline.record import Struct

_MOST_PASSING = 500  # events of runs that a reader may still get


class Event(Struct, frozen=True, kw_only=True):
    """One event, as it is sent.

    Attributes:
        number: From 1.
        event_id: Names it in ``Last-Event-ID``.
        name: Such as ``item``.
        data: A line of JSON.
    """

    number: int
    event_id: str
    name: str
    data: str

    def encode(self) -> bytes:
        """The event in the format of server-sent events."""
        return (
            f"id: {self.event_id}\nevent: {self.name}\ndata: {self.data}\n\n".encode()
        )


class Feed:
    """The events of one manifest, numbered from 1.

    Attributes:
        last: The number of the newest event; 0 if there is none.
        generation: Counts how often every page had to begin anew.
    """

    def __init__(self) -> None:
        self.last = 0
        self.generation = 0
        # Tells the numbers of this process from those of an earlier one.
        self._epoch = secrets.token_hex(4)
        self._latest: dict[tuple[str, str], tuple[int, Callable[[], Any]]] = {}
        self._passing: list[tuple[str, str]] = []
        self._changed = asyncio.Event()

    def put(self, name: str, data: Callable[[], Any], *, key: str = "") -> None:
        """Add an event, in the place of an earlier one of the same name and key.

        Args:
            name: Such as ``item``.
            data: Gives the value when it is sent: a record or JSON.
            key: What the event is about, such as the item's id.
        """
        self.last += 1
        self._latest.pop((name, key), None)
        self._latest[name, key] = self.last, data  # the newest is the last
        self._wake()

    def tell(self, name: str, data: Mapping[str, Any]) -> None:
        """Add an event that no later one replaces; the oldest of them are forgotten."""
        key = str(self.last + 1)
        self.put(name, lambda: data, key=key)
        self._passing.append((name, key))
        if len(self._passing) > _MOST_PASSING:
            self._latest.pop(self._passing.pop(0), None)

    def begin_anew(self) -> None:
        """Let every page load all data again: the manifest has changed."""
        self._latest.clear()
        self._passing.clear()
        self.generation += 1
        self._wake()

    def after(self, number: int, *, most: int) -> list[Event]:
        """The oldest events with a higher number, in their order; at most ``most``."""
        newer = takewhile(
            lambda one: one[1][0] > number, reversed(self._latest.items())
        )
        found = list(newer)[::-1][:most]
        return [
            Event(
                number=count,
                event_id=self.id_of(count),
                name=name,
                data=msgspec.json.encode(data()).decode(),
            )
            for (name, _), (count, data) in found
        ]

    def id_of(self, number: int) -> str:
        """An event's id: its number, and the process that gave it."""
        return f"{self._epoch}-{number}"

    def number_of(self, event_id: str) -> int:
        """The number of an event by its id; 0 if it is not one of this process."""
        epoch, _, number = event_id.partition("-")
        if epoch != self._epoch or not (number.isascii() and number.isdigit()):
            return 0
        return int(number[:18])

    async def wait(self, number: int, generation: int) -> None:
        """Suspend until there is a newer event, or every page has to begin anew."""
        while self.last <= number and self.generation == generation:
            await self._changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
