"""Embedding: what is written into a file can be read back, and its pixels stay."""

import contextlib
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.assets.checks.png import PngCheck
from pipeline.assets.embedding import (
    SOURCE_TYPE,
    CannotHold,
    Making,
    Reference,
    embed,
    read_embedded,
    render_xmp,
)

REFERENCE = Reference(asset_id="asset_up", path="refs/style.png", sha256="a" * 64)
MAKING = Making(
    model_id="model_x",
    request={"prompt": 'an "oak" <b> & ünï ]]>\n', "seed": 7, "images": ["asset_up"]},
    seed=7,
    item_id="trees/oak",
    job_id="job_1",
    asset_id="asset_1",
    references=(REFERENCE,),
)
KINDS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "png": ("PNG", "RGBA", {}),
    "palette": ("PNG", "P", {}),
    "jpeg": ("JPEG", "RGB", {}),
    "exif": ("JPEG", "RGB", {"exif": Image.Exif()}),
    "grey": ("JPEG", "L", {}),
    "webp": ("WEBP", "RGB", {}),
    "alpha": ("WEBP", "RGBA", {}),
    "lossless": ("WEBP", "RGBA", {"lossless": True}),
    "profile": ("WEBP", "RGB", {"icc_profile": b"p" * 131}),
}


def file_of(name):
    kind, mode, options = KINDS[name]
    image = Image.effect_noise((31, 17), 80).convert("RGB")
    if mode == "RGBA":
        image.putalpha(Image.linear_gradient("L").resize((31, 17)))
    file = io.BytesIO()
    image.convert(mode).save(file, kind, **options)
    return file.getvalue(), f"image/{kind.lower()}"


def embedded(name, making):
    content, media_type = file_of(name)
    return embed(content, media_type, making)


def texts_of(content):
    image = Image.open(io.BytesIO(content))
    image.load()
    return image.info


@pytest.mark.parametrize("name", KINDS)
def test_it_is_read_back_and_the_picture_stays_what_it_was(name):
    content, media_type = file_of(name)

    written = embed(content, media_type, MAKING)

    before, after = (Image.open(io.BytesIO(one)) for one in (content, written))
    assert (before.mode, before.tobytes()) == (after.mode, after.tobytes())
    assert read_embedded(written) == MAKING
    assert read_embedded(content) is None
    assert embed(content, media_type, MAKING) == written


@pytest.mark.parametrize("name", ["png", "jpeg", "exif", "webp", "alpha"])
def test_a_packet_that_is_there_is_replaced_so_that_there_is_one(name):
    content, media_type = file_of(name)
    other = Making(**{**_fields(MAKING), "seed": 8})

    written = embed(embed(content, media_type, other), media_type, MAKING)

    assert written.count(b"<?xpacket begin") == 1
    assert read_embedded(written) == MAKING
    before, after = (Image.open(io.BytesIO(one)) for one in (content, written))
    assert before.tobytes() == after.tobytes()


def test_a_png_stays_one_for_the_strictest_reader_and_has_plain_texts_too():
    written = embedded("png", MAKING)

    check = PngCheck()
    check.feed(written)
    assert check.finish() == (31, 17)
    texts = texts_of(written)
    assert texts["Model"] == "model_x"
    assert texts["Description"] == MAKING.prompt
    assert texts["Seed"] == "7"
    assert texts["Job ID"] == "job_1"


@pytest.mark.parametrize("name", ["png", "jpeg", "webp"])
def test_other_programs_find_the_source_type_of_generated_media(name):
    image = Image.open(io.BytesIO(embedded(name, MAKING)))
    image.load()

    packet = image.info.get("xmp") or image.info["XML:com.adobe.xmp"].encode()

    assert f"DigitalSourceType>{SOURCE_TYPE}<".encode() in packet
    assert b"AISystemUsed>model_x<" in packet


def test_the_packet_is_well_formed_whatever_the_prompt_has():
    import xml.etree.ElementTree as ET

    prompt = "".join(map(chr, range(0x20))) + "<&>\"' ]]> \ufffe \U0001f333"
    making = Making(**{**_fields(MAKING), "request": {"prompt": prompt}})

    root = ET.fromstring(render_xmp(making))

    assert "\U0001f333" in "".join(root.itertext())


def _fields(making):
    return {name: getattr(making, name) for name in making.__struct_fields__}


@given(st.text(max_size=200), st.text(max_size=50))
def test_every_text_survives(prompt, name):
    request = {"prompt": prompt, name: [prompt, {"x": name}]}
    making = Making(**{**_fields(MAKING), "request": request})
    if any(0xD800 <= ord(char) < 0xE000 for char in prompt + name):
        return  # no manifest has half a character

    assert read_embedded(embedded("png", making)) == making


def test_a_prompt_that_no_jpeg_can_hold_is_cut_and_the_file_stays_whole():
    making = Making(**{**_fields(MAKING), "request": {"prompt": '"' * 300_000}})

    written = embedded("jpeg", making)

    assert SOURCE_TYPE.encode() in written
    Image.open(io.BytesIO(written)).load()


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda text: text.replace("<pipeline:record>", '<x pipeline:record="').replace(
            "</pipeline:record>", '"/>'
        ),
    ],
)
def test_it_is_found_as_an_attribute_too_as_other_programs_write_it(rewrite):
    written = embedded("png", MAKING)
    packet = texts_of(written)["XML:com.adobe.xmp"]
    from pipeline.assets.embedding import _text_chunk

    other = file_of("png")[0]
    chunk = _text_chunk(b"XML:com.adobe.xmp", rewrite(packet).encode())

    assert read_embedded(other[:33] + chunk + other[33:]) == MAKING


@pytest.mark.parametrize("media_type", ["image/png", "image/jpeg", "image/webp"])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x89PNG\r\n\x1a\n",
        b"\x89PNG\r\n\x1a\n\xff\xff\xff\xffIHDR",
        b"\xff\xd8\xff\xe1\0",
        b"RIFF\0\0\0\0WEBP",
        b"RIFF\0\0\0\0WEBPVP8 \x02\0\0\0xx",
    ],
)
def test_a_file_cut_short_is_refused_or_left_readable_and_never_an_error(
    content, media_type
):
    with contextlib.suppress(CannotHold):
        embed(content, media_type, MAKING)
    assert read_embedded(content) is None


@given(st.binary(max_size=300), st.sampled_from(["png", "jpeg", "webp"]))
def test_any_bytes_after_a_beginning_can_be_read(tail, name):
    written = embedded(name, MAKING)

    read_embedded(written[:40] + tail)
    read_embedded(written[:12] + tail)


@pytest.mark.parametrize(
    "record",
    [
        "[]",
        "{}",
        "not json",
        "[" * 100_000,
        json.dumps({**_fields(MAKING), "references": [], "request": []}),
        json.dumps({**_fields(MAKING), "references": [], "seed": "7"}),
        json.dumps({**_fields(MAKING), "references": [1]}),
    ],
    ids=["list", "empty", "text", "deep", "request", "seed", "reference"],
)
def test_a_forged_record_is_not_believed(record):
    import html

    from pipeline.assets.embedding import _text_chunk

    packet = f"<pipeline:record>{html.escape(record)}</pipeline:record>"
    content = file_of("png")[0]
    chunk = _text_chunk(b"XML:com.adobe.xmp", packet.encode())

    assert read_embedded(content[:33] + chunk + content[33:]) is None
