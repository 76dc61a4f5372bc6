"""The service's own time: whole milliseconds that never go back.

It follows the wall clock, because jobs continue while the emulator is not running. If
the wall clock is set back, the service's time stands still until the clock has caught
up.
"""

from datetime import UTC, datetime, timedelta

from pipeline.clock import Clock, parse_utc

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
MS_PER_S = 1000


class Timeline:
    """The service's time.

    Args:
        clock: The source of the time.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._latest_ms = 0

    def now_ms(self) -> int:
        """Milliseconds since 1970, never less than at the previous call."""
        self._latest_ms = max(self._latest_ms, to_ms(self.clock.utc_now()))
        return self._latest_ms

    def not_before(self, moment_ms: int) -> None:
        """Never tell a time before this one: a record of an earlier start has it."""
        self._latest_ms = max(self._latest_ms, moment_ms)


def to_ms(moment: datetime) -> int:
    """Whole milliseconds since 1970, rounded down."""
    return (moment - EPOCH) // MILLISECOND


def iso(moment_ms: int) -> str:
    """A time in the form of the service, such as ``2026-10-02T21:20:16.925Z``."""
    moment = EPOCH + moment_ms * MILLISECOND
    return f"{moment.isoformat(timespec='milliseconds')[:-6]}Z"


def from_iso(text: str) -> int:
    """The inverse of :func:`iso`.

    Raises:
        ValueError: ``text`` is no ISO 8601 date.
    """
    return to_ms(parse_utc(text))


def span_ms(seconds: float) -> int:
    """Seconds as whole milliseconds."""
    return round(seconds * MS_PER_S)
