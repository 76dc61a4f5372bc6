"""Struct: the base of every record that there are many of; made and copied in C.

A frozen dataclass of a job's size takes three times as long to make and thirty times as
long to copy with a change, and each class some tenths of a millisecond to define, at
every start. What a caller makes or keeps (``Settings``, ``Selection``, ``Manifest``,
``RunResult``) is a dataclass, as people expect.
"""

from msgspec import Struct, field
from msgspec.structs import asdict, replace

__all__ = ["Struct", "asdict", "field", "replace"]
