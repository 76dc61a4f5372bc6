"""Media types: content tells, names do not."""

import pytest

from pipeline.storage.media_type import extension_of, kind_of, media_type_of

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
        (b"BM\x36\0\0\0\0\0\0\0", "image/bmp"),
        (b"BMW is a car", "text/plain"),
        (b"ID3\4\0", "audio/mpeg"),
        (b"ID3 tags are old", "text/plain"),
        (b"\xff\xfb\x90", "audio/mpeg"),
        (b"\xff\xf1\x50", "audio/aac"),
        (b"fLaC\0\0\0\x22", "audio/flac"),
        (b"OggS\0\2" + bytes(22) + b"\1\x1eOpusHead", "audio/ogg"),
        (b"OggS\0\2" + bytes(22) + b"\1\x2a\x80theora", "video/ogg"),
        (b"\0\0\0\x1cftypM4A ", "audio/mp4"),
        (b"\0\0\0\x14ftypqt  ", "video/quicktime"),
        (b"\x1aE\xdf\xa3\x9fB\x86\x81\1B\x82\x84webm", "video/webm"),
        (b"\x1aE\xdf\xa3\x9fB\x86\x81\1B\x82\x88matroska", "video/x-matroska"),
        (b"Kaydara FBX Binary  \0", "model/fbx"),
        (b"ply\nformat ascii 1.0\n", "model/ply"),
        (b'{"asset": {"generator": "x", "version": "2.0"}}', "model/gltf+json"),
        (
            b'{"scenes": [], "asset":{"version":"2.0"}, ' + b" " * 5000,
            "model/gltf+json",
        ),
        (b"# made\nmtllib a.mtl\nv 0 0 1\nv 0 1 0\nf 1 2 1\n", "model/obj"),
        (b"v for vendetta\nis a film\nand more\n", "text/plain"),
        (b"solid cube\n facet normal 0 0 1\n", "model/stl"),
        (b"solid advice\nfor you\n", "text/plain"),
        (b"PK\3\4" + bytes(22) + b"\6\0\0\0a.usdcB", "model/vnd.usdz+zip"),
        (b"PK\3\4" + bytes(22) + b"\5\0\0\0a.txt", "application/zip"),
        (b'{"tags": ["oak"]}', "application/json"),
        (b"[1, 2]", "application/json"),
        (b"[sic] he wrote", "text/plain"),
        (b"{tag} of a template", "text/plain"),
        (b'{"tags": [' + b'"oak", ' * 1000, "application/json"),
        (b"[Intro] a song" + b" and more" * 1000, "text/plain"),
        (b"hello", "text/plain"),
        ("ä".encode() * 10 + b"\xc3", "text/plain"),
        (b"\xff\xff\xff\xff\xff", ""),
        (b"a\0b", ""),
    ],
)
def test_content_tells_the_type(head, media_type):
    assert media_type_of(head) == media_type


def test_a_binary_stl_is_known_by_its_size():
    head = bytes(80) + (2).to_bytes(4, "little") + bytes(100)

    assert media_type_of(head, 184) == "model/stl"
    assert media_type_of(head, 185) == ""
    assert media_type_of(head) == ""


@pytest.mark.parametrize(
    ("media_type", "extension", "kind"),
    [
        ("image/png", "png", "image"),
        ("video/mp4; codecs=avc1", "mp4", "video"),
        ("audio/x-wav", "wav", "audio"),
        ("audio/mp3", "mp3", "audio"),
        ("model/gltf-binary", "glb", "3d"),
        ("model/gltf+json", "gltf", "3d"),
        ("model/usdz", "usdz", "3d"),
        ("application/json", "json", "text"),
        ("text/plain", "txt", "text"),
        ("application/zip", "zip", ""),
        ("application/octet-stream", "bin", ""),
        ("", "bin", ""),
    ],
)
def test_the_type_tells_the_extension_and_the_kind(media_type, extension, kind):
    assert extension_of(media_type) == extension
    assert kind_of(media_type) == kind
