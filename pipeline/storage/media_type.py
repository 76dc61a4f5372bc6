"""The first bytes of a file → its media type and extension. Pure.

A small table of our own: the libraries tried (filetype, puremagic) miss GLB and PLY,
which this service's models produce.
"""

import json
import re

HEAD_SIZE_BYTES = 4096  # most need a few bytes; an SVG may begin with comments

_FTYP_BRANDS = {
    b"avif": "image/avif",
    b"avis": "image/avif",
    **dict.fromkeys((b"heic", b"heix", b"hevc", b"mif1", b"msf1"), "image/heic"),
    **dict.fromkeys((b"M4A ", b"M4B "), "audio/mp4"),
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
    (b"#?RADIANCE", "image/vnd.radiance"),
    (b"v/1\x01", "image/x-exr"),
    (b"glTF", "model/gltf-binary"),
    (b"Kaydara FBX Binary", "model/fbx"),
    (b"ply\n", "model/ply"),
    (b"ply\r\n", "model/ply"),
    *((b"\xff" + bytes([second]), "audio/mpeg") for second in b"\xfb\xfa\xf3\xf2\xe3"),
    (b"\xff\xf1", "audio/aac"),
    (b"\xff\xf9", "audio/aac"),
    (b"fLaC", "audio/flac"),
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
    "model/gltf+json": "gltf",
    "model/stl": "stl",
    "model/vnd.usdz+zip": "usdz",
    "video/mp4": "mp4",
    "video/webm": "webm",
    "video/x-matroska": "mkv",
    "video/ogg": "ogv",
    "video/quicktime": "mov",
    "video/x-msvideo": "avi",
    "audio/mpeg": "mp3",
    "audio/mp4": "m4a",
    "audio/aac": "aac",
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
_SVG = re.compile(
    rb"(<\?xml[^>]*>\s*|<!--.*?-->\s*|<!DOCTYPE[^>]*>\s*)*<svg[\s>]", re.DOTALL
)


_OBJ_LINE = re.compile(rb"(v|vn|vt|f|o|g|s|usemtl|mtllib)[ \t]\S")
_GLTF = re.compile(rb'"asset"\s*:\s*\{[^{}]*"version"\s*:\s*"')
_USD_NAME = re.compile(rb"[^/\x00]+\.usd[acz]?")
_STL_HEADER_BYTES = 84  # a title and the number of triangles, of 50 bytes each
# Other names that the service may use.
_ALIASES = {
    "model/gltf": "model/gltf+json",
    "model/usdz": "model/vnd.usdz+zip",
    "audio/mp3": "audio/mpeg",
    "audio/x-wav": "audio/wav",
    "audio/wave": "audio/wav",
    "audio/x-m4a": "audio/mp4",
    "audio/m4a": "audio/mp4",
    "audio/x-flac": "audio/flac",
    "image/jpg": "image/jpeg",
}


def media_type_of(head: bytes, size_bytes: int | None = None) -> str:
    """The media type of a file by its first bytes; "" if they do not show it.

    Text of no known type is ``text/plain``.

    Args:
        head: The first ``HEAD_SIZE_BYTES`` of the file, or all of it.
        size_bytes: The size of the file, by which a binary STL is known; or None.
    """
    for prefix, media_type in _PREFIXES:
        if head.startswith(prefix):
            return media_type
    if found := _container_type(head):
        return found
    if _is_text(head):
        return _text_type(head)
    return "model/stl" if _is_binary_stl(head, size_bytes) else ""


def _container_type(head: bytes) -> str:  # noqa: PLR0911 - a table of types
    """The type of a file whose first bytes do not suffice."""
    if head[:4] == b"RIFF":
        return _RIFF_FORMS.get(head[8:12], "")
    if head[4:8] == b"ftyp":
        return _FTYP_BRANDS.get(head[8:12], "video/mp4")
    if head.startswith(b"\x1aE\xdf\xa3"):
        is_webm = b"webm" in head[:64] or b"matroska" not in head[:64]
        return "video/webm" if is_webm else "video/x-matroska"
    if head.startswith(b"OggS"):
        return "video/ogg" if b"\x80theora" in head[:256] else "audio/ogg"
    if head.startswith(b"ID3") and head[3:4] in {b"\2", b"\3", b"\4"}:
        return "audio/mpeg"
    if head.startswith(b"BM") and head[6:10] == bytes(4):
        return "image/bmp"
    if head.startswith(b"PK\x03\x04"):
        name = head[30 : 30 + int.from_bytes(head[26:28], "little")]
        return "model/vnd.usdz+zip" if _USD_NAME.fullmatch(name) else "application/zip"
    return ""


def _text_type(head: bytes) -> str:  # noqa: PLR0911 - a table of types
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if _SVG.match(text):
        return "image/svg+xml"
    if text[:15].lower().startswith((b"<!doctype html", b"<html")):
        return "text/html"
    if text.startswith(b"{") and _GLTF.search(text):
        return "model/gltf+json"
    if _is_json(text, is_whole=len(head) < HEAD_SIZE_BYTES):
        return "application/json"
    if text.startswith(b"solid") and b"facet" in text[:1024]:
        return "model/stl"
    lines = [line for line in text.splitlines()[:-1] if line.strip()]
    told = [line for line in lines if not line.startswith(b"#")]
    if len(told) > 1 and all(map(_OBJ_LINE.match, told)):
        return "model/obj"
    return "text/plain"


def _is_json(text: bytes, *, is_whole: bool) -> bool:
    """Whether a text is an object or a list, or, if it goes on, begins like one."""
    if not text.startswith((b"{", b"[")):
        return False
    if not is_whole:
        return re.match(rb'\{\s*"|\[\s*[\[{"\d-]', text) is not None
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _is_binary_stl(head: bytes, size_bytes: int | None) -> bool:
    triangles = int.from_bytes(head[80:_STL_HEADER_BYTES], "little")
    return triangles > 0 and size_bytes == _STL_HEADER_BYTES + 50 * triangles


def kind_of(media_type: str) -> str:
    """``image``, ``video``, ``audio``, ``3d`` or ``text``; "" for another type."""
    group, _, name = media_type.partition("/")
    if group in {"image", "video", "audio", "text"}:
        return group
    return {"model": "3d"}.get(group, "text" if name == "json" else "")


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
    plain = media_type.partition(";")[0].strip().lower()
    return _EXTENSIONS.get(_ALIASES.get(plain, plain), "bin")
