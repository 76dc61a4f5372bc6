"""PaceState: what the processes of one project on this machine share of their pace.

When requests have left within the last minute, and until when the service takes no
submits, in one small file of the user's state folder. It is written in place under a
lock, without a sync: a power cut forgets a minute of requests and no money.

Times in the file are of the wall clock, which may jump: a time that lies ahead counts
as now, and no pause is longer than it was when the service named it, nor than
``LONGEST_PAUSE_S``. What was ahead is written back as it counts, or it would count as
now for ever.
"""

import hashlib
import json
import math
import os
import stat
import struct
from array import array
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline.record import Struct
from pipeline.settings import Credentials

STATE_VARIABLE = "PIPELINE_STATE_DIR"
# A minute, and a second for what is longer on its way than the one before it.
WINDOW_S = 61.0
LONGEST_PAUSE_S = 86_400.0
CAUTIOUS_S = 86_400.0  # so long after a cooldown another one is expected
_MAGIC = b"PPPACE1\n"
_HEADER = struct.Struct("<8s3d")  # magic, pause's end, pause's length, last cooldown
_MOST_BYTES = 1 << 20
_WRITE_WAIT_S = 0.5  # for the lock, where it has to be had


class StateBusy(Exception):
    """Another process has the file at this moment."""


class Shared(Struct, frozen=True, kw_only=True):
    """A moment of the shared state.

    Attributes:
        wait_s: Until the next request may leave; 0 where it was taken.
        used: Requests of the last minute, of all processes, the one taken included.
        paused_s: Until the service takes submits again; 0 when it does.
        is_cautious: Whether there was a cooldown within the last day.
    """

    wait_s: float = 0.0
    used: int = 0
    paused_s: float = 0.0
    is_cautious: bool = False


class _Content(Struct):
    """The file as it counts at one moment.

    Attributes:
        was_ahead: Whether the file has later times than these.
    """

    stamps: list[float]
    paused_until: float = 0.0
    pause_s: float = 0.0
    cooled_at: float = 0.0
    was_ahead: bool = False

    def paused_s(self, now: float) -> float:
        return max(0.0, self.paused_until - now)

    def shared(self, now: float, wait_s: float = 0.0) -> Shared:
        return Shared(
            wait_s=wait_s,
            used=len(self.stamps),
            paused_s=self.paused_s(now),
            is_cautious=0.0 <= now - self.cooled_at < CAUTIOUS_S,
        )


class PaceState:
    """The file of one project. Each method is some ten system calls.

    Every method raises ``OSError`` where the file cannot be used.

    Args:
        path: Of the file; its folder is made when something has to be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = FileLock(path.with_suffix(".lock"), thread_local=False)

    def look(self, now: float) -> Shared:
        """How it stands; without the lock, for what may be out of date.

        Without a limit nothing is taken, so that times ahead are written back here.
        """
        content = self._read(now)
        if content.was_ahead:
            with suppress(StateBusy, OSError), self._locked(0.0):  # a later look will
                self._write(self._read(now))
        return content.shared(now)

    def take(self, now: float, limit: int) -> Shared:
        """Note a request that leaves now, if the limit allows it.

        Args:
            now: Seconds of the wall clock.
            limit: Requests within ``WINDOW_S``.

        Raises:
            StateBusy: Try again in a moment.
        """
        with self._locked(0.0):
            content = self._read(now)
            excess = len(content.stamps) - limit
            if excess >= 0:
                if content.was_ahead:
                    self._write(content)
                wait_s = sorted(content.stamps)[excess] + WINDOW_S - now
                return content.shared(now, max(wait_s, 0.001))
            content.stamps.append(now)
            self._write(content)
            return content.shared(now)

    def fill(self, now: float, limit: int) -> None:
        """The service says that no more requests may leave now.

        Raises:
            StateBusy: Others have the file for longer than is worth waiting.
        """
        with self._locked(_WRITE_WAIT_S):
            content = self._read(now)
            missing = limit - len(content.stamps)
            if missing > 0:
                content.stamps += [now] * missing
                self._write(content)

    def pause(self, now: float, duration_s: float) -> None:
        """The service takes no submits for so long; a longer pause stays.

        Raises:
            StateBusy: As for :meth:`fill`.
        """
        with self._locked(_WRITE_WAIT_S):
            content = self._read(now)
            content.cooled_at = now
            if duration_s > content.paused_s(now):
                content.paused_until = now + duration_s
                content.pause_s = duration_s
            self._write(content)

    @contextmanager
    def _locked(self, wait_s: float) -> Iterator[None]:
        try:
            if not self._path.parent.is_dir():
                self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock.acquire(timeout=wait_s, poll_interval=0.005, blocking=wait_s > 0)
        except Timeout as error:
            raise StateBusy from error
        except NotImplementedError as error:  # a file system without locks
            raise OSError(str(error)) from error
        try:
            yield
        finally:
            self._lock.release()

    def _read(self, now: float) -> _Content:
        """What the file says, as far as it can be; what cannot be is left out."""
        raw = self._read_bytes()
        if len(raw) < _HEADER.size or (len(raw) - _HEADER.size) % 8:
            return _Content(stamps=[])
        magic, *numbers = _HEADER.unpack_from(raw)
        if magic != _MAGIC:
            return _Content(stamps=[])
        stamps = array("d", raw[_HEADER.size :])
        paused_until, pause_s, cooled_at = (
            number if math.isfinite(number) else 0.0 for number in numbers
        )
        pause_s = min(pause_s, LONGEST_PAUSE_S)
        latest_end = now + pause_s
        return _Content(
            paused_until=min(paused_until, latest_end),
            pause_s=pause_s,
            cooled_at=cooled_at,
            stamps=[min(stamp, now) for stamp in stamps if stamp > now - WINDOW_S],
            was_ahead=paused_until > latest_end or any(stamp > now for stamp in stamps),
        )

    def _read_bytes(self) -> bytes:
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        try:
            handle = os.open(self._path, flags)  # a pipe is not waited for
        except FileNotFoundError:
            return b""
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise OSError(f"{self._path} is no file")
            return os.read(handle, _MOST_BYTES)
        finally:
            os.close(handle)

    def _write(self, content: _Content) -> None:
        header = _HEADER.pack(
            _MAGIC, content.paused_until, content.pause_s, content.cooled_at
        )
        raw = header + array("d", content.stamps).tobytes()
        flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0)
        handle = os.open(self._path, flags, 0o600)
        try:
            os.write(handle, raw)
            os.ftruncate(handle, len(raw))
        finally:
            os.close(handle)


def state_path(
    credentials: Credentials, environment: Mapping[str, str] = os.environ
) -> Path:
    """The file of a project: ``PIPELINE_STATE_DIR``, or the user's state folder.

    A key belongs to one project: its digest stands for a project that is not named.
    """
    whose = credentials.project_id or f"key {credentials.key}"
    named = json.dumps([credentials.base_url, whose])
    name = f"{hashlib.sha256(named.encode()).hexdigest()[:32]}.pace"
    if chosen := environment.get(STATE_VARIABLE):
        return Path(chosen) / name
    from platformdirs import user_state_path  # noqa: PLC0415 - seldom needed

    return user_state_path("scenario-pipeline", appauthor=False) / name
