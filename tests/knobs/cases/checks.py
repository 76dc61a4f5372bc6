"""What a run has to have done, besides its exit code and its counts."""

from knobs.cases.case import Check
from knobs.world import Played, World


def charges(each_cu: float) -> Check:
    """Every sidecar says that its job was charged this amount."""

    def check(world: World, _played: Played) -> None:
        costs = [sidecar["cost"]["charged"] for sidecar in world.sidecars().values()]
        assert costs == [each_cu] * len(costs)

    return check


def says(text: str) -> Check:
    """The run's messages contain this text."""

    def check(_world: World, played: Played) -> None:
        words = [f"{event.reason} {event.hint}" for event in played.failures]
        stopped_by = played.error or (played.result and played.result.stopped_by)
        if stopped_by:
            words.append(f"{stopped_by.message} {stopped_by.hint}")
        assert text in " | ".join(words + played.warnings)

    return check


def files(count: int, suffix: str = ".png") -> Check:
    """There are this many files, of this kind."""

    def check(world: World, _played: Played) -> None:
        names = list(world.sidecars())
        assert len(names) == count
        assert all(name.endswith(suffix) for name in names), names

    return check


def shaped(width_px: int, height_px: int) -> Check:
    """Every picture has this size."""

    def check(world: World, _played: Played) -> None:
        sizes = {
            (sidecar["width_px"], sidecar["height_px"])
            for sidecar in world.sidecars().values()
        }
        assert sizes == {(width_px, height_px)}

    return check


def uploads(count: int) -> Check:
    """There were this many uploads."""

    def check(_world: World, played: Played) -> None:
        assert played.counters["uploads"] == count

    return check


def asks(**requests: int) -> Check:
    """There were this many requests of these kinds, written as plurals."""

    def check(_world: World, played: Played) -> None:
        made = played.counters["requests"]
        counted = {name: made.get(name.removesuffix("s"), 0) for name in requests}
        assert counted == requests

    return check


def refunds(amount_cu: float) -> Check:
    """The service refunded this amount."""

    def check(_world: World, played: Played) -> None:
        assert played.counters["refunded_cu"] == amount_cu

    return check


def most_in_flight(count: int) -> Check:
    """At most this many jobs were in flight, and at one time so many."""

    def check(_world: World, played: Played) -> None:
        assert played.counters["most_in_flight"] == count

    return check
