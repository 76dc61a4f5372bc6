"""Media types: content tells, names do not."""

import pytest

from pipeline.storage.media_type import media_type_of

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize(
    ("head", "media_type"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"RIFF\0\0\0\0WAVEfmt ", "audio/wav"),
        (b"\0\0\0 ftypavif", "image/avif"),
        (b"\0\0\0 ftypheic", "image/heic"),
        (b"\0\0\0 ftypisom", "video/mp4"),
        (b"II*\0", "image/tiff"),
        (b"MM\0*", "image/tiff"),
        (b'<svg xmlns="x">', "image/svg+xml"),
        (b'<?xml version="1.0"?>\n<!-- x -->\n<svg>', "image/svg+xml"),
        (b"<html><svg>", "text/html"),
        (b"glTF\2\0\0\0", "model/gltf-binary"),
        (b"hello", "text/plain"),
        ("ä".encode() * 10 + b"\xc3", "text/plain"),
        (b"\xff\xff\xff\xff\xff", ""),
        (b"a\0b", ""),
    ],
)
def test_content_tells_the_type(head, media_type):
    assert media_type_of(head) == media_type
