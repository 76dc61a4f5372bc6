"""A checkout with other line ends: nothing is paid for twice."""

import shutil

import pytest

MANIFEST = """\
version: 1
name: trees
model: model_wan-2-7-image
params: {size: 1K}
items:
  - id: ${id}
    prompt: |
      a ${what}
      at noon
    rows: ROWS
"""
ROWS = {
    "rows.csv": 'id,what\noak,"an oak\nin spring"\nelm,an elm\n',
    "rows.jsonl": '{"id": "oak", "what": "an oak"}\n{"id": "elm", "what": "an elm"}\n',
}


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("ends", [("\n", "\r\n"), ("\r\n", "\n")], ids=repr)
async def test_the_other_checkout_fetches_and_pays_for_nothing(
    real, emulator, name, ends
):
    def check_out(end):
        for path, text in {"trees.yaml": MANIFEST, name: ROWS[name]}.items():
            written = text.replace("ROWS", name).replace("\n", end)
            (real.folder / path).write_bytes(written.encode())

    check_out(ends[0])
    first = await real.run("run", "trees.yaml", "-y")
    shutil.rmtree(real.folder / "output")
    check_out(ends[1])
    other = await real.run("run", "trees.yaml", "--frozen")

    assert (first.code, other.code) == (0, 0), first.err + other.err
    assert emulator.counters()["jobs_made"] == 2
    assert len(list(real.output.glob("*.png"))) == 2
