"""RunTail: reads on in the event log of whatever run writes it. Blocking."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.clock import Clock
from pipeline.operations.event_log import BEAT_S, events_path
from pipeline.storage.regular_file import open_regular

SILENCE_S = 4 * BEAT_S  # a run that is alive writes, or renews the file's time, sooner
_MOST_BYTES = 8 << 20  # of one look
_HEAD_BYTES = 256
_LAST = frozenset({"done", "silent"})


class RunTail:
    """Follows the runs of one output folder.

    Args:
        output: The output folder; it need not exist.
        clock: The source of time.

    Attributes:
        output: As given.
    """

    def __init__(self, output: Path, clock: Clock) -> None:
        self.output = output
        self._path = events_path(output)
        self._clock = clock
        self._head = b""
        self._offset = 0
        self._changed: int | None = None  # when the file was changed last
        self._changed_s = 0.0
        self._is_over = True

    def look(self) -> list[Mapping[str, Any]]:
        """The events since the last look, as ``--json`` prints them.

        After a run that has ended without a word, such as one that was killed, comes
        one event ``silent``.
        """
        try:
            with open_regular(self._path, inside=self.output) as file:
                about = os.fstat(file.fileno())
                # Inodes are used again; the number of the run is in its first line.
                head = file.read(_HEAD_BYTES)
                is_same = bool(self._head) and head.startswith(self._head)
                if not is_same or about.st_size < self._offset:
                    self._offset = 0
                self._head = head
                file.seek(self._offset)
                data = file.read(_MOST_BYTES)
        except OSError:
            return []
        now_s = self._clock.monotonic_s()
        if about.st_mtime_ns != self._changed:
            self._changed, self._changed_s = about.st_mtime_ns, now_s
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        events = list(_read(whole))
        if events:
            self._is_over = events[-1]["event"] in _LAST
        elif not self._is_over and now_s - self._changed_s > SILENCE_S:
            self._is_over = True
            events.append({"event": "silent"})
        return events


def _read(lines: bytes) -> Iterator[Mapping[str, Any]]:
    for line in lines.splitlines():
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(fields, dict) and isinstance(fields.get("event"), str):
            yield fields
