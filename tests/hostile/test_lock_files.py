"""Hostile lock files: one message, nothing paid.

Each case: no hang, no traceback, the exit code as documented, nothing read or written
outside of the folders, and no secret in what is said.
"""

import os
import sys

import pytest
from doubles.hostile_files import AN_OAK, CANARY, open_socket, write

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes and links")

BLOCK = """\
- id: {id}
  model: model_wan-2-7-image
  job_key: "{n:064x}"
  request_key: "{n:064x}"
  derived_seed: {n}
  cost: "6"
  job: job_{n}
"""
ASSET = """\
  assets:
  - id: asset_{n}
    media_type: image/png
    width_px: 16
    height_px: 16
    sha256: {n:064x}f
    size_bytes: 100
    path: {id}.png
"""


def lock_of(base_url, count=1, *, saved=True, change=lambda text: text):
    block = BLOCK + (ASSET.replace("{n:064x}f", '"f{n:063x}"') if saved else "")
    blocks = (block.format(id=f"x{n}", n=n) + "\n" for n in range(count))
    head = f'# …\nlock: 1\nservice: "{base_url}"\nproject: ""\nitems:\n\n'
    return change(head + "".join(blocks) + "...\n")


def replaced(old, new):
    return lambda text: text.replace(old, new, 1)


LOCKS = {
    "200,000 blocks in flight": {"count": 200_000, "saved": False},
    "200,000 blocks with files": {"count": 200_000},
    "20,000 blocks": {"count": 20_000},
    "a negative charge": {"change": replaced('cost: "6"', 'cost: "-1000"')},
    "a charge of all there is": {"change": replaced('"6"', '"' + "9" * 30 + '"')},
    "no number": {"change": replaced('"6"', '"NaN"')},
    "a seed that overflows": {"change": replaced("seed: 0", "seed: " + "9" * 19)},
    "a seed without end": {"change": replaced("seed: 0", "seed: " + "9" * 5000)},
    "a negative size": {"change": replaced("bytes: 100", "bytes: -1")},
    "a huge size": {"change": replaced("bytes: 100", f"bytes: {2**62}")},
    "a path above": {"change": replaced("path: x0", "path: ../x0")},
    "an absolute path": {"change": replaced("path: x0", "path: /etc/x0")},
    "an id above": {"change": replaced("id: x0", "id: ../x0")},
    "control characters": {"change": replaced("image/png", "image/\x1b[31m")},
    "no text": {"change": replaced("image/png", "image/\0")},
    "a line of 100 MB": {"change": replaced("model_wan", "m" * 100_000_000)},
    "nested deeply": {"change": replaced('"6"', "[" * 5000)},
    "an anchor": {"change": replaced('"6"', "&a [*a, *a, *a, *a]")},
    "one item twice": {
        "change": lambda text: text.replace("...\n", BLOCK.format(id="x0", n=9) + "...")
    },
    "one key twice": {"change": replaced("  cost:", "  job: job_7\n  cost:")},
    "lines that say nothing": {"change": replaced("- id", "\n" * 2000 + "- id")},
    "cut off": {"change": lambda text: text[: len(text) // 2]},
    "two documents": {"change": lambda text: text + "a: 1\n"},
    "a job of another path": {"change": replaced("job: job_0", 'job: "../../teams"')},
    "no lock": {"change": lambda _text: f"TOKEN={CANARY}\n"},
}


@pytest.mark.parametrize("kind", LOCKS)
async def test_a_hostile_lock_file_is_one_message_with_its_line(kind, place, hostile):
    text = lock_of(place.emulator.base_url, **LOCKS[kind])
    write(place.folder, "knobs.yaml.lock", text)

    await hostile(2, says=r"knobs\.yaml\.lock:\d+: ")


@pytest.mark.parametrize("kind", ["pipe", "socket", "folder", "device", "loop", "hole"])
async def test_what_is_no_lock_file_is_one_message(kind, place, hostile):
    path = place.folder / "knobs.yaml.lock"
    make = {
        "pipe": lambda: os.mkfifo(path),
        "socket": lambda: open_socket(path),
        "folder": path.mkdir,
        "device": lambda: path.symlink_to("/dev/zero"),
        "loop": lambda: None,
        "hole": lambda: os.truncate(write(place.folder, path.name, b""), 1 << 40),
    }
    make[kind]()
    if kind == "loop":
        write(
            place.folder, path.name, lock_of(place.emulator.base_url, change=str.upper)
        )

    await hostile(2, says=r"knobs\.yaml\.lock")


async def test_blocks_of_items_that_are_gone_harm_nothing(place):
    text = lock_of(place.emulator.base_url, 3000)
    write(place.folder, "knobs.yaml", AN_OAK)
    write(place.folder, "knobs.yaml.lock", text)

    said = await place.type("plan")

    assert said.code == 0, said.err
