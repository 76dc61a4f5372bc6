"""What the checks of a saved picture find, and when two pictures are alike."""

import io

import pytest
from PIL import Image, ImageDraw

from pipeline.assets.checks.picture import examine, likeness_of
from pipeline.assets.checks.png import NotAnImage
from pipeline.save_spec import CheckSpec, SaveSpec, Saving


def shape(colour=(255, 255, 255, 255), background=(0, 0, 0, 0), size=(200, 100)):
    image = Image.new("RGBA", size, background)
    ImageDraw.Draw(image).ellipse((40, 20, 160, 80), fill=colour)
    return image


def scene(seed):
    image = Image.new("RGB", (120, 90), "white")
    draw = ImageDraw.Draw(image)
    for step in range(6):
        x, y = (seed * 37 + step * 29) % 100, (seed * 53 + step * 17) % 70
        draw.rectangle((x, y, x + 25, y + 20), fill=(x * 2, y * 3, step * 40))
    return image


@pytest.fixture
def look(tmp_path):
    def look(image, kind="PNG", *, save=None, **checks):
        path = tmp_path / "picture"
        image.save(path, kind)
        saving = Saving(save=save or SaveSpec(), checks=CheckSpec(**checks))
        results, _ = examine(path, f"image/{kind.lower()}", saving, compares=False)
        return {one.name: one.why for one in results}

    return look


def faint(alpha):
    image = Image.new("RGBA", (50, 50), (9, 9, 9, 255))
    image.putalpha(alpha)
    return image


@pytest.mark.parametrize(
    ("image", "passes"),
    [
        (shape(), True),
        (shape(background=(0, 0, 0, 255)), False),
        (Image.new("RGB", (9, 9)), False),
        (faint(254), False),
        (faint(60), True),
        (Image.new("LA", (9, 9), (5, 0)), True),
    ],
    ids=["a shape", "opaque", "no channel", "hardly", "glass", "grey"],
)
def test_alpha_is_transparency_that_is_used(image, passes, look):
    assert (look(image, alpha=True)["alpha"] == "") is passes


def test_alpha_is_found_in_a_palette_and_in_a_transparent_colour(look, tmp_path):
    palette = shape().quantize(16)
    keyed = io.BytesIO()
    Image.new("RGB", (9, 9), (1, 2, 3)).save(keyed, "PNG", transparency=(1, 2, 3))

    assert look(palette, alpha=True) == {"alpha": ""}
    assert look(Image.open(keyed), alpha=True) == {"alpha": ""}


@pytest.mark.parametrize(
    ("image", "passes"),
    [
        (shape(), True),  # white on nothing is something
        (scene(1), True),
        (Image.new("RGB", (300, 300), "teal"), False),
        (Image.new("RGBA", (30, 30), (5, 9, 200, 0)), False),
        (faint(200), False),
        (Image.new("L", (30, 30), 128), False),
        (Image.effect_noise((64, 64), 0.5), False),
        (scene(2).quantize(8), True),
    ],
)
def test_a_blank_picture_is_found(image, passes, look):
    assert (look(image, not_blank=True)["not_blank"] == "") is passes


def test_the_shorter_edge_counts(look):
    assert look(shape(), min_px=100) == {"min_px": ""}
    assert look(shape(), min_px=101)["min_px"] == "its shorter edge has 100 px"


def test_the_size_is_checked_where_saving_wants_one(look):
    found = look(scene(1), save=SaveSpec(max_bytes=10))

    assert "more than 10" in found["max_bytes"]
    assert look(scene(1), save=SaveSpec(max_bytes=10**6)) == {"max_bytes": ""}


def test_what_is_no_picture_has_no_checks(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"\0\0\0\x20ftypisom")
    saving = Saving(checks=CheckSpec(alpha=True, not_blank=True))

    assert examine(tmp_path / "a.mp4", "video/mp4", saving, compares=True) == ((), "")


def test_a_broken_picture_is_an_error(tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    saving = Saving(checks=CheckSpec(alpha=True))

    with pytest.raises(NotAnImage):
        examine(tmp_path / "a.png", "image/png", saving, compares=False)


def differing(left, right):
    return (int(left, 16) ^ int(right, 16)).bit_count()


def test_a_picture_is_like_itself_in_another_size_and_format():
    image = scene(3)
    file = io.BytesIO()
    image.resize((300, 225)).save(file, "WEBP", quality=80)

    assert differing(likeness_of(image), likeness_of(Image.open(file))) <= 2


def test_other_pictures_are_less_alike():
    found = [likeness_of(scene(seed)) for seed in range(8)]

    assert all(len(one) == 16 for one in found)
    assert (
        min(
            differing(left, right) for left in found for right in found if left != right
        )
        > 5
    )


def test_a_blank_picture_is_like_no_other():
    assert likeness_of(Image.new("RGB", (30, 30), "red")) == ""
