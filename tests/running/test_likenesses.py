"""Likenesses: which pictures of other items are too alike."""

from pipeline.running.likenesses import Likenesses

KNOWN = [("oak", "00000000000000ff"), ("elm", "ffffffffffffffff")]


def check(likeness, most, *, item_id="fir", known=KNOWN):
    return Likenesses(known, are_wanted=True).check(item_id, likeness, most).why


def test_the_nearest_picture_is_named_with_how_alike_it_is():
    assert check("00000000000000ff", 1.0) == "it is like oak (1.00)"
    assert check("00000000000000fe", 0.98) == "it is like oak (0.98)"
    assert check("fffffffffffffff0", 0.9) == "it is like elm (0.94)"


def test_what_is_less_alike_passes():
    assert check("00000000000000fe", 1.0) == ""
    assert check("00000000000000fc", 0.98) == ""
    assert check("0123456789abcdef", 0.98) == ""
    assert check("0000000000000000", 0.98, known=[]) == ""


def test_an_items_own_pictures_takes_and_steps_do_not_count():
    known = [(name, "00000000000000ff") for name in ("oak", "oak@2", "oak+cut")]

    assert check("00000000000000ff", 0.5, item_id="oak", known=known) == ""
    assert check("00000000000000ff", 0.5, item_id="oak@3", known=known) == ""
    assert check("00000000000000ff", 0.5, item_id="elm", known=known) != ""


def test_a_forgotten_item_is_compared_no_more():
    likenesses = Likenesses(KNOWN, are_wanted=True)
    likenesses.forget("oak")
    likenesses.add("yew", "")

    assert likenesses.check("fir", "00000000000000ff", 1.0).why == ""
