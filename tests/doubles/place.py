"""Commands typed in this process, beside a service whose counters they cannot touch."""

import asyncio
import contextvars
import json
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import anyio
import anyio.to_thread
import click
from knobs.world import HEAD, QUICK, World

from doubles.shell import Done
from pipeline.cli.main import run_command
from pipeline.job import Job, JobStatus
from pipeline.ledger.ledger import LEDGER_NAME, Ledger

LIMIT_S = 30.0  # for anything that is waited for

# Seconds of a clock that runs a hundred times as fast as the wall.
HASTY = replace(
    QUICK,
    settle_s=2.0,
    output_s=4.0,
    free_deadline_s=20.0,
    submit_timeout_s=40.0,
    job_timeout_s=60.0,
)

# On a busy machine, an answer may take a part of a second of the wall.
PATIENT = replace(
    HASTY,
    read_timeout_s=300.0,
    submit_timeout_s=300.0,
    first_contact_s=600.0,
    free_deadline_s=600.0,
)


def items(*prompts: str, params: str = "{}") -> str:
    """A manifest of items ``a``, ``b``, … with these prompts."""
    return f"{HEAD}items:\n" + "".join(
        f"  - {{id: {name}, prompt: {json.dumps(prompt)}, params: {params}}}\n"
        for name, prompt in zip("abcdefghijkl", prompts, strict=False)
    )


_run = asyncio.run


def _run_apart(main: Coroutine[Any, Any, Any]) -> Any:
    """``asyncio.run`` in a thread of its own.

    Where an await that was cancelled ends normally, Python 3.11 tells no tracer that the
    coroutine goes on. From then on, the coverage of every function below the loop would
    be lost.
    """
    command = click.get_current_context()

    def carry_out() -> Any:
        with command.scope(cleanup=False):
            return _run(main)

    with ThreadPoolExecutor(1) as apart:
        return apart.submit(contextvars.copy_context().run, carry_out).result()


@dataclass(slots=True)
class Typist:
    """Types commands in this process, without the second that a new one takes."""

    capsys: Any

    async def __call__(self, *arguments: object) -> Done:
        self.capsys.readouterr()
        words = [str(argument) for argument in arguments]
        with anyio.fail_after(LIMIT_S), mock.patch("asyncio.run", _run_apart):
            code = await anyio.to_thread.run_sync(run_command, words)
        said = self.capsys.readouterr()
        return Done(code=int(code), out=said.out, err=said.err)


@dataclass(slots=True)
class Place(World):
    """A world whose commands can be typed too."""

    command: Typist | None = None

    async def type(self, name: str, *arguments: object) -> Done:
        """A command on the manifest of the latest run."""
        assert self.command is not None
        manifest = self.folder / "knobs.yaml"
        return await self.command(name, manifest, *arguments, "--output", self.output)

    def attempts(self, item_id: str) -> list[Job]:
        """All attempts of an item, newest first."""
        with Ledger(self.output / LEDGER_NAME, read_only=True) as ledger:
            return ledger.find_jobs_of(item_id)

    def job(self, item_id: str) -> Job:
        return self.attempts(item_id)[0]

    def statuses(self) -> dict[str, JobStatus]:
        with Ledger(self.output / LEDGER_NAME, read_only=True) as ledger:
            return {
                job.item_id: job.status
                for job in ledger.find_latest_jobs_in(*JobStatus)
            }

    def lose_ledger(self) -> None:
        """And the lock file, which knows the jobs too."""
        (self.folder / "knobs.yaml.lock").unlink(missing_ok=True)
        for path in self.output.glob(f"{LEDGER_NAME}*"):
            path.unlink()

    @property
    def paid(self) -> int:
        """Jobs that were made, by anybody."""
        return int(self.counters["jobs_made"])

    @property
    def submits(self) -> int:
        return int(self.counters["submits_received"])


def everything_in(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file, with its time and bytes; to see that nothing has changed."""
    return {
        path.relative_to(folder).as_posix(): (path.lstat().st_mtime_ns, data)
        for path in sorted(folder.rglob("*"))
        for data in [
            str(path.readlink()).encode()
            if path.is_symlink()
            else (path.read_bytes() if path.is_file() else b"")
        ]
    }
