"""Named places at which a test can have the process die as if its power had gone.

``PIPELINE_FAULT_POINT=intent-recorded`` kills at the first arrival there,
``intent-recorded:3`` at the third. Without the variable a point costs one comparison.
"""

import os
import signal
from collections.abc import Mapping
from typing import Final

VARIABLE = "PIPELINE_FAULT_POINT"
FAULT_POINTS: Final = (
    "intent-recorded",  # SUBMITTING is durable, no byte of the POST has left
    "answer-received",  # the service has the job, the ledger does not know it
    "job-recorded",  # SUBMITTED is durable
    "end-recorded",  # SUCCEEDED is durable
    "chunk-written",  # a part of the asset is on disk
    "download-synced",  # the asset is whole, beside its place
    "asset-placed",  # the asset is in its place, its sidecar is not
    "sidecar-placed",  # both are in place, SAVED is not recorded
    "saved-recorded",  # SAVED is durable
    "rename-file-placed",  # a renamed item's file has both names
    "rename-recorded",  # its new name is durable, the file has both still
)


class _Armed:
    """Which point kills, and how many arrivals are left."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.name, _, count = environment.get(VARIABLE, "").partition(":")
        self.left = int(count) if count.isdecimal() else 1


_armed = _Armed(os.environ)


def reach(name: str) -> None:
    """The process is at the named point; it may not get any further."""
    if name != _armed.name:
        return
    _armed.left -= 1
    if _armed.left == 0:
        if hasattr(signal, "SIGKILL"):
            os.kill(os.getpid(), signal.SIGKILL)
        os._exit(137)
