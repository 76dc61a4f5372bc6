"""Child: a process of ours that fetches. It knows no credential of Scenario.

It is spoken to over its stdin and stdout, and ends when its stdin does.
"""

import asyncio
import os
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, Any

import anyio

from pipeline.executors.environment import without_credentials
from pipeline.redaction import SECRETS

_GRACE_S = 2.0  # for it to end by itself
_SHOWN_CHARACTERS = 300
# So that Ctrl-C at a terminal reaches the run alone, which decides what it means.
_APART: dict[str, Any] = {
    "start_new_session": True,
    "creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # Windows
}


class Child:
    """One process."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - see end

    async def start(self, command: Sequence[str]) -> None:
        """Start it.

        Raises:
            OSError: It cannot be started.
        """
        # Not interrupted: a process that nobody knows would be left behind.
        with anyio.CancelScope(shield=True):
            self._process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=self._said,
                env=without_credentials(os.environ),
                **_APART,
            )

    @property
    def pid(self) -> int:
        """Its process id, once it is started."""
        assert self._process is not None
        return self._process.pid

    @property
    def stdout(self) -> asyncio.StreamReader:
        """What it says."""
        assert self._process is not None
        assert self._process.stdout is not None
        return self._process.stdout

    def send(self, content: bytes) -> None:
        """Write to its stdin; that the pipe is broken shows at its stdout."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(content)

    def last_words(self) -> str:
        """The last line that it has written to stderr, without secrets."""
        self._said.seek(0)
        lines = self._said.read().decode("utf-8", "replace").splitlines()
        said = [line.strip() for line in lines if line.strip()]
        text = SECRETS.clean(said[-1]) if said else "it says nothing"
        return text[:_SHOWN_CHARACTERS]

    async def end(self) -> None:
        """End it, if it has not ended."""
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            with anyio.move_on_after(_GRACE_S):
                await self._process.wait()
            if self._process.returncode is None:
                with suppress(ProcessLookupError):
                    self._process.kill()
                await self._process.wait()
        self._said.close()
