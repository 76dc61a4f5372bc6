"""Makes MP3 audio: mono, 48 kHz, one chord after another.

Each frame of MPEG-1 Layer III (ISO/IEC 11172-3) holds a few spectral lines of the value
one. The smallest Huffman table encodes them, and the gain of the frame gives the
loudness, so no encoder is needed. Every frame stands alone.
"""

from collections.abc import Iterator
from random import Random

from pipeline.emulator.media.bits import BitWriter

SAMPLE_RATE_HZ = 48_000
SAMPLES_PER_FRAME = 1152
FRAME_S = SAMPLES_PER_FRAME / SAMPLE_RATE_HZ
BITS_PER_S = 32_000
FRAME_BYTES = 144 * BITS_PER_S // SAMPLE_RATE_HZ
# Sync, MPEG-1, Layer III, no checksum; 32 kbit/s, 48 kHz; mono.
HEADER = bytes([0xFF, 0xFB, 0x14, 0xC0])
GRANULES = 2
SIDE_BYTES = 17
HUFFMAN_TABLE = 1  # of pairs of zeros and ones, without the signs
PAIR_CODES = {(0, 0): "1", (0, 1): "001", (1, 0): "01", (1, 1): "000"}
LINE_HZ = SAMPLE_RATE_HZ / 2 / 576
SCALE_HZ = (220.0, 246.94, 277.18, 329.63, 369.99, 440.0, 493.88, 554.37, 659.26)
LOUDEST = 202
FADE = 1  # how much the gain falls in a frame, in steps of 1.5 dB
FRAMES_PER_CHORD = 12


def make_frames(duration_s: float, chance: Random) -> list[bytes]:
    """Frames that last about so long, at least one.

    Args:
        duration_s: Seconds. The sum of the frames differs by less than one frame.
        chance: Chooses the chords.
    """
    count = max(round(duration_s / FRAME_S), 1)
    frames = []
    for number in range(count):
        position = number % FRAMES_PER_CHORD
        if position == 0:
            root, fifth = chance.choice(SCALE_HZ), chance.choice(SCALE_HZ)
        lines = {round(root / LINE_HZ), round(fifth * 2 / LINE_HZ)}
        frames.append(_frame(lines, LOUDEST - FADE * position))
    return frames


def _frame(lines: set[int], gain: int) -> bytes:
    data = "".join(_pairs(lines))
    side = BitWriter()
    side.put(0, 9 + 5 + 4)  # no bits of earlier frames; private bits; no shared scales
    main = BitWriter()
    for _ in range(GRANULES):
        side.put(len(data), 12)
        side.put((max(lines) + 2) // 2, 9)
        side.put(gain, 8)
        side.put(0, 4 + 1)  # no scale factors; long windows
        for _ in range(3):
            side.put(HUFFMAN_TABLE, 5)
        side.put(0, 4 + 3 + 1 + 1 + 1)
        main.put_text(data)
    frame = HEADER + side.to_bytes() + main.to_bytes()
    return frame.ljust(FRAME_BYTES, b"\0")


def _pairs(lines: set[int]) -> Iterator[str]:
    for line in range(0, max(lines) + 1, 2):
        pair = (int(line in lines), int(line + 1 in lines))
        yield PAIR_CODES[pair] + "0" * sum(pair)
