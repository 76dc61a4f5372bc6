"""EventLog: the events of a run, in a file that other processes follow while it lasts.

``report/events.jsonl`` in the output folder has the lines of ``--json``. Each run
begins it anew. It is for display alone: a thread writes it, nothing waits for the disk,
it is not synced, and a run goes on without it.
"""

import json
import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, BinaryIO

from pipeline.errors import OutputError
from pipeline.operations.event_fields import event_fields
from pipeline.output.names import REPORT_FOLDER
from pipeline.redaction import SECRETS
from pipeline.running.events import Event
from pipeline.storage.atomic_file import FOLDER_MODE
from pipeline.storage.regular_file import check_own

EVENTS_NAME = "events.jsonl"
BEAT_S = 5.0  # after which a silent run shows that it is alive, by the file's time
_MOST_BYTES = 32 << 20  # then it begins anew, with the line of the beginning
_LONGEST_END_S = 2.0  # for a disk that does not answer

logger = logging.getLogger(__name__)


def events_path(output: Path) -> Path:
    """Where the events of a run are."""
    return output / REPORT_FOLDER / EVENTS_NAME


class EventLog:
    """Writes the events of one run.

    Args:
        output: The output folder, which the run holds.
        most_bytes: The size at which the file begins anew.
    """

    def __init__(self, output: Path, *, most_bytes: int = _MOST_BYTES) -> None:
        self._output = output
        self._most_bytes = most_bytes
        self._queue: SimpleQueue[Mapping[str, Any] | None] = SimpleQueue()
        self._thread: Thread | None = None

    def begin(self) -> None:
        """Begin the file; events before this are left out."""
        path = events_path(self._output)
        try:
            check_own(path.parent, is_folder=True)
            path.parent.mkdir(FOLDER_MODE, exist_ok=True)
            path.unlink(missing_ok=True)  # so that no link is followed
            file = path.open("xb", buffering=0)
        except (OSError, OutputError) as error:  # a run goes on without it
            logger.info("%s cannot be written: %s", path, error)
            return
        self._thread = Thread(target=self._write, args=(file,), daemon=True)
        self._thread.start()

    def take(self, event: Event) -> None:
        """Add an event; quick, and never waits."""
        if self._thread is None:
            return
        fields = event_fields(event)
        if fields is not None:
            self._queue.put(fields)

    def end(self, fields: Mapping[str, Any]) -> None:
        """Add the end of the run, and wait until all is written, or for a while."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(fields)
            self._queue.put(None)
            thread.join(_LONGEST_END_S)

    def _write(self, file: BinaryIO) -> None:
        launched = b""
        try:
            with file:
                while True:
                    batch = self._next_batch(file)
                    if begun := [one for one in batch if _is_launch(one)]:
                        launched = _lines_of(begun[-1:])
                    lines = _lines_of(one for one in batch if one is not None)
                    if file.tell() + len(lines) > self._most_bytes:
                        file.seek(0)
                        file.truncate()
                        lines = launched + lines
                    file.write(lines)
                    if None in batch:
                        return
        except OSError as error:
            logger.info("the events cannot be written: %s", error)
            self._thread = None  # so that nobody keeps what nobody reads

    def _next_batch(self, file: BinaryIO) -> list[Mapping[str, Any] | None]:
        """All that is waiting; at least one, for which it waits."""
        while True:
            try:
                batch = [self._queue.get(timeout=BEAT_S)]
            except Empty:
                os.utime(file.name)
                continue
            while True:
                try:
                    batch.append(self._queue.get_nowait())
                except Empty:
                    return batch


def _is_launch(fields: Mapping[str, Any] | None) -> bool:
    return fields is not None and fields["event"] == "launch"


def _lines_of(events: Iterable[Mapping[str, Any] | None]) -> bytes:
    text = "".join(f"{json.dumps(one)}\n" for one in events)
    return SECRETS.clean(text).encode()
