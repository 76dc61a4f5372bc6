"""RunState: where a run stands, from its events; for pages that are opened later."""

from collections.abc import Mapping
from typing import Any


class RunState:
    """The newest of the events of a run that a page needs to show where it stands."""

    def __init__(self) -> None:
        self._events: dict[str, Mapping[str, Any]] = {}
        self._saved: set[str] = set()  # what the events are about

    def take(self, event: Mapping[str, Any]) -> str:
        """Note an event.

        Returns:
            What it is about: a later event about the same takes its place. "" for one
            that stands for itself.
        """
        kind = event["event"]
        key = kind
        if kind in {"job", "blocked"}:
            key = f"item {event.get('item_id', '')}"
        if kind in {"launch", "done", "silent"}:
            self._events, self._saved = {}, set()
        if event.get("status") == "saved":
            self._events.pop(key, None)
            self._saved.add(key)
        elif kind not in {"done", "silent", "warning"}:
            self._events[key] = event
        return "" if kind == "warning" else key

    @property
    def events(self) -> tuple[Mapping[str, Any], ...]:
        """The events of the run that goes on, in their order; none if there is none.

        Of each job that is not saved, the newest. What is saved is counted as done.
        """
        events = {**self._events}
        if "launch" in events:
            done = events["launch"].get("done", 0) + len(self._saved)
            events["launch"] = {**events["launch"], "done": done}
        return tuple(events.values())
