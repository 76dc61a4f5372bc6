"""Puts a video stream and MP3 frames into an MP4 file (ISO/IEC 14496-12)."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.emulator.media.h264 import Encoded
from pipeline.emulator.media.mp3 import (
    BITS_PER_S,
    SAMPLE_RATE_HZ,
    SAMPLES_PER_FRAME,
)

MOVIE_SCALE = 1000
UNDEFINED_LANGUAGE = 0x55C4
MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
MP3_OBJECT = 0x6B
AUDIO_STREAM = 0x15


@dataclass(frozen=True, slots=True, kw_only=True)
class _Track:
    number: int
    handler: bytes
    media_header: bytes
    entry: bytes
    scale: int
    step: int
    samples: Sequence[bytes]
    keys: Sequence[int] | None
    size_px: tuple[int, int]

    @property
    def duration(self) -> int:
        """In units of its own scale."""
        return self.step * len(self.samples)


def make_mp4(video: Encoded, audio: Sequence[bytes], *, frames_per_s: int) -> bytes:
    """The file.

    Args:
        video: The video stream.
        audio: MP3 frames of one format.
        frames_per_s: The speed of the video.
    """
    tracks = (
        _Track(
            number=1,
            handler=b"vide",
            media_header=_box(b"vmhd", struct.pack(">I8x", 1)),
            entry=_video_entry(video),
            scale=frames_per_s,
            step=1,
            samples=video.frames,
            keys=video.key_frames,
            size_px=(video.width_px, video.height_px),
        ),
        _Track(
            number=2,
            handler=b"soun",
            media_header=_box(b"smhd", bytes(8)),
            entry=_audio_entry(),
            scale=SAMPLE_RATE_HZ,
            step=SAMPLES_PER_FRAME,
            samples=audio,
            keys=None,
            size_px=(0, 0),
        ),
    )
    head = _box(b"ftyp", b"isom" + struct.pack(">I", 0x200) + b"isomavc1mp42")
    length = len(_movie(tracks, (0, 0)))
    first = len(head) + length + 8
    second = first + sum(map(len, video.frames))
    data = _box(b"mdat", b"".join((*video.frames, *audio)))
    return head + _movie(tracks, (first, second)) + data


def _movie(tracks: Sequence[_Track], offsets: Sequence[int]) -> bytes:
    longest = max(_movie_duration(track) for track in tracks)
    header = struct.pack(">5I", 0, 0, 0, MOVIE_SCALE, longest)
    header += struct.pack(">IH10x", 0x10000, 0x100) + MATRIX + bytes(24)
    header += struct.pack(">I", len(tracks) + 1)
    inner = [_box(b"mvhd", header)]
    inner += [
        _track(track, offset) for track, offset in zip(tracks, offsets, strict=True)
    ]
    return _box(b"moov", *inner)


def _track(track: _Track, offset: int) -> bytes:
    is_audio = track.handler == b"soun"
    header = struct.pack(">5I", 3, 0, 0, track.number, 0)  # enabled and in the movie
    header += struct.pack(">I8xHHHH", _movie_duration(track), 0, 0, 0x100 * is_audio, 0)
    width, height = track.size_px
    header += MATRIX + struct.pack(">II", width << 16, height << 16)
    media = struct.pack(">5I", 0, 0, 0, track.scale, track.duration)
    media += struct.pack(">HH", UNDEFINED_LANGUAGE, 0)
    reference = _box(b"dref", struct.pack(">II", 0, 1), _box(b"url ", b"\0\0\0\1"))
    return _box(
        b"trak",
        _box(b"tkhd", header),
        _box(
            b"mdia",
            _box(b"mdhd", media),
            _box(b"hdlr", struct.pack(">II", 0, 0), track.handler, bytes(13)),
            _box(
                b"minf",
                track.media_header,
                _box(b"dinf", reference),
                _sample_table(track, offset),
            ),
        ),
    )


def _sample_table(track: _Track, offset: int) -> bytes:
    sizes = [len(sample) for sample in track.samples]
    count = len(sizes)
    tables = [
        _box(b"stsd", struct.pack(">II", 0, 1), track.entry),
        _box(b"stts", struct.pack(">IIII", 0, 1, count, track.step)),
        _box(b"stsc", struct.pack(">IIIII", 0, 1, 1, count, 1)),
        _box(b"stsz", struct.pack(f">III{count}I", 0, 0, count, *sizes)),
        _box(b"stco", struct.pack(">III", 0, 1, offset)),
    ]
    if track.keys is not None:
        numbers = [position + 1 for position in track.keys]
        key_table = struct.pack(f">II{len(numbers)}I", 0, len(numbers), *numbers)
        tables.append(_box(b"stss", key_table))
    return _box(b"stbl", *tables)


def _video_entry(video: Encoded) -> bytes:
    profile = video.sequence[1:4]
    settings = b"\1" + profile + b"\xff"
    settings += struct.pack(">BH", 0xE1, len(video.sequence)) + video.sequence
    settings += struct.pack(">BH", 1, len(video.picture)) + video.picture
    return _box(
        b"avc1",
        struct.pack(">6xH16xHH", 1, video.width_px, video.height_px),
        struct.pack(">II4xH32xHH", 0x480000, 0x480000, 1, 24, 0xFFFF),
        _box(b"avcC", settings),
    )


def _audio_entry() -> bytes:
    stream = struct.pack(">BB3xII", MP3_OBJECT, AUDIO_STREAM, BITS_PER_S, BITS_PER_S)
    inner = _descriptor(4, stream) + _descriptor(6, b"\2")
    stream_info = _descriptor(3, struct.pack(">HB", 2, 0) + inner)
    return _box(
        b"mp4a",
        struct.pack(">6xH8xHH4xI", 1, 1, 16, SAMPLE_RATE_HZ << 16),
        _box(b"esds", bytes(4), stream_info),
    )


def _descriptor(tag: int, body: bytes) -> bytes:
    return bytes([tag, len(body)]) + body


def _movie_duration(track: _Track) -> int:
    return round(track.duration * MOVIE_SCALE / track.scale)


def _box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I", len(body) + 8) + kind + body
