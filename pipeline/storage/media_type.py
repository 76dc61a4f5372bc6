"""The first bytes of a file → its media type and extension. Pure.

A small table of our own: the libraries tried (filetype, puremagic) miss GLB and PLY,
which this service's models produce.
"""

import re

HEAD_SIZE_BYTES = 4096  # most need a few bytes; an SVG may begin with comments

_FTYP_BRANDS = {
    b"avif": "image/avif",
    b"avis": "image/avif",
    **dict.fromkeys((b"heic", b"heix", b"hevc", b"mif1", b"msf1"), "image/heic"),
    b"M4A ": "audio/mp4",
    b"qt  ": "video/quicktime",
}
_RIFF_FORMS = {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}
_PREFIXES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"BM", "image/bmp"),
    (b"#?RADIANCE", "image/vnd.radiance"),
    (b"v/1\x01", "image/x-exr"),
    (b"glTF", "model/gltf-binary"),
    (b"Kaydara FBX Binary", "model/fbx"),
    (b"ply\n", "model/ply"),
    (b"ply\r\n", "model/ply"),
    (b"\x1aE\xdf\xa3", "video/webm"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"\xff\xf3", "audio/mpeg"),
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
    (b"PK\x03\x04", "application/zip"),
    (b"%PDF-", "application/pdf"),
)
_EXTENSIONS = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/gif": "gif",
    "image/webp": "webp",
    "image/avif": "avif",
    "image/heic": "heic",
    "image/tiff": "tiff",
    "image/bmp": "bmp",
    "image/svg+xml": "svg",
    "image/vnd.radiance": "hdr",
    "image/x-exr": "exr",
    "model/gltf-binary": "glb",
    "model/fbx": "fbx",
    "model/ply": "ply",
    "model/obj": "obj",
    "video/mp4": "mp4",
    "video/webm": "webm",
    "video/quicktime": "mov",
    "video/x-msvideo": "avi",
    "audio/mpeg": "mp3",
    "audio/mp4": "m4a",
    "audio/wav": "wav",
    "audio/flac": "flac",
    "audio/ogg": "ogg",
    "application/zip": "zip",
    "application/pdf": "pdf",
    "application/json": "json",
    "text/plain": "txt",
    "text/html": "html",
}


KNOWN_EXTENSIONS = frozenset(_EXTENSIONS.values())
# Pictures that can be decoded, checked and saved in another form.
PICTURE_TYPES = frozenset(
    f"image/{kind}" for kind in ("png", "jpeg", "gif", "webp", "tiff", "bmp", "avif")
)
_SVG = re.compile(
    rb"(<\?xml[^>]*>\s*|<!--.*?-->\s*|<!DOCTYPE[^>]*>\s*)*<svg[\s>]", re.DOTALL
)


def media_type_of(head: bytes) -> str:
    """The media type of a file by its first bytes; "" if they do not show it.

    Text of no known type is ``text/plain``.

    Args:
        head: The first ``HEAD_SIZE_BYTES`` of the file, or all of it.
    """
    for prefix, media_type in _PREFIXES:
        if head.startswith(prefix):
            return media_type
    if head[:4] == b"RIFF":
        return _RIFF_FORMS.get(head[8:12], "")
    if head[4:8] == b"ftyp":
        return _FTYP_BRANDS.get(head[8:12], "video/mp4")
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if _SVG.match(text):
        return "image/svg+xml"
    if text[:15].lower().startswith((b"<!doctype html", b"<html")):
        return "text/html"
    return "text/plain" if _is_text(head) else ""


def _is_text(head: bytes) -> bool:
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        # A character cut in half by the end of the head is still text.
        if error.start < len(head) - 3:
            return False
    return b"\0" not in head


def extension_of(media_type: str) -> str:
    """``png`` for ``image/png``; ``bin`` for a type that is not in the table."""
    return _EXTENSIONS.get(media_type.partition(";")[0].strip().lower(), "bin")
