"""Bench: where a benchmark finds its folder, its rounds and its peers."""

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from suite.processes import Usage, run_measured
from suite.service import Service

CHILDREN = Path(__file__).parent / "children"
OURS, SDK, BARE = "pipeline", "SDK", "bare aiohttp"
LIMIT_S = 900.0  # of one process
Size = Literal["tiny", "quick", "full"]
# Not taken over from whoever starts the benchmarks: a real key has no place here.
NOT_PASSED_ON = ("SCENARIO_", "PIPELINE_", "PYTHON")


@dataclass(slots=True, kw_only=True)
class Bench:
    """The means of one benchmark.

    Attributes:
        folder: Its own, empty; the caller removes it.
        size: ``full`` for figures, ``quick`` to see that all works, ``tiny`` for the
            tests.
        rounds: How often each peer has its turn, at least 1.
    """

    folder: Path
    size: Size = "full"
    rounds: int = 3
    _turns: int = field(default=0, init=False)

    def choose(self, full: int, quick: int, tiny: int) -> int:
        """The number that belongs to the size."""
        return {"full": full, "quick": quick, "tiny": tiny}[self.size]

    def new_folder(self, name: str) -> Path:
        """A fresh folder for one process."""
        self._turns += 1
        folder = self.folder / f"{self._turns:03d}-{name.replace(' ', '-')}"
        folder.mkdir(parents=True)
        return folder

    def drop(self, folder: Path) -> None:
        """Remove what one process left."""
        shutil.rmtree(folder, ignore_errors=True)

    def environment(self, base_url: str = "") -> dict[str, str]:
        """What a child may know: made-up credentials and the emulator's address."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(NOT_PASSED_ON)
        }
        kept["PIPELINE_CACHE_DIR"] = str(self.folder / "cache")
        kept["PIPELINE_STATE_DIR"] = str(self.folder / "state")
        if base_url:
            kept["SCENARIO_SDK_API_KEY"] = "key"
            kept["SCENARIO_SDK_API_SECRET"] = "secret"
            kept["SCENARIO_BASE_URL"] = base_url
        return kept

    def child(
        self,
        name: str,
        *arguments: object,
        folder: Path,
        base_url: str = "",
        limit_s: float = LIMIT_S,
    ) -> Usage:
        """Run one of the programs in ``children``."""
        return run_measured(
            [sys.executable, str(CHILDREN / name), *map(str, arguments)],
            folder=folder,
            environment=self.environment(base_url),
            limit_s=limit_s,
        )

    def command(
        self, *arguments: object, folder: Path, base_url: str = "", keep: bool = True
    ) -> Usage:
        """Run the product's own command."""
        return run_measured(
            [sys.executable, "-m", "pipeline", *map(str, arguments)],
            folder=folder,
            environment=self.environment(base_url),
            limit_s=LIMIT_S,
            keep_output=keep,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One batch of items that every peer makes.

    Attributes:
        items: How many.
        ceiling: Jobs the service allows at once; ours is not told.
        size: The input ``size``.
        profile: Knobs of the emulator, the ceiling apart.
        changes: Knobs that change after the first submit; see :meth:`Service.renew`.
        arguments: Further ones of our own command.
    """

    items: int
    ceiling: int
    size: str = "1024*768"
    profile: Mapping[str, object] = field(default_factory=dict)
    changes: Sequence[tuple[float, Mapping[str, object]]] = ()
    arguments: Sequence[str] = ()

    def renew(self, service: Service) -> None:
        """Make the service new; it tells nobody its ceiling but by refusing."""
        service.renew(
            {
                "seed": 1,
                "ceiling": self.ceiling,
                "limits_status": 403,
                **self.profile,
            },
            self.changes,
        )


def make_batch(
    bench: Bench, batch: Batch, service: Service, peer: str
) -> tuple[Usage, Path]:
    """Let one peer make the batch in a fresh service.

    Returns:
        What it took, and the folder with its ``item-<number>.png``.
    """
    batch.renew(service)
    folder = bench.new_folder(peer)
    out = folder / "out"
    if peer == OURS:
        write_manifest(folder, batch.items, batch.size)
        usage = bench.command(
            *("run", "batch.yaml", "--output", out, "--yes", "--json", "--quiet"),
            *batch.arguments,
            folder=folder,
            base_url=service.base_url,
        )
    else:
        script = {SDK: "sdk.py", BARE: "bare.py"}[peer]
        usage = bench.child(
            *(script, batch.items, batch.ceiling, out, batch.size),
            folder=folder,
            base_url=service.base_url,
        )
    found = len(list(out.glob("item-*.png")))
    if found != batch.items:
        raise RuntimeError(f"{peer} made {found} of {batch.items} files")
    return usage, out


def write_manifest(folder: Path, items: int, size: str) -> None:
    """``batch.yaml`` and its rows, in the folder."""
    (folder / "batch.yaml").write_text(
        "version: 1\nname: batch\nmodel: model_wan-2-7-image\n"
        f"params: {{size: {size!r}}}\nitems:\n"
        "  - {id: 'item-${n}', prompt: 'item ${n}', rows: rows.csv}\n",
        "utf-8",
    )
    rows = "\n".join(map(str, range(items)))
    (folder / "rows.csv").write_text(f"n\n{rows}\n", "utf-8")
