"""Decisions about an item with steps: about its chosen take, and what came of it."""

from doubles.place import items

from pipeline.manifest.review_file import read_review

LINE = "takes: 2, steps: [{name: cut, model: model_birefnet-background-removal}]}"


async def test_they_name_the_chosen_take_and_the_file_of_the_last_step(place_of):
    async with place_of() as place:
        await place.play(items("an oak").replace("params: {}}", LINE))
        await place.type("pick", "a", "2")
        await place.type("run", "--yes")
        approved = await place.type("approve", "a")
        checked = await place.type("check", "--approved", "--json")

        review = read_review(place.folder / "knobs.review.yaml")
        (verdict,) = review.items["a"].approved
        (asset,) = place.job("a+cut").assets
        assert approved.out == "a: take 2 is approved (a.png)\n"
        assert (verdict.take, verdict.sha256) == (2, (asset.content_sha256,))
        assert [one["reason"] for one in checked.of("approval")] == [""]
        assert "counts no longer" not in (await place.type("status")).out


async def test_redo_rolls_the_chosen_take_again_with_the_seed_that_is_wanted(place_of):
    async with place_of() as place:
        await place.play(items("an oak").replace("params: {}}", LINE))
        await place.type("pick", "a", "2")
        await place.type("run", "--yes")
        before = place.submits
        done = await place.type("redo", "a", "--seed", "7", "--yes")

        assert done.code == 0, done.err
        (added,) = read_review(place.folder / "knobs.review.yaml").items["a"].added
        assert (added.take, added.replaces, added.seed) == (3, 2, 7)
        assert place.submits - before == 1
        assert place.job("a@3").seed == 7

        # Its step is not made yet: that is no take that waits to be paid for.
        again = await place.type("redo", "a@3", "--yes")
        assert again.code == 0, again.err
        assert place.job("a@4").seed != 7


async def test_a_changed_step_of_a_later_take_is_accepted_as_it_is(place_of):
    async with place_of() as place:
        await place.play(items("an oak").replace("params: {}}", LINE))
        await place.type("pick", "a", "2")
        await place.type("run", "--yes")
        manifest = place.folder / "knobs.yaml"
        text = manifest.read_text("utf-8")
        other = "model_photoroom-background-removal"
        manifest.write_text(
            text.replace("model_birefnet-background-removal", other), "utf-8"
        )
        before = place.submits
        accepted = await place.type("accept", "a")
        done = await place.type("run", "--yes")

        assert (accepted.code, done.code) == (0, 0), accepted.err
        assert place.submits == before
