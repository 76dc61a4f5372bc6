"""A local stand-in for the service, for tests, for demos and for anybody's CI.

Written from the service contract alone and never from our client, of which it
imports nothing: two independent readings of one contract catch each other.
"""

from pipeline.emulator.faults import FAULTS, Faults, parse_fault_rate
from pipeline.emulator.profile import EmulatorProfile
from pipeline.emulator.server import Emulator, serve

__all__ = [
    "FAULTS",
    "Emulator",
    "EmulatorProfile",
    "Faults",
    "parse_fault_rate",
    "serve",
]
