"""Processing: what becomes of a picture, whatever it is and whatever is wanted."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from pipeline.assets.embedding import Making, read_embedded
from pipeline.assets.processing import contained_size, covering_box, process
from pipeline.save_spec import Fit, SaveSpec
from pipeline.storage.media_type import media_type_of

MAKING = Making(
    model_id="model_x",
    request={"prompt": "an oak"},
    seed=7,
    item_id="oak",
    job_id="job_1",
    asset_id="asset_1",
)
EDGES = st.integers(1, 9000)
SIZES = st.tuples(EDGES, EDGES)


def noise(width=60, height=40, mode="RGB"):
    image = Image.effect_noise((width, height), 80)
    if mode in {"RGBA", "LA"}:
        image = image.convert("RGB" if mode == "RGBA" else "L")
        image.putalpha(Image.radial_gradient("L").resize((width, height)))
        return image
    return image.convert(mode)


def with_border(colour, mode="RGB"):
    image = Image.new(mode, (40, 30), colour)
    image.paste((200, 10, 10) if mode == "RGB" else (200, 10, 10, 255), (10, 5, 30, 25))
    return image


@pytest.fixture
def work(tmp_path):
    def work(image, *, kind="PNG", **spec):
        path = tmp_path / "original"
        if isinstance(image, bytes):
            path.write_bytes(image)
        else:
            image.save(path, kind)
        media_type = media_type_of(path.read_bytes())
        done = process(path, media_type, SaveSpec(**spec), MAKING)
        assert done == process(path, media_type, SaveSpec(**spec), MAKING)
        return done

    return work


def opened(done):
    image = Image.open(io.BytesIO(done.content))
    image.load()
    return image


# --- sizes ----------------------------------------------------------------------


@given(SIZES, SIZES)
def test_a_contained_picture_is_never_larger_than_the_box_nor_than_it_was(size, box):
    width, height = contained_size(size, box)

    assert 1 <= width <= min(max(1, size[0]), max(1, box[0]))
    assert 1 <= height <= min(size[1], box[1])
    # The shape is kept, as far as whole pixels can.
    assert abs(width * size[1] - height * size[0]) <= max(size)


@given(SIZES, SIZES)
def test_a_covering_part_lies_inside_the_picture_and_has_the_shape_of_the_box(
    size, box
):
    left, top, right, bottom = covering_box(size, box)

    assert 0 <= left < right <= size[0]
    assert 0 <= top < bottom <= size[1]
    assert (right - left, bottom - top)[0] == size[0] or bottom - top == size[1]
    assert abs((right - left) * box[1] - (bottom - top) * box[0]) <= max(box)


@pytest.mark.parametrize(
    ("fit", "box", "size"),
    [
        (Fit.CONTAIN, (30, 30), (30, 20)),
        (Fit.CONTAIN, (600, 600), None),
        (Fit.COVER, (30, 30), (30, 30)),
        (Fit.COVER, (600, 600), (40, 40)),
        (Fit.FILL, (30, 90), (30, 90)),
        (Fit.PAD, (30, 30), (30, 30)),
        (Fit.PAD, (600, 600), (600, 600)),
    ],
)
def test_each_fit_gives_its_size(fit, box, size, work):
    done = work(noise(), resize=box, fit=fit)

    assert (None if done.content is None else opened(done).size) == size


def test_padding_is_transparent_where_the_format_allows_it_and_white_elsewhere(work):
    webp = opened(work(noise(), format="webp", resize=(50, 50), fit=Fit.PAD))
    jpeg = opened(work(noise(), format="jpeg", resize=(50, 50), fit=Fit.PAD))

    assert webp.convert("RGBA").getpixel((0, 0))[3] == 0
    assert min(jpeg.getpixel((0, 0))) >= 250


# --- formats --------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "CMYK", "I;16"])
@pytest.mark.parametrize("kind", ["png", "webp", "jpeg", "avif"])
def test_every_kind_of_picture_can_be_saved_in_every_format(kind, mode, work):
    image = noise(mode="L" if mode == "I;16" else mode)
    if mode == "I;16":
        image = image.convert("I").point(lambda grey: grey * 257).convert("I;16")
    source = "TIFF" if mode == "CMYK" else "PNG"

    done = work(image, kind=source, format=kind, resize=(20, 20))

    assert done.shortfall == ""
    assert media_type_of(done.content) == f"image/{kind}"
    assert opened(done).size == (20, 13)


def test_deep_greys_keep_their_brightness(work):
    grey = Image.new("I;16", (8, 8), 0x8080)

    assert opened(work(grey, format="jpeg")).getpixel((3, 3)) == 0x80


@pytest.mark.parametrize("profile", [None, b"no profile", "of colours"])
def test_inks_become_colours_whatever_their_profile_says(profile, work):
    if profile == "of colours":  # not of inks: it cannot be meant
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    content = io.BytesIO()
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(
        content, "JPEG", icc_profile=profile
    )

    made = opened(work(content.getvalue(), format="png"))

    assert made.mode == "RGB"
    red, green, blue = made.getpixel((4, 4))
    assert red > 200
    assert max(green, blue) < 80


def test_transparency_survives_every_format_that_has_it(work):
    for kind in ("png", "webp", "avif"):
        alpha = opened(work(noise(mode="RGBA"), format=kind, resize=(20, 20)))
        low, high = alpha.getchannel("A").getextrema()
        assert low < 20
        assert high > 200


def test_a_picture_with_transparency_becomes_a_jpeg_on_white_and_says_so(work):
    image = Image.new("RGBA", (8, 8), (255, 0, 0, 0))

    done = work(image, format="jpeg")

    assert opened(done).getpixel((2, 2)) == (255, 255, 255)
    assert any("JPEG has no transparency" in note for note in done.notes)


def test_an_opaque_alpha_channel_is_left_out_without_a_word(work):
    assert work(Image.new("RGBA", (8, 8), "red"), format="jpeg").notes == ()


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"format": "png"},
        {"resize": (60, 40)},
        {"resize": (999, 999)},
        {"trim": True},
        {"max_bytes": 10**6},
        {"format": "png", "trim": True, "max_bytes": 10**6},
    ],
)
def test_a_picture_that_is_what_is_wanted_keeps_its_bytes(spec, work):
    assert work(noise(), **spec).content is None


def test_the_orientation_is_applied_and_other_metadata_is_left_behind(work):
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "the camera of a person"
    file = io.BytesIO()
    noise(60, 40).save(file, "JPEG", exif=exif, comment=b"secret")

    done = work(file.getvalue(), format="webp")

    assert opened(done).size == (40, 60)
    assert b"camera" not in done.content
    assert b"secret" not in work(file.getvalue(), quality=50).content


def test_a_colour_profile_is_kept_for_colours_and_left_out_for_others(work):
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    file, grey = io.BytesIO(), io.BytesIO()
    noise().save(file, "PNG", icc_profile=profile)
    noise(mode="L").save(grey, "PNG", icc_profile=profile)

    for kind in ("png", "webp", "jpeg", "avif"):
        kept = opened(work(file.getvalue(), format=kind, resize=(20, 20)))
        assert kept.info.get("icc_profile") == profile, kind
        left = opened(work(grey.getvalue(), format=kind, resize=(20, 20)))
        assert not left.info.get("icc_profile"), kind


def test_an_animation_is_left_as_it_came(work):
    file = io.BytesIO()
    frames = [Image.new("RGB", (9, 9), colour) for colour in ("red", "blue")]
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])

    done = work(file.getvalue(), format="webp")

    assert done.content is None
    assert any("animation" in note for note in done.notes)


# --- borders --------------------------------------------------------------------


@pytest.mark.parametrize(
    "image",
    [
        with_border("white"),
        with_border((0, 0, 0, 0), "RGBA"),
        with_border((9, 9, 9, 255), "RGBA"),
    ],
    ids=["one colour", "transparent", "opaque"],
)
def test_empty_borders_are_cut_away(image, work):
    assert opened(work(image, trim=True)).size == (20, 20)


@pytest.mark.parametrize("colour", ["white", (0, 0, 0, 0)])
def test_a_picture_that_is_all_border_stays_whole(colour, work):
    mode = "RGB" if colour == "white" else "RGBA"

    assert work(Image.new(mode, (9, 9), colour), trim=True).content is None


# --- bytes ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["webp", "jpeg"])
@given(most=st.integers(500, 5000))
def test_a_lossy_file_is_small_enough_or_as_small_as_it_gets(
    kind, most, tmp_path_factory
):
    path = tmp_path_factory.mktemp("picture") / "original"
    noise(60, 40).save(path, "PNG")

    done = process(path, "image/png", SaveSpec(format=kind, max_bytes=most), MAKING)
    lowest = process(path, "image/png", SaveSpec(format=kind, quality=5), MAKING)

    assert len(done.content or b"") <= max(most, len(lowest.content or b""))


def test_the_quality_is_the_highest_that_is_small_enough(work):
    most = len(work(noise(), format="webp", quality=60).content)

    done = work(noise(), format="webp", max_bytes=most)

    assert len(done.content) <= most
    assert len(done.content) > len(work(noise(), format="webp", quality=40).content)


def test_a_png_loses_colours_until_it_is_small_enough_and_says_so(work):
    image = noise(200, 200, "RGBA")

    done = work(image, max_bytes=40_000)

    assert len(done.content) <= 40_000
    assert any("colours are reduced" in note for note in done.notes)
    assert opened(done).convert("RGBA").getchannel("A").getextrema()[0] < 50


def test_a_small_enough_file_is_not_encoded_again_for_what_is_embedded(work):
    file = io.BytesIO()
    noise().save(file, "JPEG", quality=80)

    done = work(file.getvalue(), max_bytes=10**6, embed=True)

    assert opened(done).tobytes() == Image.open(file).tobytes()


# --- hostile pictures -----------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"\x89PNG\r\n\x1a\n" + b"\0" * 100,
        b"\xff\xd8\xff\xe0" + b"\xff" * 50,
        b"RIFF\x10\0\0\0WEBPVP8 \0\0\0\0",
        b"GIF89a" + b"\xff" * 40,
        b"II*\0\xff\xff\xff\xff",
        b"BM" + b"\0" * 60,
        b"\0\0\0\x20ftypavif" + b"\0" * 40,
    ],
    ids=["png", "jpeg", "webp", "gif", "tiff", "bmp", "avif"],
)
@pytest.mark.parametrize(
    "spec",
    [
        {"format": "jpeg", "trim": True},
        {"trim": True},
        {"resize": (5, 5), "embed": True},
    ],
)
def test_a_broken_picture_is_left_as_it_came_with_a_reason(content, spec, work):
    done = work(content, **spec)

    assert done.content is None
    assert done.shortfall


@pytest.mark.parametrize("edge", [13_000, 60_000])
def test_a_bomb_is_not_decoded(edge, work):
    header = bytearray(b"BM" + b"\0" * 52)
    header[10], header[14] = 54, 40
    header[18:22] = edge.to_bytes(4, "little")
    header[22:26] = edge.to_bytes(4, "little")
    header[26], header[28] = 1, 24

    done = work(bytes(header), format="webp")

    assert done.content is None
    assert "plausible" in done.shortfall or "bomb" in done.shortfall


def test_a_size_that_the_format_cannot_have_is_a_reason_not_an_error(work):
    done = work(Image.new("L", (17_000, 1)), format="webp")

    assert done.content is None
    assert "webp" in done.shortfall


def test_broken_exif_does_not_keep_a_picture_from_being_saved(work):
    file = io.BytesIO()
    noise().save(file, "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12")

    assert work(file.getvalue(), format="png").content is not None


# --- what is embedded -----------------------------------------------------------


@pytest.mark.parametrize("kind", ["png", "webp", "jpeg"])
def test_what_is_embedded_is_there_in_whatever_form_it_is_saved(kind, work):
    for spec in ({}, {"resize": (20, 20)}, {"max_bytes": 4000}):
        done = work(noise(), format=kind, embed=True, **spec)
        assert read_embedded(done.content) == MAKING
        opened(done)


def test_an_avif_has_the_packet_too(work):
    xmp = opened(work(noise(), format="avif", embed=True)).info["xmp"]

    assert b"trainedAlgorithmicMedia" in xmp


def test_a_format_that_can_hold_nothing_becomes_one_that_can(work):
    file = io.BytesIO()
    noise().save(file, "BMP")

    done = work(file.getvalue(), embed=True)

    assert media_type_of(done.content) == "image/png"
    assert read_embedded(done.content) == MAKING


def test_an_animation_that_can_hold_nothing_is_left_with_a_reason(work):
    file = io.BytesIO()
    frames = [Image.new("RGB", (9, 9), colour) for colour in ("red", "blue")]
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])

    done = work(file.getvalue(), embed=True)

    assert done.content is None
    assert done.shortfall == "nothing can be embedded in a gif file"


# --- nothing to do, and too little room for it


@pytest.mark.parametrize("fit", [Fit.COVER, Fit.PAD])
def test_a_picture_that_has_the_size_of_the_box_only_changes_its_format(fit, work):
    image = noise(60, 40)

    done = work(image, format="png", kind="BMP", resize=(60, 40), fit=fit)

    assert opened(done).convert("RGB").tobytes() == image.tobytes()


def test_a_picture_with_real_numbers_for_pixels_can_be_saved(work):
    done = work(noise(mode="F"), kind="TIFF", format="png")

    assert (done.shortfall, opened(done).mode) == ("", "RGB")


def test_a_profile_of_greys_is_left_out_of_a_picture_that_became_coloured(work):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    greys = srgb[:16] + b"GRAY" + srgb[20:]
    file = io.BytesIO()
    noise(mode="L").save(file, "PNG", icc_profile=greys)

    kept = opened(work(file.getvalue(), format="png", resize=(20, 20)))
    left = opened(work(file.getvalue(), format="webp", resize=(20, 20)))

    assert kept.info.get("icc_profile") == greys
    assert not left.info.get("icc_profile")


def test_too_little_memory_leaves_the_picture_as_it_came(work, monkeypatch):
    def fail(*_arguments, **_named):
        raise MemoryError

    monkeypatch.setattr(Image.Image, "resize", fail)

    done = work(noise(), resize=(20, 20))

    assert (done.content, done.shortfall) == (None, "there is too little memory")


def test_an_animation_whose_frames_cannot_be_counted_is_left_as_it_came(
    work, monkeypatch
):
    def fail(_image):
        raise SyntaxError("a broken frame")

    file = io.BytesIO()
    noise().convert("P").save(file, "GIF")
    monkeypatch.setattr("PIL.GifImagePlugin.GifImageFile.is_animated", property(fail))

    done = work(file.getvalue(), format="webp")

    assert done.content is None
    assert any("animation" in note for note in done.notes)
