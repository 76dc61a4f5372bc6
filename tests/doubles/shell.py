"""The real command as a process, in a folder of its own."""

import asyncio
import base64
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pipeline
from doubles.forking import ForkedProcess, can_fork, fork
from pipeline.api.rate_limiter_state import STATE_VARIABLE
from pipeline.emulator import Emulator
from pipeline.models.catalog import CACHE_VARIABLE
from pipeline.settings import BASE_URL_VARIABLE, KEY_VARIABLE, SECRET_VARIABLE

LIMIT_S = 100.0  # for anything that is waited for; less than a test may take
LONGEST_LINE_BYTES = 2**22
KEY, SECRET = "canaryKeyOfOurs", "canarySecretOfOurs"
BASIC = base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()

PROGRAM = ("-m", "pipeline")
INTERPRETER = {
    "PYTHONPATH": str(Path(pipeline.__file__).parents[1]),
    "PYTHONUTF8": "1",
    "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
}

TREES = """\
version: 1
name: trees
model: model_wan-2-7-image
params: {size: 1K, thinkingMode: false}
items:
  - id: ${name}
    prompt: a ${name}
    matrix: {name: [oak, elm, ash, yew]}
"""


def manifest_of(*prompts: str, params: str = "{}") -> str:
    """A manifest named ``trees`` of items ``a``, ``b``, … with these prompts."""
    head = TREES.partition("  - id:")[0]
    return head + "".join(
        f"  - {{id: {name}, prompt: {json.dumps(prompt)}, params: {params}}}\n"
        for name, prompt in zip("abcdefghijklmnop", prompts, strict=False)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a command wrote, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def events(self) -> list[dict[str, Any]]:
        """Every line of stdout as JSON; fails when one is not."""
        return [json.loads(line) for line in self.out.splitlines()]

    def of(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.events if line["event"] == event]


class Running:
    """A process that is still at work."""

    def __init__(self, process: asyncio.subprocess.Process | ForkedProcess) -> None:
        self.process = process
        self._out: list[str] = []
        self._err: list[str] = []
        self._grown = asyncio.Condition()
        self._readers = [
            asyncio.create_task(self._read(process.stdout, self._out)),
            asyncio.create_task(self._read(process.stderr, self._err)),
        ]

    async def until(self, text: str, *, err: bool = False, count: int = 1) -> str:
        """The first line with this text, as soon as there are so many of them."""
        lines = self._err if err else self._out
        async with asyncio.timeout(LIMIT_S), self._grown:
            await self._grown.wait_for(
                lambda: sum(text in line for line in lines) >= count or self._has_closed
            )
        found = [line for line in lines if text in line]
        assert found, f"ended without {text!r}: {self._out} {self._err}"
        return found[0]

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    async def end(self) -> Done:
        async with asyncio.timeout(LIMIT_S):
            code = await self.process.wait()
            await asyncio.gather(*self._readers)
        return Done(code=code, out="".join(self._out), err="".join(self._err))

    async def close(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.end()

    @property
    def _has_closed(self) -> bool:
        return all(reader.done() for reader in self._readers)

    async def _read(
        self, stream: asyncio.StreamReader | None, lines: list[str]
    ) -> None:
        assert stream is not None
        async for line in stream:
            async with self._grown:
                lines.append(line.decode())
                self._grown.notify_all()
        asyncio.get_running_loop().call_soon(self._tell)

    def _tell(self) -> None:
        task = asyncio.ensure_future(self._notify())
        self._readers.append(task)

    async def _notify(self) -> None:
        async with self._grown:
            self._grown.notify_all()


class Shell:
    """Types commands in a folder of its own; without credentials at first.

    Attributes:
        folder: Where the commands are typed.
        environment: For every command.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        kept: tuple[str, ...] = (
            "PATH",
            "SYSTEMROOT",
            "TEMP",
            "TMP",
            "HOME",
            "USERPROFILE",
        )
        kept += (
            CACHE_VARIABLE,
            STATE_VARIABLE,
        )  # of this test: two emulators may have one port
        kept += ("COVERAGE_PROCESS_CONFIG",)  # the command is measured too
        self.environment = {
            name: os.environ[name] for name in kept if name in os.environ
        }
        self.environment |= INTERPRETER

    def use(self, emulator: Emulator) -> None:
        """Export the credentials for this service."""
        self.environment |= credentials_of(emulator)

    def write(self, text: str, name: str = "trees.yaml") -> Path:
        """A manifest in the folder."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    @property
    def output(self) -> Path:
        """Where ``trees.yaml`` is made."""
        return self.folder / "output" / "trees"

    async def run(self, *arguments: str, **environment: str) -> Done:
        """One command, to its end."""
        async with self.start(*arguments, **environment) as running:  # type: ignore[arg-type]
            return await running.end()

    async def launch(
        self,
        arguments: tuple[str, ...],
        more: Mapping[str, str],
        *,
        program: tuple[str, ...] = PROGRAM,
    ) -> asyncio.subprocess.Process | ForkedProcess:
        """The process of a command, with more in its environment."""
        environment = {**self.environment, **more}
        if program == PROGRAM and can_fork(environment, INTERPRETER):
            return await fork(
                arguments,
                folder=self.folder,
                environment=environment,
                usual=INTERPRETER,
                limit=LONGEST_LINE_BYTES,
            )
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *program,
            *arguments,
            cwd=self.folder,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=LONGEST_LINE_BYTES,
        )

    @asynccontextmanager
    async def start(
        self,
        *arguments: str,
        program: tuple[str, ...] = PROGRAM,
        **more: str,
    ) -> AsyncIterator[Running]:
        """One command, still at work; killed at the end of the block if need be."""
        running = Running(await self.launch(arguments, more, program=program))
        try:
            yield running
        finally:
            await running.close()


async def typed(shell: Shell, line: str, **environment: str) -> Done:
    """A line of bash in the shell's folder, to its end; ``$pipeline`` is the command.

    What a person may do to a process: redirections, ``ulimit``, another user.
    """
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", f'pipeline="$0 -m pipeline"; {line}', sys.executable),
        cwd=shell.folder,
        env={**shell.environment, **environment},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    running = Running(process)
    try:
        return await running.end()
    finally:
        await running.close()


def credentials_of(emulator: Emulator) -> dict[str, str]:
    """The environment that leads to this emulator."""
    return {
        KEY_VARIABLE: KEY,
        SECRET_VARIABLE: SECRET,
        BASE_URL_VARIABLE: emulator.base_url,
    }


def sidecars_in(folder: Path) -> Mapping[str, dict[str, Any]]:
    """Every sidecar by the path of its asset."""
    return {
        path.relative_to(folder).as_posix().removesuffix(".json"): json.loads(
            path.read_text(encoding="utf-8")
        )
        for path in sorted(folder.rglob("*.json"))
    }
