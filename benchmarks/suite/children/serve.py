"""The emulator, told on stdin what to be.

    python serve.py tiny|one|noise|different

A line ``{"renew": {profile}, "changes": [[seconds, {knobs}]]}`` starts it anew,
``{"counters": true}`` asks what has happened; each is answered with one line. Changes
come so many seconds after the first submit. The end of stdin ends it.
"""

import asyncio
import functools
import json
import random
import struct
import sys
import time
import zlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pipeline.emulator import Emulator, EmulatorProfile, gallery
from pipeline.emulator.pictures.canvas import Picture
from pipeline.emulator.pictures.rendering import render_picture

Knobs = dict[str, Any]
LOOK_S = 0.01
SIGNATURE = b"\x89PNG\r\n\x1a\n"


@functools.cache
def paint_once(width_px: int, height_px: int) -> bytes:
    """One painted picture of this size: painting is not what is measured."""
    return render_picture(
        Picture(
            prompt="a castle on a hill, seen from a boat",
            seed=1,
            index=0,
            width_px=width_px,
            height_px=height_px,
            image_format="png",
        ),
        {},
    )


@functools.cache
def make_noise(width_px: int, height_px: int) -> bytes:
    """A PNG file of random pixels: about 3 bytes a pixel."""
    rng = random.Random(1)
    rows = b"".join(b"\0" + rng.randbytes(3 * width_px) for _ in range(height_px))
    header = struct.pack(">IIBBBBB", width_px, height_px, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 1)), (b"IEND", b""))
    return SIGNATURE + b"".join(_chunk(kind, body) for kind, body in chunks)


def _chunk(kind: bytes, body: bytes) -> bytes:
    crc = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc)


def with_comment(content: bytes, comment: str) -> bytes:
    """A PNG file with a comment at its end, so that no two are the same."""
    end = _chunk(b"IEND", b"")
    text = _chunk(b"tEXt", b"Comment\0" + comment.encode("latin-1", "replace"))
    return content.removesuffix(end) + text + end


MAKERS = {"one": paint_once, "noise": make_noise, "different": make_noise}


def use_maker(name: str) -> None:
    """Let the emulator's gallery take its pictures from one of the makers."""
    make = MAKERS[name]

    def render(picture: Picture, _uploads: Mapping[str, bytes]) -> bytes:
        content = make(picture.width_px, picture.height_px)
        return with_comment(content, picture.prompt) if name == "different" else content

    gallery.render_picture = render  # type: ignore[assignment, attr-defined]


def number_of(prompt: object) -> int:
    """The item's number: the last word of the prompt."""
    word = str(prompt).split()[-1]
    return int(word) if word.isdecimal() else -1


def read_counters(emulator: Emulator) -> dict[str, object]:
    counters = emulator.counters()
    jobs = [
        (
            number_of(job.inputs.get("prompt")),
            job.created_ms,
            job.ends_ms or 0,
            job.asset_ids,
        )
        for job in emulator.service.store.jobs
        if job.job_type == "custom"
    ]
    return {
        "jobs": jobs,
        "requests": counters["requests"],
        "answers": counters["answers"],
    }


async def change(emulator: Emulator, changes: list[tuple[float, Knobs]]) -> None:
    """Change the limits of the gate, each time at its moment."""
    service = emulator.service
    while not service.store.jobs:  # noqa: ASYNC110 - nothing tells of the first
        await asyncio.sleep(LOOK_S)
    began_s = time.monotonic()
    for at_s, knobs in changes:
        await asyncio.sleep(began_s + at_s - time.monotonic())
        service.gate.limits = replace(service.gate.limits, **knobs)


async def main(maker: str) -> None:
    """Obey until stdin ends."""
    if maker in MAKERS:
        use_maker(maker)
    emulator: Emulator | None = None
    changing: asyncio.Task[None] | None = None
    try:
        while line := await asyncio.to_thread(sys.stdin.readline):
            command = json.loads(line)
            answer: dict[str, object]
            if "renew" in command:
                if changing is not None:
                    changing.cancel()
                if emulator is not None:
                    await emulator.__aexit__(None, None, None)
                knobs: Knobs = {
                    name: tuple(value) if isinstance(value, list) else value
                    for name, value in command["renew"].items()
                }
                emulator = Emulator(profile=EmulatorProfile.of(**knobs))
                await emulator.__aenter__()
                changing = asyncio.create_task(change(emulator, command["changes"]))
                answer = {"base_url": emulator.base_url}
            else:
                assert emulator is not None, "counters before renew"
                answer = read_counters(emulator)
            print(json.dumps(answer), flush=True)
    finally:
        if emulator is not None:
            await emulator.__aexit__(None, None, None)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
