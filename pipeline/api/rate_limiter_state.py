"""RateLimiterState: what a project's processes on this machine share of the limit.

One small file in the user's state folder holds when requests were sent within the last
minute, what part of the limit is ours, and until when the service accepts no submits.
It is written in place under a lock, without a sync: a power cut loses a minute of
requests, and no money.

Times in the file are wall-clock times, and that clock may jump. So a time in the future
counts as now, and no pause is longer than the service said, or than
``LONGEST_PAUSE_S``. Corrected times are written back, or they would count as now
forever.
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

from pipeline.api.allowance import WINDOW_S, Allowance
from pipeline.record import Struct
from pipeline.settings import Credentials, user_folder

STATE_VARIABLE = "PIPELINE_STATE_DIR"
LONGEST_PAUSE_S = 86_400.0
CAUTIOUS_S = 86_400.0  # for so long after a cooldown another one is expected
_MAGIC = b"PPPACE2\n"
# Magic; the pause's end and length, the last cooldown; the allowance and its refusal.
_HEADER = struct.Struct("<8s5d")
_MOST_BYTES = 1 << 20
_WRITE_WAIT_S = 0.5  # for the lock, if it is really needed


class StateBusy(Exception):
    """Another process is using the file at the moment."""


class Shared(Struct, frozen=True, kw_only=True):
    """The shared state at one moment.

    Attributes:
        wait_s: Until the next request may be sent; 0 if a turn was taken.
        used: Requests of all processes in the last minute, including the one just
            taken.
        paused_s: Until the service accepts submits again; 0 if it does now.
        is_cautious: Whether there was a cooldown in the last day.
        allowance: The part of the limit that is ours, on the wall clock.
    """

    wait_s: float = 0.0
    used: int = 0
    paused_s: float = 0.0
    is_cautious: bool = False
    allowance: Allowance = Allowance()


class _Content(Struct):
    """The file's content, corrected for the current time.

    Attributes:
        was_ahead: Whether the file has times in the future.
    """

    stamps: list[float]
    paused_until: float = 0.0
    pause_s: float = 0.0
    cooled_at: float = 0.0
    allowance: Allowance = Allowance()
    was_ahead: bool = False

    def paused_s(self, now: float) -> float:
        return max(0.0, self.paused_until - now)

    def shared(self, now: float, wait_s: float = 0.0) -> Shared:
        return Shared(
            wait_s=wait_s,
            used=len(self.stamps),
            paused_s=self.paused_s(now),
            is_cautious=0.0 <= now - self.cooled_at < CAUTIOUS_S,
            allowance=self.allowance,
        )


class RateLimiterState:
    """The file of one project. Each method makes about ten system calls.

    Every method raises ``OSError`` if the file cannot be used.

    Args:
        path: The file; its folder is created when something must be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = FileLock(path.with_suffix(".lock"), thread_local=False)

    def look(self, now: float) -> Shared:
        """The current state; read without the lock, so it may be out of date.

        Without a limit no turn is ever taken, so future times are corrected here.
        """
        content = self._read(now)
        if content.was_ahead:
            with suppress(StateBusy, OSError), self._locked(0.0):  # a later look will
                self._write(self._read(now))
        return content.shared(now)

    def take(self, now: float, limit: int) -> Shared:
        """Record a request that is sent now, if our part of the limit allows it.

        Args:
            now: Wall-clock seconds.
            limit: The most requests within ``WINDOW_S``, of all clients.

        Raises:
            StateBusy: Try again in a moment.
        """
        with self._locked(0.0):
            content = self._read(now)
            wait_s = content.allowance.wait_s(sorted(content.stamps), limit, now)
            if wait_s > 0:
                if content.was_ahead:
                    self._write(content)
                return content.shared(now, max(wait_s, 0.001))
            content.stamps.append(now)
            self._write(content)
            return content.shared(now)

    def refuse(self, now: float, limit: int) -> None:
        """Record that the service refused a request: others use the limit, too.

        Raises:
            StateBusy: Others use the file for too long.
        """
        with self._locked(_WRITE_WAIT_S):
            content = self._read(now)
            used = len(content.stamps)
            content.allowance = content.allowance.after_refusal(limit, used, now)
            self._write(content)

    def pause(self, now: float, duration_s: float) -> None:
        """Record that the service accepts no submits for so long; a longer pause stays.

        Raises:
            StateBusy: As for :meth:`refuse`.
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
        """The file's content, as far as it is plausible; the rest is left out."""
        raw = self._read_bytes()
        if len(raw) < _HEADER.size or (len(raw) - _HEADER.size) % 8:
            return _Content(stamps=[])
        magic, *numbers = _HEADER.unpack_from(raw)
        if magic != _MAGIC:
            return _Content(stamps=[])
        stamps = array("d", raw[_HEADER.size :])
        paused_until, pause_s, cooled_at, reduced, refused_at = (
            number if math.isfinite(number) else 0.0 for number in numbers
        )
        pause_s = min(pause_s, LONGEST_PAUSE_S)
        latest_end = now + pause_s
        return _Content(
            paused_until=min(paused_until, latest_end),
            pause_s=pause_s,
            cooled_at=cooled_at,
            allowance=Allowance(
                reduced=max(0.0, reduced), refused_at=min(refused_at, now)
            ),
            stamps=[min(stamp, now) for stamp in stamps if stamp > now - WINDOW_S],
            was_ahead=paused_until > latest_end or any(stamp > now for stamp in stamps),
        )

    def _read_bytes(self) -> bytes:
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        try:
            handle = os.open(self._path, flags)  # does not block on a pipe
        except FileNotFoundError:
            return b""
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise OSError(f"{self._path} is not a file")
            return os.read(handle, _MOST_BYTES)
        finally:
            os.close(handle)

    def _write(self, content: _Content) -> None:
        header = _HEADER.pack(
            _MAGIC,
            content.paused_until,
            content.pause_s,
            content.cooled_at,
            content.allowance.reduced,
            content.allowance.refused_at,
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
) -> Path | None:
    """The file of a project: ``PIPELINE_STATE_DIR``, or the user's state folder.

    If no project is named, the digest of the key stands for it: a key belongs to one
    project. None if the user has no home folder.
    """
    whose = credentials.project_id or f"key {credentials.key}"
    named = json.dumps([credentials.base_url, whose])
    name = f"{hashlib.sha256(named.encode()).hexdigest()[:32]}.pace"

    def find() -> Path:
        from platformdirs import user_state_path  # noqa: PLC0415 - seldom needed

        return user_state_path("scenario-pipeline", appauthor=False)

    folder = user_folder(environment.get(STATE_VARIABLE), find)
    return None if folder is None else folder / name
