"""Clock: the protocol through which the package reads and waits for time.

No other code in the package calls ``time`` or ``anyio.sleep`` to pass time, so that a
test can control the clock.
"""

import time
from datetime import UTC, datetime
from typing import Protocol

import anyio


class Clock(Protocol):
    """What the package needs to know about time."""

    def utc_now(self) -> datetime:
        """The wall-clock time, timezone-aware, in UTC; it may jump."""

    def monotonic_s(self) -> float:
        """Seconds from an arbitrary origin that never go backwards."""

    async def sleep(self, duration_s: float) -> None:
        """Suspend for ``duration_s`` seconds; 0 only yields to other tasks."""


class SystemClock:
    """The machine's clocks."""

    def utc_now(self) -> datetime:
        """The wall-clock time, timezone-aware, in UTC."""
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        """Seconds that never go backwards."""
        return time.monotonic()

    async def sleep(self, duration_s: float) -> None:
        """Suspend for ``duration_s`` seconds."""
        await anyio.sleep(duration_s)


def format_utc(moment: datetime) -> str:
    """A time in the service's format: ``2026-10-02T21:20:16.925Z``."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def format_utc_or_none(moment: datetime | None) -> str | None:
    """As :func:`format_utc`; None stays None."""
    return None if moment is None else format_utc(moment)


def parse_utc(text: str) -> datetime:
    """The inverse of :func:`format_utc`; a time without a zone is taken as UTC.

    Raises:
        ValueError: ``text`` is not an ISO 8601 date.
    """
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
