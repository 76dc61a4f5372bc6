"""How a picture was made ↔ metadata inside its file: PNG text, JPEG and WebP XMP. Pure.

The metadata is put between the parts of the file; its pixels are not encoded again.

Sources: PNG (W3C, third edition) sections 5.3 and 11.3.3; JPEG and PNG in the XMP
Specification Part 3 (Adobe, 2020); the WebP Container Specification (Google); the IPTC
Photo Metadata Standard 2025.1 for the names of the properties.
"""

import html
import json
import re
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence

from pipeline.assets.sidecar import SentFile
from pipeline.job import Job, JsonValue
from pipeline.record import Struct, asdict

MEDIA_TYPES = frozenset({"image/png", "image/jpeg", "image/webp"})
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
_XMP_KEYWORD = b"XML:com.adobe.xmp"
_XMP_MARK = b"http://ns.adobe.com/xap/1.0/\0"
_MOST_IN_JPEG = 65_535 - 2 - len(_XMP_MARK)  # of one segment, by its 16-bit length
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_NOT_IN_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_RECORD = re.compile(
    r"<pipeline:record>(.*?)</pipeline:record>|pipeline:record=(?:\"([^\"]*)\"|'([^']*)')",
    re.DOTALL,
)
_MARKER = 0xFF  # the first byte of every marker in a JPEG
_APP0, _APP1 = 0xE0, 0xE1  # the second byte: JFIF; Exif or XMP
_BARE = frozenset({0xDA, 0xD9, *range(0xC0), *range(0xD0, 0xD9)})  # no length follows
_LOSSLESS_HEADER_BYTES, _LOSSY_HEADER_BYTES = 5, 10
_XMP_FLAG = 0x04  # in the first byte of a VP8X chunk
_ALPHA_FLAG = 0x10


class Reference(Struct, frozen=True, kw_only=True):
    """A file that a request used.

    Attributes:
        asset_id: What the request names it by.
        path: As written in the manifest, relative to its folder.
        sha256: The hex digest of its content.
    """

    asset_id: str
    path: str
    sha256: str


class Making(Struct, frozen=True, kw_only=True):
    """How a file was made: enough to ask for it again.

    Attributes:
        model_id: The service's id of the model.
        request: The inputs as sent.
        seed: The seed sent, or None.
        item_id: The item.
        job_id: The service's id of the job.
        asset_id: The service's id of the file.
        references: The files among the inputs.
    """

    model_id: str
    request: Mapping[str, JsonValue]
    seed: int | None
    item_id: str
    job_id: str
    asset_id: str
    references: tuple[Reference, ...] = ()

    @property
    def prompt(self) -> str:
        """The prompt, or "" if the model has none."""
        prompt = self.request.get("prompt")
        return prompt if isinstance(prompt, str) else ""


def making_of(job: Job, asset_id: str, sent: Sequence[SentFile]) -> Making:
    """How an asset of a job was made, from what its request holds and which files."""
    return Making(
        model_id=job.model_id,
        request=job.request or {},
        seed=job.seed,
        item_id=job.item_id,
        job_id=job.remote_id or "",
        asset_id=asset_id,
        references=tuple(
            Reference(asset_id=one.asset_id, path=one.path, sha256=one.sha256)
            for one in {one.asset_id: one for one in sent}.values()
            if one.asset_id is not None
        ),
    )


class CannotHold(ValueError):
    """A file that metadata cannot be put into; ``str()`` says why."""


def embed(content: bytes, media_type: str, making: Making) -> bytes:
    """The file with its making in it.

    Args:
        content: A whole, valid file.
        media_type: One of ``MEDIA_TYPES``.
        making: What to write.

    Raises:
        CannotHold: The file is laid out in a way that we do not know.
    """
    if media_type == "image/png":
        return _into_png(content, making)
    if media_type == "image/jpeg":
        return _into_jpeg(content, making)
    return _into_webp(content, making)


def read_embedded(content: bytes) -> Making | None:
    """What :func:`embed` wrote into a file, also after other programs have saved it.

    Args:
        content: The file's bytes.
    """
    for packet in _find_packets(content):
        for found in _RECORD.finditer(packet.decode("utf-8", "replace")):
            text = html.unescape(next(filter(None, found.groups()), ""))
            making = _making_from(text)
            if making is not None:
                return making
    return None


# --- the packet ---------------------------------------------------------------


def render_xmp(making: Making, *, most_bytes: int | None = None) -> bytes:
    """The XMP packet; without the record, and with less of the prompt, if too long."""
    values = asdict(making) | {"references": [*map(asdict, making.references)]}
    record = json.dumps(values, sort_keys=True)
    prompt = _NOT_IN_XML.sub("", making.prompt)
    packet = _packet(making, prompt, record)
    if most_bytes is None or len(packet) <= most_bytes:
        return packet
    packet = _packet(making, prompt, "")
    if len(packet) > most_bytes:
        # A character has at most 6 bytes here, as "&quot;", and stands there twice.
        packet = _packet(making, prompt[: most_bytes // 16], "")
    return packet


def _packet(making: Making, prompt: str, record: str) -> bytes:
    def element(name: str, text: str) -> str:
        return f"<{name}>{html.escape(text)}</{name}>" if text else ""

    described = (
        '<dc:description><rdf:Alt><rdf:li xml:lang="x-default">'
        f"{html.escape(prompt)}</rdf:li></rdf:Alt></dc:description>"
    )
    seed = "" if making.seed is None else str(making.seed)
    parts = (
        element("Iptc4xmpExt:DigitalSourceType", SOURCE_TYPE),
        element("Iptc4xmpExt:AISystemUsed", making.model_id),
        element("Iptc4xmpExt:AIPromptInformation", prompt),
        element("xmp:CreatorTool", "scenario-pipeline"),
        described * bool(prompt),
        element("pipeline:seed", seed),
        element("pipeline:itemId", making.item_id),
        element("pipeline:jobId", making.job_id),
        element("pipeline:assetId", making.asset_id),
        element("pipeline:record", record),
    )
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about=""'
        ' xmlns:dc="http://purl.org/dc/elements/1.1/"'
        ' xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
        ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
        ' xmlns:pipeline="urn:scenario-pipeline:1">'
        f"{''.join(parts)}"
        "</rdf:Description></rdf:RDF></x:xmpmeta>"
        '<?xpacket end="r"?>'
    ).encode()


def _making_from(text: str) -> Making | None:
    try:
        value = json.loads(text)
        references = tuple(
            Reference(
                asset_id=str(one["asset_id"]),
                path=str(one["path"]),
                sha256=str(one["sha256"]),
            )
            for one in value.get("references", ())
        )
        seed, request = value["seed"], value["request"]
        is_sound = isinstance(request, dict) and (seed is None or type(seed) is int)
        if not is_sound:
            return None
        return Making(
            model_id=str(value["model_id"]),
            request=request,
            seed=seed,
            item_id=str(value["item_id"]),
            job_id=str(value["job_id"]),
            asset_id=str(value["asset_id"]),
            references=references,
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _find_packets(content: bytes) -> Iterator[bytes]:
    if content.startswith(_SIGNATURE):
        for name, body, _ in _png_chunks(content):
            if name == b"iTXt" and body.startswith(_XMP_KEYWORD + b"\0\0"):
                # Keyword, two bytes of compression, language, translated keyword.
                yield body.split(b"\0", 3)[-1].partition(b"\0")[2].partition(b"\0")[2]
    elif content.startswith(b"\xff\xd8"):
        for start, end in _jpeg_segments(content):
            body = content[start + 4 : end]
            if content[start + 1] == _APP1 and body.startswith(_XMP_MARK):
                yield body[len(_XMP_MARK) :]
    elif content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        for name, body in _webp_chunks(content):
            if name == b"XMP ":
                yield body


# --- PNG ----------------------------------------------------------------------


def _png_chunks(content: bytes) -> Iterator[tuple[bytes, bytes, int]]:
    """Name, body and end of each chunk, as far as they are whole."""
    position = len(_SIGNATURE)
    while position + 12 <= len(content):
        length, name = struct.unpack_from(">I4s", content, position)
        end = position + 12 + length
        if end > len(content):
            return
        yield name, content[position + 8 : end - 4], end
        position = end


def _into_png(content: bytes, making: Making) -> bytes:
    first = next(_png_chunks(content), None)
    if first is None or first[0] != b"IHDR":
        raise CannotHold("its first chunk is not its header")
    texts = {
        "Software": "scenario-pipeline",
        "Description": _NOT_IN_XML.sub("", making.prompt),
        "Model": making.model_id,
        "Seed": "" if making.seed is None else str(making.seed),
        "Item ID": making.item_id,
        "Job ID": making.job_id,
        "Asset ID": making.asset_id,
    }
    chunks = [
        _text_chunk(keyword.encode(), text.encode("utf-8", "replace"))
        for keyword, text in texts.items()
        if text
    ]
    chunks.append(_text_chunk(_XMP_KEYWORD, render_xmp(making)))
    parts = [content[: first[2]], *chunks]
    end = first[2]
    for name, body, after in _png_chunks(content):
        if after > end:
            # A file has one packet.
            if not (name == b"iTXt" and body.startswith(_XMP_KEYWORD + b"\0")):
                parts.append(content[end:after])
            end = after
    return b"".join([*parts, content[end:]])


def _text_chunk(keyword: bytes, text: bytes) -> bytes:
    body = keyword + b"\0\0\0\0\0" + text  # not compressed, no language
    checksum = zlib.crc32(body, zlib.crc32(b"iTXt"))
    return struct.pack(">I", len(body)) + b"iTXt" + body + struct.pack(">I", checksum)


# --- JPEG ---------------------------------------------------------------------


def _jpeg_segments(content: bytes) -> Iterator[tuple[int, int]]:
    """Start and end of each segment before the picture itself."""
    position = 2
    while position + 4 <= len(content) and content[position] == _MARKER:
        marker = content[position + 1]
        if marker == _MARKER:  # a fill byte
            position += 1
            continue
        if marker in _BARE:
            return
        end = position + 2 + int.from_bytes(content[position + 2 : position + 4])
        yield position, end
        position = end


def _into_jpeg(content: bytes, making: Making) -> bytes:
    if not content.startswith(b"\xff\xd8\xff"):
        raise CannotHold("it does not begin like a JPEG")
    packet = render_xmp(making, most_bytes=_MOST_IN_JPEG)
    length = 2 + len(_XMP_MARK) + len(packet)
    segment = b"\xff\xe1" + struct.pack(">H", length) + _XMP_MARK + packet
    first: list[bytes] = [content[:2]]  # JFIF and Exif
    others: list[bytes] = []
    end = 2
    for start, after in _jpeg_segments(content):
        kind = content[start + 1]
        is_packet = kind == _APP1 and content.startswith(_XMP_MARK, start + 4)
        if not is_packet:  # a file has one packet
            is_early = not others and kind in {_APP0, _APP1}
            (first if is_early else others).append(content[end:after])
        end = after
    return b"".join([*first, segment, *others, content[end:]])


# --- WebP ---------------------------------------------------------------------


def _webp_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 12
    while position + 8 <= len(content):
        name, length = struct.unpack_from("<4sI", content, position)
        end = position + 8 + length
        if end > len(content):
            return
        yield name, content[position + 8 : end]
        position = end + length % 2


def _into_webp(content: bytes, making: Making) -> bytes:
    chunks = [one for one in _webp_chunks(content) if one[0] != b"XMP "]
    if not chunks:
        raise CannotHold("it has no chunks")
    name, body = chunks[0]
    if name == b"VP8X" and body:
        chunks[0] = name, bytes([body[0] | _XMP_FLAG]) + body[1:]
    else:
        chunks.insert(0, (b"VP8X", _extended_header(name, body)))
    chunks.append((b"XMP ", render_xmp(making)))
    joined = b"".join(
        struct.pack("<4sI", name, len(body)) + body + b"\0" * (len(body) % 2)
        for name, body in chunks
    )
    return b"RIFF" + struct.pack("<I", 4 + len(joined)) + b"WEBP" + joined


def _extended_header(name: bytes, body: bytes) -> bytes:
    """The header of a simple file, made from its only chunk."""
    if name == b"VP8L" and len(body) >= _LOSSLESS_HEADER_BYTES:
        bits = int.from_bytes(body[1:5], "little")
        width, height = bits & 0x3FFF, bits >> 14 & 0x3FFF  # each less one
        flags = _XMP_FLAG | _ALPHA_FLAG * (bits >> 28 & 1)
    elif name == b"VP8 " and len(body) >= _LOSSY_HEADER_BYTES:
        width, height = ((one & 0x3FFF) - 1 for one in struct.unpack("<HH", body[6:10]))
        flags = _XMP_FLAG
    else:
        raise CannotHold("its first chunk is not a picture")
    return (
        bytes([flags, 0, 0, 0])
        + width.to_bytes(3, "little")
        + height.to_bytes(3, "little")
    )
