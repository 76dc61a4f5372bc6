"""Calls of the service: counted, and failing or waiting as a test says.

``FakeCalls`` is the part of ``FakeApi`` that knows nothing of what is called.
"""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.lowlevel

from pipeline.clock import Clock
from pipeline.errors import OutcomeUnknown, PipelineError, Unavailable

Point = Callable[[str], None]


@dataclass(slots=True)
class _Trouble:
    error: PipelineError | None
    after: bool
    where: Callable[[tuple[Any, ...]], bool]
    held: anyio.Event | None = None


@dataclass(slots=True)
class FakeCalls:
    """What every call has in common.

    Attributes:
        clock: Whose time its jobs live in.
        on_point: Called with the method before its effect and with ``method!``
            after it, each before a checkpoint; may cancel.
        calls: How often each method was called.
        says_emulator: Whether it says that it is our emulator.
    """

    clock: Clock
    on_point: Point = lambda _name: None
    calls: Counter[str] = field(default_factory=Counter)
    _trouble: defaultdict[str, list[_Trouble]] = field(
        default_factory=lambda: defaultdict(list)
    )
    _broken: dict[str, PipelineError] = field(default_factory=dict)
    _spared: Counter[str] = field(default_factory=Counter)
    says_emulator: bool = False
    _answered_at_s: float | None = None

    def fail_next(
        self,
        method: str,
        error: PipelineError,
        *,
        after: bool = False,
        times: int = 1,
        where: Callable[..., bool] = lambda *_arguments: True,
    ) -> None:
        """Let the next matching calls fail, before or after they took effect."""
        for _ in range(times):
            self._trouble[method].append(
                _Trouble(error, after, lambda arguments: where(*arguments))
            )

    def hold_next(self, method: str, *, after: bool = True) -> anyio.Event:
        """Let the next call wait for its answer until the event is set."""
        event = anyio.Event()
        self._trouble[method].append(_Trouble(None, after, lambda _a: True, event))
        return event

    def spare_next(self, method: str) -> None:
        """Take back what :meth:`fail_next` and :meth:`hold_next` have in store."""
        self._trouble[method].clear()

    def break_down(
        self, *methods: str, error: PipelineError | None = None, spared: int = 0
    ) -> None:
        """Let every call of these methods fail from now on, but for the first ones.

        Args:
            methods: Of the API.
            error: What they raise.
            spared: How many calls of each still answer: one listing is the mark that
                is read before the first submit.
        """
        for method in methods:
            self._broken[method] = error or Unavailable("no route to the service")
            self._spared[method] = spared

    def mend(self, *methods: str) -> None:
        """Let these methods, or all, answer again."""
        for method in methods or list(self._broken):
            self._broken.pop(method, None)

    def forget_everything_answered(self) -> None:
        """As for a new process of ours: the service has not answered yet."""
        self._answered_at_s = None

    @property
    def answered_at_s(self) -> float | None:
        return self._answered_at_s

    @property
    def is_emulator(self) -> bool:
        return self.says_emulator

    @asynccontextmanager
    async def _call(self, method: str, *arguments: object) -> AsyncIterator[None]:
        self.calls[method] += 1
        await self._pass(method)
        trouble = next(
            (entry for entry in self._trouble[method] if entry.where(arguments)), None
        )
        if trouble is not None:
            self._trouble[method].remove(trouble)
        if method in self._broken and not self._spare(method):
            raise _fresh(self._broken[method])
        if trouble is not None and not trouble.after:
            await self._strike(trouble)
        try:
            yield
        except PipelineError:
            self._answered_at_s = self.clock.monotonic_s()
            raise
        await self._pass(f"{method}!")
        if trouble is not None and trouble.after:
            await self._strike(trouble)
        self._answered_at_s = self.clock.monotonic_s()

    def _spare(self, method: str) -> bool:
        self._spared[method] -= 1
        return self._spared[method] >= 0

    async def _pass(self, point: str) -> None:
        self.on_point(point)
        await anyio.lowlevel.checkpoint()

    async def _strike(self, trouble: _Trouble) -> None:
        if trouble.held is not None:
            await trouble.held.wait()
        error = trouble.error
        if error is None:
            return
        silent = isinstance(error, OutcomeUnknown) or (
            isinstance(error, Unavailable) and not error.status
        )
        if not silent:
            self._answered_at_s = self.clock.monotonic_s()
        raise _fresh(error)


def _fresh(error: PipelineError) -> PipelineError:
    """The same error, without the traceback of an earlier raise."""
    return error.with_traceback(None)
