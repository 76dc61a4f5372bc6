"""The lock file: Jobs ↔ ``<manifest>.lock``, which is committed with the manifest.

It tells a checkout without outputs what is paid for. The text is YAML, but read line by
line, so that a million items are not a million records in memory. Reconciling it with a
ledger is left to the caller.
"""

from pipeline.lockfile.reading import LockHeader, check_size, read_lock
from pipeline.lockfile.writing import keep_details, lock_path, render_lock, write_lock

__all__ = [
    "LockHeader",
    "check_size",
    "keep_details",
    "lock_path",
    "read_lock",
    "render_lock",
    "write_lock",
]
