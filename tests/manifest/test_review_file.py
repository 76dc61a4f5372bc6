"""The review file: written, read back, merged by hand, broken."""

import pytest

from pipeline.errors import ManifestError
from pipeline.manifest import load_manifest
from pipeline.manifest.review import Added, ItemReview, Kept, Review, Verdict
from pipeline.manifest.review_file import (
    read_review,
    render_review,
    review_path,
    write_review,
)

A, B = "a" * 64, "0" * 64
MANIFEST = "version: 1\nmodel: model_wan-2-7-image\nitems: [{id: oak, prompt: a}]\n"


def verdict(take=1, **more):
    return Verdict(
        **{"take": take, "sha256": (A,), "by": "Ann <a@b>", "at": "T", **more}
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "icons.review.yaml"


FULL = {
    "z/oak": ItemReview(
        approved=(verdict(), verdict(2, note='fine: "yes"\n#1 \xfc \U0001f600'))
    ),
    "no": ItemReview(picked=verdict(3, output=2, sha256=(A, B))),
    "1.50": ItemReview(
        rejected=(verdict(),),
        added=(Added(take=2, replaces=1, seed=7, pinned=-5), Added(take=3, replaces=2)),
        kept=(Kept(take=2, job_key=A, made_by=B, sha256=(A,)),),
    ),
}


def test_what_is_written_is_read_back(path):
    review = Review(path=path, items=FULL)
    write_review(review, "icons.yaml")

    assert read_review(path) == review
    assert list(path.parent.iterdir()) == [path]


def test_equal_decisions_give_equal_bytes_with_the_items_sorted():
    one = render_review(Review(items=FULL), "icons.yaml")
    other = render_review(Review(items=dict(reversed(FULL.items()))), "icons.yaml")

    assert one == other
    heads = [line for line in one.splitlines() if line[:3] in {"  n", "  z", '  "'}]
    assert heads == ['  "1.50":', '  "no":', "  z/oak:"]


def test_each_decision_is_on_a_line_of_its_own():
    text = render_review(Review(items=FULL), "icons.yaml")
    assert sum("sha256" in line for line in text.splitlines()) == 5


@pytest.mark.parametrize(
    "text", ["", "\n# nothing\n", "version: 1\n", "version: 1\nitems:\n"]
)
def test_a_file_without_decisions_is_none(path, text):
    path.write_text(text)
    assert read_review(path).items == {}


HEAD = "version: 1\nitems:\n  oak:\n"
GOOD = f"{{take: 1, sha256: ['{A}']}}"


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("version: 2\n", (1, 10), "the version of a review file is 1"),
        ("items: {}\n", (1, 1), "the version of a review file is 1"),
        ("- 1\n", (1, 1), "a review file must be a mapping (key: value), not a list"),
        (HEAD + "    pickt: {}\n", (4, 5), "unknown key 'pickt'"),
        (HEAD + "    picked: {take: 1}\n", (4, 13), "'sha256' is missing"),
        (
            HEAD + "    picked: {take: 0, sha256: []}\n",
            (4, 20),
            "'take' must be a number",
        ),
        (
            HEAD + "    picked: {take: 1, sha256: [x]}\n",
            (4, 32),
            "'sha256' must be a SHA",
        ),
        (
            HEAD + f"    approved: [{GOOD}, {GOOD}]\n",
            (4, 105),
            "take 1 is approved twice",
        ),
        (
            HEAD + "    added: [{take: 2, replaces: 2}]\n",
            (4, 33),
            "take 2 cannot replace",
        ),
        (
            HEAD
            + "    added: [{take: 2, replaces: 1}, {take: 2, replaces: 1, seed: 3}]\n",
            (4, 37),
            "take 2 is added twice",
        ),
        ("version: 1\nitems:\n  ../x: {}\n", (3, 3), "id '../x' contains '..'"),
        (HEAD + "    picked: 3\n", (4, 13), "a decision must be a mapping"),
        (HEAD + "    added: [3]\n", (4, 13), "a take must be a mapping"),
        (HEAD + "    kept: [3]\n", (4, 12), "a kept file must be a mapping"),
        (HEAD + "    added: [{take: 2}]\n", (4, 13), "'replaces' is missing"),
        (
            HEAD + "    added: [{take: 2, replaces: 1, seed: one}]\n",
            (4, 42),
            "'seed' must be a whole number",
        ),
        (
            HEAD + f"    kept: [{{take: 1, made_by: {A}, sha256: ['{A}']}}]\n",
            (4, 12),
            "'job_key' is missing",
        ),
        (
            HEAD + "    picked: {take: 1, sha256: 3}\n",
            (4, 31),
            "'sha256' must be a list",
        ),
        (
            HEAD + f"    picked: {{take: 1, sha256: ['{A}'], note: {'n' * 10_001}}}\n",
            (4, 107),
            "'note' is too long",
        ),
        (HEAD + "=======\n", (4, 1), "a merge has left a conflict marker here"),
        (
            "version: 1\nitems: [a b\n c: d\n",
            (2, 8),
            "the list or mapping that begins here",
        ),
    ],
)
def test_a_broken_file_says_where_and_what(path, text, place, message):
    path.write_text(text)

    with pytest.raises(ManifestError) as caught:
        read_review(path, "icons.review.yaml")

    fault = caught.value.faults[0]
    assert (fault.line, fault.column) == place
    assert fault.message.startswith(message)
    assert fault.file == "icons.review.yaml"


def test_its_faults_are_reported_beside_those_of_the_manifest(tmp_path):
    manifest = tmp_path / "icons.yaml"
    manifest.write_text(MANIFEST.replace("prompt", "promt"))
    review_path(manifest).write_text("version: 1\nitems: 3\n")

    with pytest.raises(ManifestError) as caught:
        load_manifest(manifest)

    files = {fault.file.rpartition("/")[2] for fault in caught.value.faults}
    assert files == {"icons.yaml", "icons.review.yaml"}


@pytest.mark.parametrize(
    ("count", "added", "picked", "wanted"),
    [
        (1, [], None, [1]),
        (4, [], None, [1, 2, 3, 4]),
        (1, [(2, 1)], None, [2]),
        (1, [(2, 1), (3, 2)], None, [3]),
        (4, [(5, 3)], None, [1, 2, 4, 5]),
        (6, [(5, 3)], None, [1, 2, 4, 5, 6, 7]),
        (1, [], 2, [2]),
        (2, [], 4, [1, 4]),
        (1, [(2, 1)], 1, [1]),
        (1, [(2, 1), (3, 2)], 2, [2]),
        (3, [(4, 2)], 2, [1, 2, 3]),
    ],
)
def test_an_item_wants_as_many_takes_as_it_says(count, added, picked, wanted):
    review = ItemReview(
        picked=None if picked is None else verdict(picked),
        added=tuple(Added(take=take, replaces=before) for take, before in added),
    )
    assert review.wanted_takes(count) == wanted


def test_decisions_about_one_take_replace_each_other():
    item = ItemReview().with_approval(verdict(2)).with_rejection(verdict(2))
    assert (item.approved, item.rejected) == ((), (verdict(2),))
    item = item.with_pick(verdict(2))
    assert (item.picked, item.rejected) == (verdict(2), ())
    assert item.with_rejection(verdict(2)).picked is None
    assert item.with_rejection(verdict(1)).picked == verdict(2)


def test_decisions_follow_a_rename_unless_there_are_others():
    review = Review(items={"hero": ItemReview(picked=verdict(2))})
    renamed = review.with_renamed("hero", "knight")
    assert renamed.items == {"knight": ItemReview(picked=verdict(2))}
    assert renamed.with_renamed("hero", "elf") == renamed


def test_a_review_file_that_cannot_be_read_is_a_fault(path):
    path.mkdir()

    with pytest.raises(ManifestError) as caught:
        read_review(path, "icons.review.yaml")

    [fault] = caught.value.faults
    assert fault.message.startswith("the review file cannot be read: ")
