"""Decides which fault is injected into which request, by script or by chance."""

import random
from collections import defaultdict, deque
from collections.abc import Mapping

from pipeline.emulator.faults import (
    FAULTS,
    InjectedFault,
    find_fault,
    parse_fault_rate,
)
from pipeline.emulator.identity import random_of


class FaultInjector:
    """Chooses the faults of an emulator.

    Args:
        rates: The probability of each fault, by name. Several faults of one class of
            endpoints are tried in this order.
        seed: Determines the draws. Each fault has a random series of its own.

    Raises:
        ValueError: There is no fault of that name, or the rate is no probability.
    """

    def __init__(
        self, rates: Mapping[str, float] | None = None, seed: object = 0
    ) -> None:
        for name, rate in (rates or {}).items():
            parse_fault_rate(f"{name}={rate}")
        self.rates = dict(rates or {})
        self._scripted: defaultdict[str, deque[InjectedFault]] = defaultdict(deque)
        self._chances: dict[str, random.Random] = {}
        self.reseed(seed)

    def reseed(self, seed: object) -> None:
        """Start the draws again from this seed."""
        self._seed = seed
        self._chances.clear()

    def next(self, name: str, times: int = 1) -> None:
        """Inject this fault into the next matching requests, first in, first out.

        Raises:
            ValueError: There is no fault of that name.
        """
        fault = find_fault(name)
        self._scripted[fault.endpoint].extend([fault] * times)

    def clear(self) -> None:
        """Forget every scripted fault and every rate."""
        self._scripted.clear()
        self.rates.clear()

    def draw(self, endpoint: str) -> InjectedFault | None:
        """The fault to inject into this request, if any."""
        if self._scripted[endpoint]:
            return self._scripted[endpoint].popleft()
        drawn: InjectedFault | None = None
        for name, rate in self.rates.items():
            fault = FAULTS[name]
            if fault.endpoint != endpoint:
                continue
            # Draw even after a hit: the series of one fault must not depend on which
            # other faults are in use.
            is_hit = self._chance(name).random() < rate
            drawn = drawn or (fault if is_hit else None)
        return drawn

    def _chance(self, name: str) -> random.Random:
        if name not in self._chances:
            self._chances[name] = random_of(self._seed, name)
        return self._chances[name]
