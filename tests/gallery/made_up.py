"""Made-up galleries: records and small pictures, written as `pipeline gallery` would."""

import hashlib
import io
import json
import math
import random
import struct
import wave
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from pipeline.record import replace
from pipeline.report.gallery.data import (
    Gallery,
    GalleryDecision,
    GalleryFile,
    GalleryItem,
    GalleryPoint,
    GalleryReference,
    GalleryReview,
    GalleryTake,
    GalleryTotals,
    GalleryVerdict,
)
from pipeline.report.gallery.page import (
    DATA_NAME,
    page_files,
    render_data,
    render_model,
    render_page,
    viewer_files,
)

BIOMES = ("forest", "desert", "tundra", "swamp", "coast")
TIMES = ("dawn", "day", "dusk", "night")
MODEL = "model_wan-2-7-image"
HOSTILE = (
    '"><img src=x onerror="window.hacked=1"><script>window.hacked=1</script>\u202e'
)
SHOWN = HOSTILE.replace("\u202e", "\\u202e")
SIGNATURE: dict[str, Any] = {
    "by": "Ann <ann@example.com>",
    "at": "2026-10-02T21:20:16Z",
}


@dataclass
class Folder:
    """A gallery folder in the making.

    Attributes:
        path: Where the page will be.
        items: Its items so far.
        review: Of the review file.
    """

    path: Path
    items: list[GalleryItem] = field(default_factory=list)
    review: dict[str, GalleryReview] = field(default_factory=dict)

    def write(self, **facts: Any) -> Gallery:
        """Write the page with its data and scripts; return the data."""
        states: dict[str, int] = {}
        for item in self.items:
            states[item.state] = states.get(item.state, 0) + 1
        charged = sum(item.charged for item in self.items)
        files = [
            file for item in self.items for take in item.takes for file in take.files
        ]
        given: dict[str, Any] = {
            "name": "icons",
            "manifest": "manifests/icons.yaml",
            "output": "output/icons",
            "made_at": "2026-10-03T09:00:00Z",
            "price": (0.01, "€"),
            "review_file": "manifests/icons.review.yaml",
            "rejected_command": "pipeline run manifests/icons.yaml --only rejected",
            "totals": GalleryTotals(
                states=states,
                files=len(files),
                size_bytes=sum(file.size_bytes for file in files),
                charged=charged,
                reserved=5,
                left=max(0, 2000 - charged),
            ),
            "points": points(charged, len(self.items)),
        }
        gallery = Gallery(
            items=tuple(self.items), review=self.review, **(given | facts)
        )
        self.path.mkdir(parents=True, exist_ok=True)
        written = {
            "index.html": render_page(gallery),
            DATA_NAME: render_data(gallery),
            **page_files(),
            **viewer_files(),
        }
        for name, content in written.items():
            place = self.path / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        return gallery

    def picture(
        self, name: str, seed: int, side: int = 192, **facts: Any
    ) -> GalleryFile:
        """A picture with its thumbnail."""
        return self.file(
            name,
            encoded(drawn(seed, side)),
            side=side,
            thumbnail=drawn(seed, 128),
            **facts,
        )

    def file(
        self,
        name: str,
        content: bytes,
        *,
        side: int | None = None,
        thumbnail: Image.Image | None = None,
        kind: str = "image",
        **facts: Any,
    ) -> GalleryFile:
        """Any file, with a thumbnail if there is a picture for it."""
        place = self.path / "files" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        small = ""
        if thumbnail is not None:
            small = f"thumbnails/{digest[:16]}.webp"
            (self.path / "thumbnails").mkdir(exist_ok=True)
            (self.path / small).write_bytes(encoded(thumbnail, "WEBP"))
        return GalleryFile(
            src=f"files/{name}",
            name=name,
            thumbnail=small,
            kind=kind,
            sha256=digest,
            original_sha256=digest,
            size_bytes=len(content),
            width_px=side,
            height_px=side,
            **facts,
        )

    def embedded(self, file: GalleryFile, content: bytes) -> str:
        """The URL of the script with the bytes of a file."""
        name = f"models/{file.sha256[:16]}.js"
        (self.path / "models").mkdir(exist_ok=True)
        (self.path / name).write_bytes(render_model(file.sha256, content))
        return name


def points(charged: float, jobs: int, count: int = 60) -> tuple[GalleryPoint, ...]:
    """Spend that rises in spurts."""
    chance = random.Random(7)
    steps = sorted(chance.random() ** 1.5 for _ in range(count))
    return tuple(
        GalleryPoint(
            at=f"2026-10-02T{20 + at // 60:02d}:{at % 60:02d}:00Z",
            charged=round(charged * step, 2),
            jobs=round(jobs * (at + 1) / count),
        )
        for at, step in enumerate([*steps[1:], 1.0])
    )


def take(number: int, files: Sequence[GalleryFile] = (), **facts: Any) -> GalleryTake:
    """A take that is saved, unless it is said otherwise."""
    given: dict[str, Any] = {
        "job_id": f"take@{number}",
        "number": number,
        "model": MODEL,
        "state": "saved" if files else "failed",
        "seed": 1000 + number,
        "charged": 5,
        "attempts": 1,
        "submitted_at": "2026-10-02T21:20:16Z",
        "finished_at": "2026-10-02T21:20:53Z",
        "saved_at": "2026-10-02T21:20:55Z" if files else "",
    }
    return GalleryTake(files=tuple(files), **(given | facts))


# --- pictures -----------------------------------------------------------------------


def drawn(seed: int, side: int) -> Image.Image:
    """A small scene: sky, sun, hills. Pixel art if it is small."""
    chance = random.Random(seed)
    hue = chance.random()
    scale = 4 if side >= 128 else 1
    image = Image.new("RGBA", (side // scale, side // scale), (0, 0, 0, 0))
    brush = ImageDraw.Draw(image)
    width = image.width
    base = [chance.randrange(60, 190) for _ in range(3)]
    for y in range(width):
        part = y / width
        colour = tuple(int(c * (1 - part) + 235 * part) for c in base)
        brush.line((0, y, width, y), fill=(*colour, 255))
    if chance.random() < 0.35:  # cut out: a disc on nothing
        mask = Image.new("L", image.size, 0)
        ImageDraw.Draw(mask).ellipse((2, 2, width - 3, width - 3), fill=255)
        image.putalpha(mask)
    x, y = (int(width * (0.2 + 0.6 * chance.random())) for _ in range(2))
    radius = max(2, int(width * (0.08 + hue * 0.12)))
    brush.ellipse(
        (x - radius, y // 2 - radius, x + radius, y // 2 + radius),
        fill=(255, 236, 190, 255),
    )
    for layer in range(3):
        shade = tuple(int(c * (0.75 - 0.2 * layer)) for c in base)
        for column in range(width):
            wave_ = math.sin(column / width * (5 + 3 * hue) + seed + layer * 2)
            top = int(width * (0.62 + 0.12 * layer + 0.08 * wave_))
            if image.getpixel((column, min(width - 1, top)))[3]:  # type: ignore[index]
                brush.line((column, top, column, width), fill=(*shade, 255))
    return image.resize((side, side), Image.Resampling.NEAREST)


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    """A picture as a file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **({"quality": 80} if kind == "WEBP" else {}))
    return buffer.getvalue()


def sound() -> bytes:
    """A second of a tone."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(
            b"".join(
                struct.pack("<h", int(9000 * math.sin(at / 8000 * 2 * math.pi * 330)))
                for at in range(8000)
            )
        )
    return buffer.getvalue()


def solid() -> bytes:
    """A binary glTF of a pyramid."""
    corners = [(-1, 0, -1), (1, 0, -1), (1, 0, 1), (-1, 0, 1), (0, 1.4, 0)]
    faces = [(0, 4, 1), (1, 4, 2), (2, 4, 3), (3, 4, 0), (0, 1, 2), (0, 2, 3)]
    places = b"".join(struct.pack("<fff", *corner) for corner in corners)
    indices = b"".join(struct.pack("<HHH", *face) for face in faces)
    buffer = places + indices
    scene = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "materials": [
            {
                "doubleSided": True,
                "pbrMetallicRoughness": {
                    "baseColorFactor": [0.8, 0.5, 0.2, 1],
                    "metallicFactor": 0,
                },
            }
        ],
        "meshes": [
            {
                "primitives": [
                    {"attributes": {"POSITION": 0}, "indices": 1, "material": 0}
                ]
            }
        ],
        "buffers": [{"byteLength": len(buffer)}],
        "bufferViews": [
            {"buffer": 0, "byteOffset": 0, "byteLength": len(places)},
            {"buffer": 0, "byteOffset": len(places), "byteLength": len(indices)},
        ],
        "accessors": [
            {
                "bufferView": 0,
                "componentType": 5126,
                "count": 5,
                "type": "VEC3",
                "min": [-1, 0, -1],
                "max": [1, 1.4, 1],
            },
            {"bufferView": 1, "componentType": 5123, "count": 18, "type": "SCALAR"},
        ],
    }
    text = json.dumps(scene).encode()
    text += b" " * (-len(text) % 4)
    buffer += b"\0" * (-len(buffer) % 4)
    chunks = (
        struct.pack("<II", len(text), 0x4E4F534A)
        + text
        + struct.pack("<II", len(buffer), 0x004E4942)
        + buffer
    )
    return struct.pack("<III", 0x46546C67, 2, 12 + len(chunks)) + chunks


def video() -> bytes:
    """Half a second of a moving bar, as WebM."""
    import av
    import numpy as np

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="webm") as container:
        stream = container.add_stream("libvpx", rate=12)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for at in range(6):
            frame = np.full((120, 160, 3), 40, np.uint8)
            frame[:, at * 20 : at * 20 + 40] = (220, 160, 60)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        container.mux(stream.encode())
    return buffer.getvalue()


# --- galleries ----------------------------------------------------------------------


def matrix_item(
    folder: Folder, biome: str, time: str, at: int, *, takes: int = 3
) -> GalleryItem:
    """One item of the matrix, with some takes."""
    id_ = f"tree-{biome}-{time}"
    made = [
        take(
            number,
            [
                folder.picture(
                    f"{id_}{f'@{number}' if number > 1 else ''}.png",
                    at * 10 + number,
                    checks={"edges": ""},
                )
            ],
            job_id=f"{id_}@{number}",
            is_chosen=number == 1,
            seed=at * 100 + number,
        )
        for number in range(1, takes + 1)
    ]
    return GalleryItem(
        id=id_,
        entry="tree-${biome}-${time}",
        model=MODEL,
        state="saved",
        command=f"pipeline redo manifests/icons.yaml {id_}",
        place="manifests/icons.yaml:9",
        prompt=f"an old tree in a {biome} at {time}, painted by hand, soft light, game icon",
        params={"width": 192, "height": 192, "negativePrompt": "text, frame"},
        axes={"biome": biome, "time": time},
        variables={"style": "painted by hand"},
        charged=5 * takes,
        takes=tuple(made),
    )


def demo(path: Path) -> Gallery:
    """A gallery with one of everything."""
    folder = Folder(path)
    style = folder.picture("refs/style.png", 999, 128)
    for row, biome in enumerate(BIOMES):
        for column, time in enumerate(TIMES):
            if (biome, time) == ("coast", "night"):
                folder.items.append(_failed())
                continue
            folder.items.append(matrix_item(folder, biome, time, row * 4 + column + 1))
    folder.items[0] = _decided(folder, folder.items[0])
    folder.items[1] = _with_line(folder.items[1], style)
    folder.items += [*_others(folder, style), _hostile(folder)]
    return folder.write(axes={"biome": BIOMES, "time": TIMES})


def bucket(path: Path) -> Gallery:
    """A gallery whose files are in a bucket: a picture, a video and a text."""
    folder = Folder(path)
    picture = folder.picture("oak.png", 7)
    preview = f"previews/{picture.sha256}.webp"
    (path / "previews").mkdir()
    (path / preview).write_bytes(encoded(drawn(7, 192), "WEBP"))
    clip = folder.file("clip.mp4", b"", kind="video", thumbnail=drawn(8, 128))
    text = folder.file("text.txt", b"", kind="text", text="an old oak")
    sources = {"oak": (picture, preview), "clip": (clip, ""), "text": (text, "")}
    for id_, (file, src) in sources.items():
        away = replace(file, src=src, url=f"s3://art/{file.name}")
        folder.items.append(_saved(id_, f"a {id_}", [away]))
    return folder.write(output="s3://art")


def _failed() -> GalleryItem:
    return GalleryItem(
        id="tree-coast-night",
        entry="tree-${biome}-${time}",
        model=MODEL,
        state="failed",
        reason="moderated: the prompt was refused by the service",
        hint="change the prompt in manifests/icons.yaml, then run again",
        command="pipeline run manifests/icons.yaml --select tree-coast-night",
        place="manifests/icons.yaml:9",
        prompt="an old tree at the coast at night",
        axes={"biome": "coast", "time": "night"},
        takes=(take(1, reason="moderated", charged=0, attempts=2),),
    )


def _decided(folder: Folder, item: GalleryItem) -> GalleryItem:
    first, second, third = item.takes
    digests = [(one.files[0].original_sha256,) for one in item.takes]
    folder.review[item.id] = GalleryReview(
        verdicts=(
            GalleryVerdict(word="approved", take=1, sha256=digests[0], **SIGNATURE),
            GalleryVerdict(
                word="rejected",
                take=2,
                sha256=digests[1],
                note="two left hands",
                **SIGNATURE,
            ),
        ),
        added=(
            '{take: 4, replaces: 2, seed: 9223372036854775807, by: "Ann <ann@example.com>", at: "2026-10-02T21:20:16Z"}',
        ),
    )
    folder.review["gone"] = GalleryReview(
        verdicts=(
            GalleryVerdict(word="picked", take=2, sha256=("ab" * 32,), **SIGNATURE),
        )
    )
    decided = (
        replace(first, decisions=(GalleryDecision(word="approved", **SIGNATURE),)),
        replace(
            second,
            decisions=(
                GalleryDecision(word="rejected", note="two left hands", **SIGNATURE),
            ),
        ),
        third,
    )
    return replace(item, takes=decided)


def _with_line(item: GalleryItem, style: GalleryFile) -> GalleryItem:
    return replace(
        item,
        references=(
            GalleryReference(
                input="image",
                name="refs/style.png",
                src=style.src,
                thumbnail=style.thumbnail,
            ),
            GalleryReference(
                input="mask", name="tree-forest-dawn", item="tree-forest-dawn"
            ),
        ),
        parents=("tree-forest-dawn",),
        children=("turntable",),
    )


def _others(folder: Folder, style: GalleryFile) -> list[GalleryItem]:
    glb, lore = solid(), "The old oak\nremembers the sea.\n"
    chest = folder.file("chest.glb", glb, kind="3d", thumbnail=drawn(71, 128))
    turning = drawn(70, 128)
    cut = folder.picture("sprites/slime-cutout.png", 6, 24)
    crests = [
        folder.picture(f"crest@1-{at}.png", 300 + at, output=at) for at in range(1, 5)
    ]
    reference = GalleryReference(
        input="image", name="refs/style.png", src=style.src, thumbnail=style.thumbnail
    )
    return [
        _saved(
            "sprites/slime",
            "a slime, pixel art",
            [folder.picture("sprites/slime.png", 5, 24)],
            steps=(take(1, [cut], step="cutout", job_id="sprites/slime+cutout"),),
            command="pipeline redo manifests/icons.yaml sprites/slime",
        ),
        replace(
            _saved("crest", "a crest with a lion", crests, chooses=True),
            takes=(take(1, crests, is_chosen=True, chosen_output=2),),
        ),
        _saved(
            "turntable",
            "the tree turns",
            [folder.file("turntable.webm", video(), kind="video", thumbnail=turning)],
            parents=("tree-forest-day",),
        ),
        _saved(
            "chest",
            "a chest of oak",
            [replace(chest, embedded=folder.embedded(chest, glb))],
        ),
        _saved(
            "wind", "wind in leaves", [folder.file("wind.wav", sound(), kind="audio")]
        ),
        _saved(
            "lore",
            "lines about an oak",
            [folder.file("lore.txt", lore.encode(), kind="text", text=lore)],
        ),
        _unmade(
            "banner",
            "blocked",
            reason="blocked by tree-coast-night: moderated",
            parents=("tree-coast-night",),
        ),
        _unmade(
            "portrait",
            "unknown",
            reason="submitted, but the answer was lost: it may have been paid for",
            hint="pipeline resolve finds out",
            command="pipeline resolve manifests/icons.yaml portrait",
        ),
        _unmade(
            "castle",
            "not_submitted",
            reason="new",
            command="pipeline run manifests/icons.yaml --select castle",
            references=(reference,),
        ),
    ]


def _saved(
    id_: str, prompt: str, files: Sequence[GalleryFile], **facts: Any
) -> GalleryItem:
    takes = (take(1, files, is_chosen=True),)
    return GalleryItem(
        id=id_,
        entry=id_,
        prompt=prompt,
        model=MODEL,
        charged=5,
        state="saved",
        takes=takes,
        **facts,
    )


def _unmade(id_: str, state: str, **facts: Any) -> GalleryItem:
    takes = (take(1, state=state, charged=0, submitted_at="", finished_at=""),)
    return GalleryItem(
        id=id_,
        entry=id_,
        prompt=f"a {id_}",
        model=MODEL,
        state=state,
        takes=takes,
        **facts,
    )


def _hostile(folder: Folder) -> GalleryItem:
    file = folder.picture("hostile.png", 404, 192)
    return GalleryItem(
        id="hostile",
        entry=HOSTILE,
        model=HOSTILE,
        state="saved",
        prompt=HOSTILE,
        place=HOSTILE,
        command=f"pipeline redo '{HOSTILE}'",
        params={HOSTILE: HOSTILE, "__proto__": "x"},
        variables={"constructor": HOSTILE},
        references=(
            GalleryReference(
                input=HOSTILE,
                name=HOSTILE,
                src="javascript:window.hacked=1",
                thumbnail="javascript:window.hacked=1",
            ),
            GalleryReference(
                input="image",
                name="far",
                src="https://example.com/a.png",
                thumbnail="https://example.com/a.png",
            ),
        ),
        parents=(HOSTILE,),
        charged=5,
        takes=(
            take(
                1,
                [replace(file, checks={HOSTILE: HOSTILE})],
                is_chosen=True,
                reason=HOSTILE,
                decisions=(
                    GalleryDecision(
                        word="approved", by=HOSTILE, at=HOSTILE, note=HOSTILE
                    ),
                ),
            ),
        ),
    )


def many(path: Path, count: int = 10_000, pictures: int = 200) -> Gallery:
    """A gallery with thousands of items of a few takes; pictures repeat."""
    folder = Folder(path)
    files = [folder.picture(f"p{at}.png", at, 192) for at in range(pictures)]
    prompt = "a watchtower in a {} at {}, number {}, seen from below, painted by hand, warm light, game asset"
    for at in range(count):
        id_ = f"{BIOMES[at % 5]}/tower-{at:05d}"
        is_bad = at % 97 == 0
        made = [
            take(
                number,
                [] if is_bad else [files[(at * 3 + number) % pictures]],
                is_chosen=number == 1,
                job_id=f"{id_}@{number}",
            )
            for number in (1, 2, 3)
        ]
        folder.items.append(
            GalleryItem(
                id=id_,
                entry="tower-${n}",
                model=MODEL,
                state="failed" if is_bad else "saved",
                reason="the service failed" if is_bad else "",
                place=f"manifests/icons.yaml:{at + 9}",
                command=f"pipeline run manifests/icons.yaml --select {id_}",
                prompt=prompt.format(BIOMES[at % 5], TIMES[at % 4], at),
                params={"width": 1024, "height": 1024, "steps": 30},
                charged=15,
                takes=tuple(made),
            )
        )
    return folder.write()
