"""Activity: what a command does now and whether the service answers, to be shown.

The code that works writes it; a screen reads it. Nothing here waits or prints.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pipeline.clock import Clock
from pipeline.errors import PipelineError, RateLimited, Unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestBudget:
    """How many of the requests that are allowed in a minute have been sent.

    Attributes:
        used: Requests of the last minute, other processes' included.
        limit: The most in a minute, or None for no limit.
        held_s: Seconds until the next request of any kind may be sent; 0 for now.
    """

    used: int
    limit: int | None
    held_s: float = 0.0


_NO_BUDGET = RequestBudget(used=0, limit=None)


class Activity:
    """The current phase of a command, and its requests to the service.

    Args:
        clock: The source of time.

    Attributes:
        trouble: Why the last request failed without a usable answer, or "" after an
            answer.
        has_answered: Whether the failed request was answered, with a server error.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._phase: Callable[[], str] = lambda: ""
        self._phase_s = clock.monotonic_s()
        self._requests: dict[object, tuple[str, float]] = {}
        self._failing_since_s = 0.0
        self._answered_s = float("-inf")
        self._find_requests: Callable[[], RequestBudget] = lambda: _NO_BUDGET
        self.trouble = ""
        self.has_answered = False

    def begin(self, phase: str | Callable[[], str]) -> None:
        """Begin a phase, which replaces the one before.

        Args:
            phase: What is done, such as ``asking for prices``; called when it is shown
                if it changes; "" while only the items show what is done.
        """
        text = phase
        self._phase = text if callable(text) else lambda: text
        self._phase_s = self._clock.monotonic_s()

    @property
    def phase(self) -> str:
        """What the command does now, or "" if only the items show it."""
        return self._phase()

    @property
    def phase_lasts_s(self) -> float:
        """Seconds since the phase began."""
        return self._clock.monotonic_s() - self._phase_s

    def watch_requests(self, find: Callable[[], RequestBudget]) -> None:
        """Have :attr:`requests` found by this function, which is quick."""
        self._find_requests = find

    @property
    def requests(self) -> RequestBudget:
        """The request budget now."""
        return self._find_requests()

    @contextmanager
    def request(self, what: str) -> Iterator[None]:
        """Note a request while the block waits for its answer.

        Args:
            what: As in ``listing jobs``.
        """
        token = object()
        self._requests[token] = what, self._clock.monotonic_s()
        try:
            yield
        except Unavailable as error:
            if isinstance(error, RateLimited):
                self._note_answer()
            else:
                self._note_failure(error)
            raise
        except PipelineError:
            self._note_answer()
            raise
        else:
            self._note_answer()
        finally:
            del self._requests[token]

    @property
    def request_in_flight(self) -> str:
        """The oldest request that waits for its answer, or ""."""
        return next((what for what, _ in self._requests.values()), "")

    @property
    def silent_s(self) -> float:
        """Seconds that the oldest request waits, with no answer to any; 0 for none."""
        begun_s = next((begun_s for _, begun_s in self._requests.values()), None)
        if begun_s is None:
            return 0.0
        return self._clock.monotonic_s() - max(begun_s, self._answered_s)

    @property
    def failing_s(self) -> float:
        """Seconds since the first of the failures in a row; 0 after an answer."""
        if not self.trouble:
            return 0.0
        return self._clock.monotonic_s() - self._failing_since_s

    def _note_answer(self) -> None:
        self.trouble = ""
        self._answered_s = self._clock.monotonic_s()

    def _note_failure(self, error: Unavailable) -> None:
        if not self.trouble:
            self._failing_since_s = self._clock.monotonic_s()
        self.trouble, self.has_answered = error.message, bool(error.status)
