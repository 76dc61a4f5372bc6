"""The real command at a terminal: what it shows, and keys to press."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from doubles.shell import LIMIT_S, Shell


class Terminal:
    """A command at a terminal: what it shows, and keys to press."""

    def __init__(self, process: asyncio.subprocess.Process, master: int) -> None:
        self._process = process
        self._master = master
        self._shown = bytearray()
        self._grown = asyncio.Event()
        asyncio.get_running_loop().add_reader(master, self._read)

    @property
    def shown(self) -> str:
        return self._shown.decode(errors="replace").replace("\r\n", "\n")

    async def until(self, text: str) -> None:
        async with asyncio.timeout(LIMIT_S):
            while text not in self.shown:
                self._grown.clear()
                await self._grown.wait()

    def press(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    async def end(self) -> int:
        async with asyncio.timeout(LIMIT_S):
            return await self._process.wait()

    def _read(self) -> None:
        data = b""
        with contextlib.suppress(OSError):  # Linux says so once the other end is closed
            data = os.read(self._master, 65536)
        if not data:
            asyncio.get_running_loop().remove_reader(self._master)
        self._shown += data
        self._grown.set()


@asynccontextmanager
async def terminal(
    shell: Shell,
    *arguments: str,
    columns: int = 80,
    rows: int = 24,
    **environment: str,
) -> AsyncIterator[Terminal]:
    """A command whose stdin and stderr are a terminal of this size."""
    import pty

    master, slave = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pipeline", *arguments),
        cwd=shell.folder,
        env={
            **shell.environment,
            "TERM": "xterm",
            "COLUMNS": str(columns),
            "LINES": str(rows),
            **environment,
        },
        stdin=slave,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    screen = Terminal(process, master)
    try:
        yield screen
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        asyncio.get_running_loop().remove_reader(master)
        os.close(master)
