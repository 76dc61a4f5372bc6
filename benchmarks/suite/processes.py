"""A command in, what it took out: wall time, processor time, memory.

The figures are the kernel's, of the process and of what it waited for, taken by the
program ``children/measure.py``.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MEASURE = Path(__file__).parent / "children" / "measure.py"
END_LIMIT_S = 30.0


class ChildFailed(RuntimeError):
    """A measured process did not do what it was to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What one process took.

    Attributes:
        wall_s: From its start to its end.
        cpu_s: User and system time, its own children's included.
        rss_mb: The largest resident size of one process, in 10^6 bytes.
        began: When it was started, seconds since 1970.
        output: What it wrote to stdout; empty when that was thrown away.
    """

    wall_s: float
    cpu_s: float
    rss_mb: float
    began: float
    output: str


def run_measured(
    command: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    limit_s: float,
    keep_output: bool = True,
) -> Usage:
    """Run a command to its end.

    Args:
        command: What to run.
        folder: Its working folder; ``stdout``, ``stderr`` and ``figures`` are left
            there.
        environment: All of its environment.
        limit_s: Then it is killed.
        keep_output: Else stdout is thrown away.

    Raises:
        ChildFailed: It ended with another code than 0, or had to be killed.
    """
    out, err = folder / "stdout", folder / "stderr"
    figures = folder / "figures"
    target = out if keep_output else Path(os.devnull)
    measured = [sys.executable, "-I", "-S", str(MEASURE), str(figures), str(limit_s)]
    with target.open("wb") as out_file, err.open("wb") as err_file:
        process = subprocess.Popen(
            [*measured, *command],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=out_file,
            stderr=err_file,
        )
        try:
            process.wait(limit_s + END_LIMIT_S)
        finally:
            if process.returncode is None:
                process.terminate()  # it kills the command, and then ends
                process.wait(END_LIMIT_S)
    said = err.read_text("utf-8", "replace")[-2000:]
    if process.returncode != 0:
        raise ChildFailed(f"{' '.join(command)} was not measured\n{said}")
    code, wall_s, cpu_s, rss_kib, began = figures.read_text("ascii").split()
    if int(code) != 0:
        raise ChildFailed(f"{' '.join(command)}: code {code}\n{said}")
    return Usage(
        wall_s=float(wall_s),
        cpu_s=float(cpu_s),
        rss_mb=int(rss_kib) * 1024 / 1e6,
        began=float(began),
        output=out.read_text("utf-8", "replace") if keep_output else "",
    )


@contextmanager
def serving(
    command: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    stderr: int | None = None,
) -> Iterator[str]:
    """Run a server that ends when its stdin does, with the block.

    Args:
        command: What to run.
        environment: All of its environment; None for that of this process.
        stderr: As for ``subprocess.Popen``.

    Yields:
        Its address, the first line that it prints.
    """
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
