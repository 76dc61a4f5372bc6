"""Struct: the base of records that exist in large numbers; created and copied in C.

A frozen dataclass as large as a job takes three times as long to create and thirty
times as long to copy with a change. Defining each class also costs some tenths of a
millisecond at every start. Records of the public API (``Settings``, ``Selection``,
``Manifest``, ``RunResult``) are dataclasses, as users expect.
"""

from msgspec import Struct, field
from msgspec.structs import asdict, replace

__all__ = ["Struct", "asdict", "field", "replace"]
