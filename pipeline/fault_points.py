"""Fault injection: named points at which a test can kill the process.

The kill is immediate, as in a power failure. ``PIPELINE_FAULT_POINT=intent-recorded``
kills the process when it first reaches that point, ``intent-recorded:3`` the third
time. Without the variable, a point costs one comparison.
"""

import os
import signal
from collections.abc import Mapping
from typing import Final

VARIABLE = "PIPELINE_FAULT_POINT"
FAULT_POINTS: Final = (
    "intent-recorded",  # SUBMITTING is durable, no byte of the POST is sent
    "answer-received",  # the service has the job, but the ledger does not know it
    "job-recorded",  # SUBMITTED is durable
    "end-recorded",  # SUCCEEDED is durable
    "chunk-written",  # a part of the asset is on disk
    "download-synced",  # the asset is complete, under a temporary name
    "processed",  # the file made from the asset is complete, under a temporary name
    "original-placed",  # the original is among those that are kept
    "asset-placed",  # the asset is in place, its sidecar is not
    "sidecar-placed",  # both are in place, SAVED is not recorded
    "saved-recorded",  # SAVED is durable
    "run-ended",  # the run is over, the store has an earlier copy of the ledger
    "rename-file-placed",  # a renamed item's file has both names
    "review-written",  # the review file has a decision, no file has moved yet
    "move-recorded",  # a take's file has its new name on record, and both on disk
    "rename-recorded",  # the new name is durable, the file still has both names
)


class _Armed:
    """The point that kills, and after how many more passes."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.name, _, count = environment.get(VARIABLE, "").partition(":")
        self.left = int(count) if count.isdecimal() else 1


_armed = _Armed(os.environ)


def reach(name: str) -> None:
    """Mark that the process has reached the named point; may kill the process."""
    if name != _armed.name:
        return
    _armed.left -= 1
    if _armed.left == 0:
        if hasattr(signal, "SIGKILL"):
            os.kill(os.getpid(), signal.SIGKILL)
        os._exit(137)
