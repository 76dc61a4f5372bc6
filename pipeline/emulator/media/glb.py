"""Makes 3D models: turned shapes with a picture on them, as GLB files (glTF 2.0)."""

import json
import math
import struct
from dataclasses import dataclass
from random import Random

MAGIC, VERSION = b"glTF", 2
JSON_CHUNK, BINARY_CHUNK = b"JSON", b"BIN\0"
FLOATS, SHORTS = 5126, 5123
VERTICES, INDICES = 34962, 34963
MOST_COLUMNS, MOST_ROWS = 24, 12
FEWEST_COLUMNS, FEWEST_ROWS = 6, 5
SLIMMEST, WIDEST = 0.25, 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Model3D:
    """A file, and what is in it.

    Attributes:
        data: The GLB file.
        vertices: The number of vertices.
        faces: The number of triangles.
    """

    data: bytes
    vertices: int
    faces: int


def make_glb(texture_png: bytes, chance: Random, *, most_faces: int) -> Model3D:
    """A closed shape that was turned on a lathe.

    Args:
        texture_png: The picture around it, a PNG file.
        chance: Chooses the outline.
        most_faces: The most triangles, at least 48.
    """
    columns, rows = MOST_COLUMNS, MOST_ROWS
    while 2 * columns * (rows - 1) > most_faces and columns > FEWEST_COLUMNS:
        columns, rows = columns - 2, max(rows - 1, FEWEST_ROWS)
    points, texture_points = _vertices(columns, rows, chance)
    faces = _faces(columns, rows)
    parts = (
        _packed("f", [value for point in points for value in point]),
        _packed("f", [value for point in texture_points for value in point]),
        _packed("H", [corner for face in faces for corner in face]),
        texture_png.ljust(-(-len(texture_png) // 4) * 4, b"\0"),
    )
    description = _describe(parts, points, len(texture_points), 3 * len(faces))
    text = json.dumps(description, separators=(",", ":")).encode()
    chunks = _chunk(JSON_CHUNK, text, b" ") + _chunk(BINARY_CHUNK, b"".join(parts))
    data = MAGIC + struct.pack("<II", VERSION, len(chunks) + 12) + chunks
    return Model3D(data=data, vertices=len(points), faces=len(faces))


def _vertices(
    columns: int, rows: int, chance: Random
) -> tuple[list[tuple[float, float, float]], list[tuple[float, float]]]:
    radii = [chance.uniform(SLIMMEST, WIDEST) for _ in range(rows + 1)]
    radii[0] = radii[-1] = 0.0  # both ends are closed
    points, texture_points = [], []
    for row, radius in enumerate(radii):
        for column in range(columns + 1):
            angle = 2 * math.pi * (column % columns) / columns
            x, z = radius * math.cos(angle), -radius * math.sin(angle)
            points.append((x, row / rows, z))
            texture_points.append((column / columns, 1 - row / rows))
    return points, texture_points


def _faces(columns: int, rows: int) -> list[tuple[int, int, int]]:
    faces = []
    for row in range(rows):
        for column in range(columns):
            below = row * (columns + 1) + column
            above = below + columns + 1
            if row > 0:
                faces.append((below, below + 1, above + 1))
            if row < rows - 1:
                faces.append((below, above + 1, above))
    return faces


def _describe(
    parts: tuple[bytes, ...],
    points: list[tuple[float, float, float]],
    vertex_count: int,
    index_count: int,
) -> dict[str, object]:
    views: list[dict[str, int]] = []
    start = 0
    for part, target in zip(parts, (VERTICES, VERTICES, INDICES, 0), strict=True):
        view = {"buffer": 0, "byteOffset": start, "byteLength": len(part)}
        views.append({**view, "target": target} if target else view)
        start += len(part)
    corners = list(zip(*points, strict=True))
    attributes = {"POSITION": 0, "TEXCOORD_0": 1}
    return {
        "asset": {"version": "2.0", "generator": "scenario-pipeline emulator"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [
            {"primitives": [{"attributes": attributes, "indices": 2, "material": 0}]}
        ],
        "materials": [
            {
                "pbrMetallicRoughness": {
                    "baseColorTexture": {"index": 0},
                    "metallicFactor": 0,
                }
            }
        ],
        "textures": [{"source": 0}],
        "images": [{"bufferView": 3, "mimeType": "image/png"}],
        "accessors": [
            {
                "bufferView": 0,
                "componentType": FLOATS,
                "count": vertex_count,
                "type": "VEC3",
                "min": [min(side) for side in corners],
                "max": [max(side) for side in corners],
            },
            {
                "bufferView": 1,
                "componentType": FLOATS,
                "count": vertex_count,
                "type": "VEC2",
            },
            {
                "bufferView": 2,
                "componentType": SHORTS,
                "count": index_count,
                "type": "SCALAR",
            },
        ],
        "bufferViews": views,
        "buffers": [{"byteLength": start}],
    }


def _packed(kind: str, values: list[float] | list[int]) -> bytes:
    data = struct.pack(f"<{len(values)}{kind}", *values)
    return data.ljust(-(-len(data) // 4) * 4, b"\0")


def _chunk(kind: bytes, body: bytes, filler: bytes = b"\0") -> bytes:
    body = body.ljust(-(-len(body) // 4) * 4, filler)
    return struct.pack("<I", len(body)) + kind + body
