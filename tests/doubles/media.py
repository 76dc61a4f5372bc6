"""Small real videos, sounds and 3D models."""

import io
import json
import struct
from functools import cache
from typing import Any

import av
import numpy as np

RATE = 44100


@cache
def video_of(name: str = "mp4", *, with_sound: bool = True) -> bytes:
    """Two seconds of 64 by 48 pixels: ``mp4``, ``mov`` or ``webm``."""
    codec, sound = {
        "mp4": ("libx264", "aac"),
        "mov": ("mpeg4", "aac"),
        "webm": ("libvpx-vp9", "libopus"),
    }[name]
    target = io.BytesIO()
    with av.open(target, "w", format=name) as container:
        pictures: Any = container.add_stream(codec, rate=12)
        pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        sounds: Any = container.add_stream(sound, rate=48000) if with_sound else None
        for number in range(24):
            pixels = np.full((48, 64, 3), number * 10, np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            container.mux(pictures.encode(frame))
        container.mux(pictures.encode())
        if sounds is not None:
            silence = np.zeros((1, 96000), np.float32)
            sound_frame: Any = av.AudioFrame.from_ndarray(
                silence, format="fltp", layout="mono"
            )
            sound_frame.sample_rate = 48000
            container.mux(sounds.encode(sound_frame))
            container.mux(sounds.encode())
    return target.getvalue()


@cache
def sound_of(name: str = "mp3") -> bytes:
    """A second of noise: ``mp3``, ``wav``, ``flac``, ``ogg``, ``m4a`` or ``aac``."""
    codec, container_name = {
        "mp3": ("libmp3lame", "mp3"),
        "wav": ("pcm_s16le", "wav"),
        "flac": ("flac", "flac"),
        "ogg": ("libopus", "ogg"),
        "m4a": ("aac", "ipod"),
        "aac": ("aac", "adts"),
    }[name]
    rate = 48000 if codec == "libopus" else RATE
    target = io.BytesIO()
    with av.open(target, "w", format=container_name) as container:
        stream: Any = container.add_stream(codec, rate=rate)
        stream.layout = "mono"
        noise = np.random.default_rng(7).integers(-9999, 9999, (1, rate), np.int16)
        frame = av.AudioFrame.from_ndarray(noise, format="s16", layout="mono")
        frame.sample_rate = rate
        fitting = av.AudioResampler(stream.format, layout="mono", rate=rate)
        for piece in fitting.resample(frame):
            container.mux(stream.encode(piece))
        container.mux(stream.encode())
    return target.getvalue()


def glb_of(*, binary: bytes | None = None, **changes: object) -> bytes:
    """A triangle; ``changes`` are entries of its JSON."""
    points = struct.pack("<9f", 0, 0, 0, 1, 0, 0, 0, 1, 0)
    points = points if binary is None else binary
    scene = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
        "accessors": [
            {
                "bufferView": 0,
                "componentType": 5126,
                "count": 3,
                "type": "VEC3",
                "min": [0, 0, 0],
                "max": [1, 1, 0],
            }
        ],
        "bufferViews": [{"buffer": 0, "byteLength": 36}],
        "buffers": [{"byteLength": 36}],
        **changes,
    }
    return pack_glb((b"JSON", json.dumps(scene).encode()), (b"BIN\0", points))


def pack_glb(*chunks: tuple[bytes, bytes]) -> bytes:
    """A GLB of these chunks, by name and content."""
    body = b""
    for name, content in chunks:
        padded = content + (b" " if name == b"JSON" else b"\0") * (-len(content) % 4)
        body += struct.pack("<I4s", len(padded), name) + padded
    return struct.pack("<4sII", b"glTF", 2, 12 + len(body)) + body
