"""The seed of a new take, typed by the user."""

import pytest
from PIL import Image

HEAD = "version: 1\nmodel: model_wan-2-7-image\nitems:\n"


@pytest.fixture
async def made(place):
    Image.new("RGB", (16, 16), "teal").save(place.folder / "hero.png")
    (place.folder / "knobs.yaml").write_text(
        f"{HEAD}  - {{id: oak, prompt: an oak}}\n"
        "  - {id: cut, model: model_birefnet-background-removal,"
        " params: {image: 'file:hero.png'}}\n"
    )
    done = await place.type("run", "--yes")
    assert done.code == 0, done.err
    return place


@pytest.mark.parametrize(
    ("item", "seed", "said"),
    [
        ("cut", "5", "takes no seed"),
        ("oak", "99999999999", "is not a seed of model_wan-2-7-image"),
    ],
)
async def test_a_seed_that_the_model_does_not_take_is_refused(made, item, seed, said):
    paid = made.paid

    done = await made.type("redo", item, "--seed", seed, "--yes")

    assert done.code == 2
    assert said in done.err
    assert made.paid == paid


async def test_a_model_without_a_seed_is_made_again_with_a_note(made):
    done = await made.type("redo", "cut", "--yes")

    assert done.code == 0
    assert "comes out differently is likely, but not certain" in done.err
    assert [job.attempt for job in made.attempts("cut@2")] == [1]


async def test_a_chosen_seed_is_sent_and_not_taken_twice(made):
    first = await made.type("redo", "oak", "--seed", "7", "--yes")
    again = await made.type("redo", "oak", "--seed", "7", "--yes")

    assert (first.code, made.job("oak@2").seed) == (0, 7)
    assert again.code == 2
    assert "7" in again.err


async def test_a_take_that_was_not_paid_for_is_made_by_the_next_redo(made):
    """It keeps its number, and gets the seed that is asked for now."""
    refused = await made.type("redo", "oak", "--yes", "--max-cost", "1")
    paid = made.paid

    done = await made.type("redo", "oak@2", "--seed", "9", "--yes")

    review = (made.folder / "knobs.review.yaml").read_text()
    assert (refused.code, done.code) == (4, 0)
    assert made.paid == paid + 1
    assert made.job("oak@2").seed == 9
    assert review.count("seed: ") == 1
