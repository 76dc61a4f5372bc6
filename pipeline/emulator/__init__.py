"""A local stand-in for the service, for tests, for demos and for anybody's CI.

Written from the service contract alone and never from our client, of which it
imports nothing: two independent readings of one contract catch each other. Names are
imported when first used, so that its model records cost no server.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.emulator.faults import FAULTS, FaultInjector, parse_fault_rate
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
    "FaultInjector": "pipeline.emulator.faults",
    "parse_fault_rate": "pipeline.emulator.faults",
    "serve": "pipeline.emulator.web.server",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'pipeline.emulator' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
