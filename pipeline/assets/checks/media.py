"""A finished video or sound → nothing, or the reason why it does not play. Blocking.

PyAV, of the extra ``media``, opens the file, reads its packets and decodes the first
frame of each stream. Without PyAV nothing is checked.
"""

import math
from collections import Counter
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from pipeline.assets.checks.damage import Damaged
from pipeline.assets.checks.png import MAX_PIXELS
from pipeline.storage.store import Content

# The demuxer of each type. Only these are tried: others, such as those of playlists,
# would open the files and addresses that a file names.
MEDIA_FORMATS = {
    "video/mp4": "mov",
    "video/quicktime": "mov",
    "audio/mp4": "mov",
    "video/webm": "matroska",
    "video/x-matroska": "matroska",
    "video/x-msvideo": "avi",
    "video/ogg": "ogg",
    "audio/ogg": "ogg",
    "audio/mpeg": "mp3",
    "audio/wav": "wav",
    "audio/flac": "flac",
    "audio/aac": "aac",
}
MEDIA_TYPES = frozenset(MEDIA_FORMATS)
MISSING = (
    "videos and sounds are saved without a look inside;"
    " to check them: pip install 'scenario-pipeline[media]'"
)
_MOST_PACKETS = 200_000  # an hour of video with sound
_TRIES = 300  # packets of a stream, of which one has to give a frame


def can_check_media() -> bool:
    """Whether PyAV is installed."""
    return find_spec("av") is not None


def check_media(content: Content, media_type: str) -> None:
    """Check that a file opens, lasts, and shows or sounds.

    Args:
        content: The file.
        media_type: One of ``MEDIA_TYPES``, by its content.

    Raises:
        Damaged: It does not play.
    """
    import av  # noqa: PLC0415 - an optional extra, and 100 ms

    try:
        with (
            content.open("rb") as file,
            av.open(file, format=MEDIA_FORMATS[media_type]) as container,
        ):
            _check_container(container)
    except (av.InvalidDataError, av.EOFError) as error:
        raise Damaged(f"does not play: {error.strerror}") from error
    except av.FFmpegError:
        return  # it may be whole: the library cannot read everything


def _check_container(container: Any) -> None:
    streams = [one for one in container.streams if one.type in {"video", "audio"}]
    if not streams:
        raise Damaged("neither pictures nor sound in it")
    duration_s = None if container.duration is None else container.duration / 1e6
    if duration_s is not None and duration_s <= 0:
        raise Damaged("it lasts no time at all")
    for video in container.streams.video:
        if video.width * video.height > MAX_PIXELS:
            raise Damaged("more pixels than is plausible")
    end_s = _play(container, streams)
    if duration_s is not None and end_s < duration_s / 2:
        raise Damaged(f"it ends after {end_s:.1f} of {duration_s:.1f} s")


def _play(container: Any, streams: Sequence[Any]) -> float:
    """Read every packet, and decode each stream up to its first frame.

    Returns:
        Where the last packet ends, in seconds; infinite if there are too many.
    """
    silent = {one.index for one in streams if _has_to_show(one)}
    tries = Counter[int]()
    end_s = 0.0
    for count, packet in enumerate(container.demux(*streams)):
        if count >= _MOST_PACKETS:
            return math.inf
        if packet.is_corrupt:
            raise Damaged("a part of it is cut off")
        index = packet.stream.index
        if packet.pts is not None and packet.time_base is not None:
            ends = packet.pts + (packet.duration or 0)
            end_s = max(end_s, float(ends * packet.time_base))
        if index in silent and (tries[index] < _TRIES or not packet.size):
            tries[index] += 1
            if _has_frame(packet):
                silent.remove(index)
    if silent:
        raise Damaged("a stream of it cannot be decoded")
    return end_s


def _has_to_show(stream: Any) -> bool:
    """Whether a frame is expected: not without a decoder, nor of a song's cover."""
    from av.stream import Disposition  # noqa: PLC0415

    is_cover = bool(stream.disposition & Disposition.attached_pic)
    return stream.codec_context is not None and not is_cover


def _has_frame(packet: Any) -> bool:
    """Whether a packet completes a frame; a stream may begin with some that do not."""
    from av import FFmpegError  # noqa: PLC0415

    try:
        return bool(packet.decode())
    except FFmpegError:
        return False
