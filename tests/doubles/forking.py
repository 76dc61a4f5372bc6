"""Commands as processes that are forked, where that makes no difference but time.

Two thirds of the time of a short command are the start of an interpreter and imports,
and the measuring of both. On Linux a server that has done it once (``fork_server``)
forks for each command. It is a process as any other: it has its own id, streams, signals,
environment and folder, and ends as an interpreter ends.
"""

import asyncio
import atexit
import functools
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

# What an interpreter or a library reads once, when it starts.
_READ_AT_START = ("PYTHON", "LANG", "LC_", "LD_", "SSL_", "AIOHTTP_")


def can_fork(environment: Mapping[str, str], usual: Mapping[str, str]) -> bool:
    """Whether a forked process would be like a new one.

    Args:
        environment: Of the process.
        usual: Of the server.
    """
    read = {
        name: value
        for name, value in environment.items()
        if name.startswith(_READ_AT_START)
    }
    return sys.platform == "linux" and read == usual


class ForkedProcess:
    """Part of :class:`asyncio.subprocess.Process`, for a process of the server.

    Attributes:
        stdout: What it writes there.
        stderr: What it writes there.
    """

    def __init__(
        self,
        stdout: asyncio.StreamReader,
        stderr: asyncio.StreamReader,
        reports: asyncio.StreamReader,
        pid: int,
    ) -> None:
        self.stdout: asyncio.StreamReader | None = stdout
        self.stderr: asyncio.StreamReader | None = stderr
        self.pid = pid
        self._ended = asyncio.create_task(self._read_code(reports))

    @property
    def returncode(self) -> int | None:
        return self._ended.result() if self._ended.done() else None

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    async def wait(self) -> int:
        return await asyncio.shield(self._ended)

    async def _read_code(self, reports: asyncio.StreamReader) -> int:
        return int(await reports.read())


async def fork(
    arguments: tuple[str, ...],
    *,
    folder: Path,
    environment: Mapping[str, str],
    usual: Mapping[str, str],
    limit: int,
) -> ForkedProcess:
    """``python -m pipeline`` with these arguments; its stdin is empty.

    Args:
        arguments: The command line after the program.
        folder: Where it is typed.
        environment: Of the process.
        usual: Of the server, see :func:`can_fork`.
        limit: Bytes of the longest line that it writes.
    """
    orders = _server(tuple(sorted(usual.items())))
    order = {
        "arguments": arguments,
        "folder": str(folder),
        "environment": dict(environment),
    }
    pipes = [os.pipe() for _ in ("stdout", "stderr", "reports")]
    stdout, stderr, reports = [await _reader_of(ours, limit) for ours, _ in pipes]
    ends = [os.open(os.devnull, os.O_RDONLY), *(theirs for _, theirs in pipes)]
    try:
        socket.send_fds(orders, [json.dumps(order).encode()], ends)
    finally:
        for end in ends:
            os.close(end)
    line = await reports.readline()
    return ForkedProcess(stdout, stderr, reports, pid=int(line))


async def _reader_of(descriptor: int, limit: int) -> asyncio.StreamReader:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=limit)
    await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", 0)
    )
    return reader


@functools.cache
def _server(usual: tuple[tuple[str, str], ...]) -> socket.socket:
    """Where a server takes orders; there is one for each environment, until we end."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = subprocess.Popen(
        [sys.executable, "-m", "doubles.fork_server"],
        cwd=Path(__file__).parent.parent,
        env=dict(usual),
        stdin=theirs.fileno(),
        stdout=subprocess.PIPE,  # as a command has: streams of Python differ by kind
        stderr=subprocess.STDOUT,
    )
    theirs.close()

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours
