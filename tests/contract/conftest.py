"""A service with these answers, on a clock that moves when all wait, and an inquiry."""

from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from doubles.quick_clock import QuickClock
from doubles.tables import shipped_model
from doubles.watched_loop import pytest_asyncio_loop_factories  # noqa: F401 - hook

from pipeline.api.exchange import Exchanges
from pipeline.api.probing import ProbeClient
from pipeline.clock import format_utc
from pipeline.contract.inquiry import (
    SMALL_MODEL_ID,
    Findings,
    Inquiry,
    Questions,
)
from pipeline.contract.paid_probes import Step
from pipeline.emulator import Emulator, EmulatorProfile
from pipeline.settings import Credentials, Service

MODEL = "model_wan-2-7-image"
# A little time for each request, so that what comes later is later. What costs something
# is asked of the model itself, as at a service without the small one.
SMALL = {
    "seed": 7,
    "fixed_size_px": 16,
    "answer_delay_s": 0.01,
    "restricted_models": (SMALL_MODEL_ID,),
}
CANARY_KEY, CANARY_SECRET = "canaryKeyOfOurs", "canarySecretOfOurs"


def credentials_for(base_url: str) -> Credentials:
    return Credentials(key=CANARY_KEY, secret=CANARY_SECRET, base_url=base_url)


def questions_for(base_url: str, **changes: Any) -> Questions:
    shipped = shipped_model(MODEL)
    values = {
        "service": Service(base_url=base_url),
        "model_id": MODEL,
        "shipped": tuple(shipped.inputs),
        "is_loopback": True,
        "asks_rate": False,
        "interval_s": 1.0,
        **changes,
    }
    return Questions(**values)


@dataclass(slots=True)
class Place:
    """A running service to ask."""

    emulator: Emulator
    clock: QuickClock
    asked: list[Sequence[Step]] = field(default_factory=list)

    async def ask(
        self,
        *,
        agrees: bool = True,
        spend: int = 0,
        asks_rate: bool = False,
        through: Callable[[Exchanges], Exchanges] = lambda exchanges: exchanges,
    ) -> Findings:
        async def at_once() -> None:
            """No limit of ours."""

        def agree(steps: Sequence[Step]) -> bool:
            self.asked.append(steps)
            return agrees

        base_url = self.emulator.base_url
        async with ProbeClient(
            credentials_for(base_url), self.clock, at_once
        ) as client:
            inquiry = Inquiry(
                questions_for(base_url, budget=Decimal(spend), asks_rate=asks_rate),
                through(client),
                now=lambda: format_utc(self.clock.utc_now()),
                tell=lambda _what: None,
                agree=agree,
            )
            async with self.clock.running():
                await inquiry.ask()
            return inquiry.findings()


@pytest.fixture
def place_of():
    @asynccontextmanager
    async def start(**knobs: Any):
        clock = QuickClock()
        profile = EmulatorProfile.of(**{**SMALL, **knobs})
        async with Emulator(profile=profile, clock=clock) as emulator:
            yield Place(emulator=emulator, clock=clock)

    return start
