"""Events of several runs → events as of one run, with items told apart. Pure."""

from collections.abc import Sequence
from pathlib import PurePath

from pipeline.record import replace
from pipeline.running.events import Blocked, Event, JobChanged, Launched, Warned


class JoinedEvents:
    """Joins the events of several manifests' runs.

    Args:
        manifests: Their paths, as the events are told with them.

    Attributes:
        names: How each manifest is called in short, by its path.
    """

    def __init__(self, manifests: Sequence[str]) -> None:
        stems = [PurePath(one).stem for one in manifests]
        self.names = {
            one: stem if stems.count(stem) == 1 else one
            for one, stem in zip(manifests, stems, strict=True)
        }
        self._launched: dict[str, Launched] = {}

    @property
    def have_begun(self) -> bool:
        """Whether every run has begun."""
        return len(self._launched) == len(self.names)

    def join(self, manifest: str, event: Event) -> Event:
        """The event with the manifest's name; the beginning is that of all so far.

        Args:
            manifest: The path of the manifest whose run it is.
            event: The event.
        """
        name = self.names[manifest]
        match event:
            case JobChanged() | Blocked():
                return replace(event, item_id=f"{name}: {event.item_id}")
            case Warned():
                item_id = f": {event.item_id}" if event.item_id else ""
                return replace(event, item_id=f"{name}{item_id}")
            case Launched():
                self._launched[manifest] = event
                return self._all_launched(event)
        return event

    def _all_launched(self, event: Launched) -> Launched:
        begun = self._launched.values()
        return replace(
            event,
            items=sum(one.items for one in begun),
            total=sum(one.total for one in begun),
            done=sum(one.done for one in begun),
            skipped=sum(one.skipped for one in begun),
            to_submit=sum(one.to_submit for one in begun),
        )
