"""A checkout whose assets are Git LFS pointers: they are fetched, and nothing is paid."""

import hashlib
import shutil

import pytest


@pytest.mark.parametrize("has_sidecars", [True, False])
async def test_a_fresh_checkout_of_pointers_is_fetched(real, emulator, has_sidecars):
    await real.run("run", "trees.yaml", "-y")
    made = {path.name: path.read_bytes() for path in real.output.glob("*.png")}
    sidecars = {path.name: path.read_bytes() for path in real.output.glob("*.json")}
    shutil.rmtree(real.output)
    real.output.mkdir()
    for name, content in made.items():
        digest = hashlib.sha256(content).hexdigest()
        text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\n"
        text += f"size {len(content)}\n"
        (real.output / name).write_text(text, encoding="ascii")
    for name, content in sidecars.items() if has_sidecars else ():
        (real.output / name).write_bytes(content)

    done = await real.run("run", "trees.yaml", "--frozen")

    assert done.code == 0, done.err
    assert made == {path.name: path.read_bytes() for path in real.output.glob("*.png")}
    assert emulator.counters()["jobs_made"] == len(made) == 4
