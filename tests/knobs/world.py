"""A manifest, an emulator with a changed profile, and our client between them.

Everything is real but the hours: real HTTP on loopback, a real ledger and real
files, on a clock that runs a hundred times as fast.
"""

import hashlib
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doubles.clock import ScaledClock
from PIL import Image

from pipeline import (
    Credentials,
    ExitCode,
    PipelineError,
    RunResult,
    Selection,
    Settings,
    run,
)
from pipeline.emulator import Emulator, EmulatorProfile
from pipeline.emulator.gallery import Gallery
from pipeline.job import JobStatus
from pipeline.running.events import Event, JobChanged, Warned

MODEL = "model_wan-2-7-image"
PRICE_CU = 6
KEY, SECRET = "key", "secret"

# Small pictures and short jobs; everything else as shipped.
SMALL: Mapping[str, Any] = {"seed": 7, "fixed_size_px": 16, "hang_s": 120.0}
# Long enough on the fast clock for any answer, short enough for a test.
QUICK = Settings(
    settle_s=10.0,
    output_s=20.0,
    submit_timeout_s=1.0,
    read_timeout_s=1.0,
    unchecked=True,  # some cases are about models without a table
    allow_unpriced=True,  # and some about a price of 0
)

HEAD = f"""\
version: 1
name: knobs
model: {MODEL}
params: {{size: 1K, thinkingMode: false}}
"""
PLAIN = (
    HEAD
    + """\
items:
  - id: ${name}
    prompt: a ${name}
    matrix: {name: [oak, elm, ash, yew]}
"""
)
REFERENCE = (
    HEAD
    + """\
references: {style: style.png}
items:
  - id: ${name}
    prompt: a ${name}
    params: {images: ref:style}
    matrix: {name: [oak, elm, ash]}
"""
)
BIG_REFERENCE = REFERENCE.replace("style.png", "big.png")


def items(*prompts: str, params: str = "{}", model: str = MODEL) -> str:
    """A manifest of items ``a``, ``b``, … with these prompts."""
    lines = [HEAD.replace(MODEL, model), "references: {style: style.png}\n", "items:\n"]
    lines += [
        f"  - {{id: {name}, prompt: {json.dumps(prompt)}, params: {params}}}\n"
        for name, prompt in zip("abcdefgh", prompts, strict=False)
    ]
    return "".join(lines)


def draw_references(folder: Path) -> None:
    """The files that manifests refer to; what is noise does not compress."""
    Image.new("RGB", (48, 24), "teal").save(folder / "style.png")
    for name, side_px in (("noise.png", 32), ("big.png", 1800)):
        noise = random.Random(1).randbytes(side_px * side_px * 3)
        picture = Image.frombytes("RGB", (side_px, side_px), noise)
        picture.save(folder / name, compress_level=0)
    head = (folder / "style.png").read_bytes()[:12]
    (folder / "broken.png").write_bytes(head + bytes(100))


@dataclass(slots=True)
class Played:
    """One run and what it left behind.

    Attributes:
        code: Of the result, or of the error that ended it.
        result: None when an error ended the run.
        error: That error.
        events: In order.
        counters: The emulator's, right after the run.
    """

    code: ExitCode
    result: RunResult | None
    error: PipelineError | None
    events: list[Event]
    counters: Mapping[str, Any]

    @property
    def failures(self) -> list[JobChanged]:
        return [
            event
            for event in self.events
            if isinstance(event, JobChanged) and event.status is JobStatus.FAILED
        ]

    @property
    def warnings(self) -> list[str]:
        return [event.message for event in self.events if isinstance(event, Warned)]

    @property
    def saved(self) -> int:
        return self.result.counts.get("saved", 0) if self.result else 0


@dataclass(slots=True)
class World:
    """An emulator and a folder; every :meth:`play` is one run of our client."""

    folder: Path
    emulator: Emulator
    clock: ScaledClock
    settings: Settings = QUICK
    project_id: str = ""
    key: str = KEY

    @property
    def output(self) -> Path:
        return self.folder / "out"

    @property
    def counters(self) -> Mapping[str, Any]:
        return self.emulator.counters()

    async def play(
        self,
        text: str,
        *,
        selection: Selection = Selection(),  # noqa: B008 - frozen
        on_event: Callable[[Event], None] = lambda _event: None,
    ) -> Played:
        """One run of this manifest."""
        manifest = self.folder / "knobs.yaml"
        manifest.write_text(text, encoding="utf-8")
        events: list[Event] = []

        def listen(event: Event) -> None:
            events.append(event)
            on_event(event)

        result: RunResult | None = None
        error: PipelineError | None = None
        try:
            result = await run(
                manifest,
                output=self.output,
                credentials=Credentials(
                    key=self.key,
                    secret=SECRET,
                    base_url=self.emulator.base_url,
                    project_id=self.project_id,
                ),
                selection=selection,
                settings=self.settings,
                clock=self.clock,
                on_event=listen,
            )
        except PipelineError as raised:
            error = raised
        ended = result or error
        assert ended is not None
        return Played(
            code=ended.exit_code,
            result=result,
            error=error,
            events=events,
            counters=self.counters,
        )

    def sidecars(self) -> dict[str, dict[str, Any]]:
        """Every sidecar by the path of its asset."""
        return {
            str(path.relative_to(self.output).as_posix()).removesuffix(".json"): (
                json.loads(path.read_text(encoding="utf-8"))
            )
            for path in sorted(self.output.rglob("*.json"))
        }

    async def check_files(self) -> None:
        """Every file is byte for byte what the service made, and known by its sidecar."""
        service = self.emulator.service
        gallery = Gallery(service.files)
        sidecars = self.sidecars()
        files = {
            path.relative_to(self.output).as_posix()
            for path in self.output.rglob("*")
            if path.suffix in {".png", ".jpg", ".webp"}
        }
        assert files == set(sidecars)
        owners: dict[str, str] = {}
        for path, sidecar in sidecars.items():
            data = (self.output / path).read_bytes()
            job = service.store.find(sidecar["job_id"])
            assert job is not None
            assert job.asset_ids[sidecar["output_index"] - 1] == sidecar["asset_id"]
            content = service.contents.content_of(sidecar["asset_id"])
            assert data == await gallery.read(content), path
            assert sidecar["sha256"] == hashlib.sha256(data).hexdigest()
            assert sidecar["size_bytes"] == len(data)
            assert job.inputs["prompt"] == sidecar["request"]["prompt"]
            assert owners.setdefault(job.job_id, sidecar["item_id"])
        assert not list((self.output / ".partial").glob("*"))

    def check_secrets(self) -> None:
        """No credential left for anybody but the API."""
        counters = self.counters
        assert counters["credentials_at_cdn"] == 0
        assert counters["credentials_at_parts"] == 0
        assert counters["dry_runs_in_body"] == 0


def profile_of(**knobs: Any) -> EmulatorProfile:
    """A profile of small pictures, with these fields changed."""
    return EmulatorProfile.of(**{**SMALL, **knobs})
