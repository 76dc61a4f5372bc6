"""Which ids are taken for misspelt ones, and which may be new."""

import pytest

from pipeline.models.wording import find_misspelt

KNOWN = ("model_wan-2-7-image", "model_wan-2-7-image-pro")


@pytest.mark.parametrize(
    "word",
    [
        "model_wan-2-7-imag",
        "model_wan-2-7-imagee",
        "model_wan-2-7-imgae",
        "model_wan-2-7-inage",
        "modle_wan-2-7-image",
        "model_wan_2-7-image",
    ],
)
def test_one_slip_is_a_misspelling(word):
    assert find_misspelt(word, KNOWN) == ["model_wan-2-7-image"]


@pytest.mark.parametrize(
    "word",
    [
        "model_wan-2-8-image",
        "model_wan-3-7-image",
        "model_wan-7-2-image",
        "model_wan-2-7-image-hd",
        "model_other",
        "",
    ],
)
def test_another_version_is_none(word):
    assert find_misspelt(word, KNOWN) == []


def test_the_closest_is_first():
    assert find_misspelt("model_a-imag", ("model_a-images", "model_a-image"))[0] == (
        "model_a-image"
    )
