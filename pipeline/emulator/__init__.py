"""A local stand-in for the service, for tests, demonstrations and CI.

It is written from the service contract alone. It imports nothing of the client, so that
a mistake in reading the contract shows as a difference between the two. The names are
imported when they are first used: reading the model records needs no HTTP server.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.emulator.fault_injector import FaultInjector
    from pipeline.emulator.faults import FAULTS, parse_fault_rate
    from pipeline.emulator.profile import EmulatorProfile
    from pipeline.emulator.web.server import Emulator, serve

__all__ = [
    "FAULTS",
    "Emulator",
    "EmulatorProfile",
    "FaultInjector",
    "parse_fault_rate",
    "serve",
]

_HOMES = {
    "FAULTS": "pipeline.emulator.faults",
    "Emulator": "pipeline.emulator.web.server",
    "EmulatorProfile": "pipeline.emulator.profile",
    "FaultInjector": "pipeline.emulator.fault_injector",
    "parse_fault_rate": "pipeline.emulator.faults",
    "serve": "pipeline.emulator.web.server",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'pipeline.emulator' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
