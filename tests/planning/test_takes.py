"""Takes: which one is chosen, what their files are called, which decisions count."""

import pytest
from planning.test_rename import Desk

from pipeline.errors import ManifestError
from pipeline.job import Asset, AssetId, Job, JobKey, JobStatus
from pipeline.manifest.review import Added, ItemReview, Verdict
from pipeline.naming import split_stem, split_take, take_id, wanted_path
from pipeline.planning import Action
from pipeline.planning.takes import Take, choose, find_stale, lay_out


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path)
    yield desk
    desk.ledger.close()


def made(number, *digests, path=""):
    job_id = take_id("hero", number)
    return Job(
        item_id=job_id,
        attempt=1,
        job_key=JobKey("k"),
        request_key=JobKey("k"),
        model_id="m",
        status=JobStatus.SAVED,
        assets=tuple(
            Asset(
                asset_id=AssetId("a"),
                output_index=index,
                path=path or f"{job_id}.png",
                sha256=digest,
                size_bytes=1,
                media_type="image/png",
                width_px=1,
                height_px=1,
            )
            for index, digest in enumerate(digests or (f"{number}",), 1)
        ),
    )


def take(number, *digests):
    return Take(number=number, made=made(number, *digests))


def on(number, digest=None, output=0):
    return Verdict(take=number, output=output, sha256=(digest or f"{number}",))


THREE = [take(1), take(2), take(3)]


@pytest.mark.parametrize(
    ("review", "chosen"),
    [
        (ItemReview(), 1),
        (ItemReview(picked=on(3)), 3),
        (ItemReview(picked=on(3, "other")), 1),
        (ItemReview(picked=on(7)), 1),
        (ItemReview(rejected=(on(1),)), 2),
        (ItemReview(rejected=(on(1, "other"),)), 1),
        (ItemReview(rejected=(on(1), on(2), on(3))), 1),
        (ItemReview(picked=on(3), rejected=(on(1),)), 3),
    ],
)
def test_the_picked_take_is_chosen_else_the_first_that_is_not_rejected(review, chosen):
    assert choose(review, THREE) == (chosen, 0)


def test_a_take_whose_files_are_not_known_yet_counts_as_what_was_decided_about():
    takes = [take(1), Take(number=2, is_paid=True)]
    assert choose(ItemReview(picked=on(2)), takes) == (2, 0)
    takes = [take(1), Take(number=2)]
    assert choose(ItemReview(picked=on(2)), takes) == (1, 0)


def test_of_outputs_one_is_chosen():
    takes = [take(1, "a", "b", "c")]
    assert choose(ItemReview(), takes, chooses=True) == (1, 1)
    picked = ItemReview(picked=on(1, "c", output=3))
    assert choose(picked, takes, chooses=True) == (1, 3)
    rejected = ItemReview(rejected=(on(1, "a", output=1),))
    assert choose(rejected, takes, chooses=True) == (1, 2)


def test_decisions_that_count_no_longer_are_named():
    review = ItemReview(picked=on(2, "x"), approved=(on(1),), rejected=(on(3),))
    takes = [take(1), take(2), Take(number=3)]
    assert list(find_stale("hero", review, takes)) == [
        "the choice of take 2 of hero counts no longer: it has other bytes now",
        "the rejection of take 3 of hero counts no longer: it is made again",
    ]


def test_files_move_only_once_the_chosen_take_has_some():
    review = ItemReview(added=(Added(take=2, replaces=1),))
    jobs = {"hero": [made(1, path="hero.png")], "hero@2": []}
    waiting = lay_out("hero", review, [Take(number=2)], jobs, line=1)
    assert waiting.chosen == "hero@2"
    assert waiting.stems == {"hero": "hero@1", "hero@2": "hero"}
    assert waiting.misplaced == frozenset()

    jobs["hero@2"] = [made(2, path="hero@2.png")]
    there = lay_out("hero", review, [take(2)], jobs, line=1)
    assert there.misplaced == {"hero", "hero@2"}


@pytest.mark.parametrize(
    ("path", "job_id", "stem"),
    [
        ("hero.png", "hero", "hero"),
        ("hero@1-2.png", "hero", "hero@1"),
        ("hero.old-1.png", "hero@2", "hero"),
        ("hero@12.png", "hero", None),
        ("hero@1.png", "hero@12", None),
        ("a/hero@12-3.old-2_2.webp", "a/hero@12", "a/hero@12"),
        ("heroes.png", "hero", None),
    ],
)
def test_the_stem_of_a_file_is_that_of_its_take(path, job_id, stem):
    found = split_stem(path, job_id)
    assert (found and found[0]) == stem
    if found:
        assert "".join(found) == path


def test_job_ids_of_takes_are_told_from_those_of_items():
    assert [take_id("a/b", number) for number in (1, 2, 10)] == [
        "a/b",
        "a/b@2",
        "a/b@10",
    ]
    assert [split_take(one) for one in ("a/b", "a/b@2")] == [("a/b", 1), ("a/b", 2)]


@pytest.mark.parametrize(
    ("path", "output", "count", "chosen_output", "stem", "wanted"),
    [
        ("hero.png", 1, 1, 0, "hero@1", "hero@1.png"),
        ("hero-2.png", 2, 3, 0, "hero@1", "hero@1-2.png"),
        ("hero.png", 3, 4, 0, "hero", "hero-3.png"),
        ("hero-2.png", 2, 3, 2, "hero", "hero.png"),
        ("hero-2.png", 2, 3, 1, "hero", "hero@1-2.png"),
        ("hero@1-2.old-1.png", 2, 3, 2, "hero", "hero.old-1.png"),
    ],
)
def test_each_file_has_one_name(  # noqa: PLR0917 - one row of the table
    path, output, count, chosen_output, stem, wanted
):
    assert (
        wanted_path(
            path, "hero", stem, output=output, count=count, chosen_output=chosen_output
        )
        == wanted
    )


# --- the manifest -----------------------------------------------------------------------


def seeds(plan):
    return {one.item.item_id: one.params.get("seed") for one in plan.entries()}


def test_takes_have_seeds_of_their_own(desk):
    plan = desk.plan("items: [{id: hero, prompt: a, takes: 3}]\n")
    found = seeds(plan)
    assert list(found) == ["hero", "hero@2", "hero@3"]
    assert len(set(found.values())) == 3
    alone = seeds(desk.plan("items: [{id: hero, prompt: a}]\n"))
    assert alone["hero"] == found["hero"]


def test_a_seed_of_the_item_is_that_of_take_1_and_the_others_come_of_it(desk):
    text = "items: [{id: hero, prompt: a, takes: 3, params: {seed: 5}}]\n"
    found = seeds(desk.plan(text))
    assert found["hero"] == 5
    assert len(set(found.values())) == 3
    assert found == seeds(desk.plan(text))
    assert found != seeds(desk.plan(text.replace("5", "6")))


def test_a_number_of_takes_may_come_from_the_top_or_from_a_row(desk):
    (desk.folder / "rows.csv").write_text("name,n\nelm,2\noak,\n")
    plan = desk.plan(
        "takes: 3\nitems:\n  - {id: hero, prompt: a}\n  - {id: elf, prompt: a, takes: 1}\n"
        "  - {id: '${name}', prompt: a, rows: rows.csv, takes: '${n}'}\n"
    )
    assert plan.manifest.most_jobs == 3 + 1 + 2 * 100
    ids = [one.item.item_id for one in plan.entries()]
    assert ids == [
        *("hero", "hero@2", "hero@3", "elf"),
        *("elm", "elm@2", "oak", "oak@2", "oak@3"),
    ]


@pytest.mark.parametrize(
    "value", ["0", "101", "1.5", "true", "'3'", "[3]", "many", "'${x}'"]
)
def test_a_wrong_number_of_takes_is_a_fault_at_its_place(desk, value):
    with pytest.raises(ManifestError) as caught:
        desk.plan(f"items:\n  - {{id: hero, prompt: a, takes: {value}}}\n")
    fault = caught.value.faults[0]
    assert fault.line == 4
    assert fault.column >= len("  - {id: hero, prompt: a, takes: ")


def test_a_selection_by_the_items_id_has_all_of_its_takes(desk):
    text = "items: [{id: hero, prompt: a, takes: 3}, {id: elf, prompt: a}]\n"
    assert len(list(desk.plan(text, globs=("hero",)).entries())) == 3
    only = list(desk.plan(text, globs=("hero@2",)).entries())
    assert [one.item.item_id for one in only] == ["hero@2"]


def test_the_plan_says_which_take_children_use(desk):
    text = "items: [{id: hero, prompt: a, takes: 2}]\n"
    desk.make(text)
    digest = desk.ledger.find_jobs_of("hero@2")[0].assets[0].sha256
    (desk.folder / "icons.review.yaml").write_text(
        "version: 1\nitems:\n  hero:\n"
        f"    picked: {{take: 2, sha256: ['{digest}']}}\n  elf: {{}}\n"
    )

    plan = desk.plan(text)

    assert plan.chosen_id("hero") == "hero@2"
    assert plan.chosen_id("elf") == "elf"
    assert plan.counts == {Action.RENAME: 2}
    assert set(plan.moves) == {"hero"}
    assert [note.partition(" has ")[2] for note in plan.notes] == [
        "decisions about unknown items: elf"
    ]
