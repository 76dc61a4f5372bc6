"""A batch at a service that asks little, and what it has paid."""

from pathlib import Path

import pytest
from PIL import Image

MODEL = "model_wan-2-7-image"
CHEAP = {"unit_prices_cu": {MODEL: 3}}

# 31 items, 33 outputs: 99 units at 3 each.
BATCH = """\
version: 1
name: trees
model: model_wan-2-7-image
params: {size: 1K, thinkingMode: false}
items:
  - id: set-${n}
    prompt: a set of ${n}
    params: {numOutputs: 2}
    matrix: {n: [cups, coins]}
  - id: tree-${kind}-${time}
    prompt: a ${kind} tree at ${time}
    matrix:
      kind: [oak, elm, ash, yew, fir, lime, pine, palm, plum, pear]
      time: [dawn, dusk]
  - id: prop-${letter}
    prompt: prop ${letter}
    matrix: {letter: [a, b, c, d, e, f, g, h, i]}
"""
STYLED = """\
version: 1
name: trees
model: model_wan-2-7-image
params: {size: 1K, thinkingMode: false, images: ref:style}
references: {style: style.png}
items:
  - {id: oak, prompt: an oak}
  - {id: elm, prompt: an elm}
"""


@pytest.fixture
async def cheap(start_emulator):
    return await start_emulator(**CHEAP)


@pytest.fixture
def batch(shell, cheap):
    """31 items at a service that asks 3 units an output."""
    shell.use(cheap)
    shell.write(BATCH)
    return shell


def paid(emulator) -> tuple[int, float]:
    """Jobs the service has made, and units it has charged for them."""
    counters = emulator.counters()
    assert counters["dry_runs_in_body"] == 0
    return counters["jobs_made"], counters["charged_cu"]


def draw_style(folder: Path, colour: str) -> None:
    Image.new("RGB", (48, 24), colour).save(folder / "style.png")
