"""Shards: what belongs together stays together, and every item is in one of them."""

from decimal import Decimal

import pytest

from pipeline.errors import UsageError
from pipeline.manifest import expand, load_manifest
from pipeline.planning import Selection, make_plan
from pipeline.planning.shards import Division, Shard, parse_shard, share_of
from pipeline.storage.folder import Folder

HEAD = "version: 1\nmodel: model_wan-2-7-image\nitems:\n"
MANY = """\
  - id: tree-${n}
    prompt: tree ${n}
    matrix: {n: [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]}
"""
LINES = """\
  - {id: hero, prompt: a hero, takes: 3}
  - {id: pose, prompt: a pose, params: {images: [item:hero]}}
  - {id: scene, prompt: a scene, params: {images: [item:pose, item:tree-c]}}
  - {id: oak, prompt: an oak}
  - {id: elm, prompt: an elm, was: old-elm}
"""
COUNT = 5


@pytest.fixture
def manifest_of(tmp_path):
    def load(text):
        path = tmp_path / "icons.yaml"
        path.write_text(HEAD + text)
        return load_manifest(path)

    return load


def divide(manifest, count=COUNT):
    """The ids of the items of each shard."""
    divisions = [Division(manifest, Shard(one, count)) for one in range(1, count + 1)]
    return divisions, [
        [item.item_id for item in expand(manifest) if division.holds(item.item_id)]
        for division in divisions
    ]


def shard_of(item_id, shards):
    (found,) = [number for number, ids in enumerate(shards) if item_id in ids]
    return found


def test_every_item_is_in_one_shard(manifest_of):
    manifest = manifest_of(MANY + LINES)

    divisions, shards = divide(manifest)

    every = [item.item_id for item in expand(manifest)]
    assert sorted(one for ids in shards for one in ids) == sorted(every)
    assert [division.own for division in divisions] == [len(ids) for ids in shards]
    assert {division.total for division in divisions} == {len(every)}
    assert len([ids for ids in shards if ids]) > 2


def test_takes_and_items_that_use_each_other_are_in_one_shard(manifest_of):
    _, shards = divide(manifest_of(MANY + LINES))

    line = ("hero", "hero@2", "hero@3", "pose", "scene", "tree-c")
    assert len({shard_of(one, shards) for one in line}) == 1


def test_steps_are_in_the_shard_of_their_item(manifest_of):
    steps = (
        "  - id: gem-${n}\n    prompt: gem ${n}\n    matrix: {n: [a, b, c, d, e]}\n"
        "    steps: [{name: cut, model: model_wan-2-7-image, prompt: cut it}]\n"
    )

    _, shards = divide(manifest_of(MANY + steps))

    for name in "abcde":
        own = [one for ids in shards for one in ids if one.startswith(f"gem-{name}")]
        assert len(own) == 2
        assert len({shard_of(one, shards) for one in own}) == 1


@pytest.mark.parametrize("count", [2, 3, 5, 7])
def test_a_renamed_item_stays_in_its_shard(manifest_of, count):
    before = manifest_of("  - {id: old-elm, prompt: an elm}\n" + MANY)
    _, old = divide(before, count)

    _, new = divide(manifest_of(LINES + MANY), count)

    assert shard_of("elm", new) == shard_of("old-elm", old)


def test_ids_that_were_swapped_are_in_one_shard(manifest_of):
    swapped = "  - {id: a, prompt: b, was: b}\n  - {id: b, prompt: a, was: a}\n"

    _, shards = divide(manifest_of(swapped + MANY))

    assert shard_of("a", shards) == shard_of("b", shards)


def test_the_division_never_changes(manifest_of):
    """Or what one shard has paid for would be paid for by another one."""
    manifest = manifest_of(MANY)

    _, shards = divide(manifest, 3)

    assert ["".join(one[-1] for one in ids) for ids in shards] == PINNED


PINNED = ["abegjkn", "cdfhlmp", "io"]


def test_a_plan_of_a_shard_has_its_items_alone(manifest_of, tmp_path):
    manifest = manifest_of(MANY + LINES)
    _, shards = divide(manifest)
    for number, ids in enumerate(shards, start=1):
        planned = []

        make_plan(
            manifest,
            Folder(tmp_path / "out"),
            ledger=None,
            selection=Selection(shard=Shard(number, COUNT)),
            on_item=planned.append,
        )

        assert sorted(one.item.item_id for one in planned) == sorted(ids)


def test_a_shard_in_which_nothing_is_selected_is_no_mistake(manifest_of, tmp_path):
    manifest = manifest_of(MANY)
    for number in range(1, COUNT + 1):
        make_plan(
            manifest,
            Folder(tmp_path / "out"),
            ledger=None,
            selection=Selection(globs=("tree-a",), shard=Shard(number, COUNT)),
        )


@pytest.mark.parametrize("limit", ["0", "0.01", "1", "100", "99.99"])
def test_the_shares_of_a_budget_are_never_more_than_the_budget(limit):
    limit = Decimal(limit)
    owns = (3, 1, 0, 7, 6)

    shares = [share_of(limit, own=own, total=17) or Decimal(0) for own in owns]

    assert 0 <= limit - sum(shares) < Decimal("0.0005")
    assert shares[2] == 0


def test_without_a_budget_there_is_no_share():
    assert share_of(None, own=1, total=5) is None


@pytest.mark.parametrize("text", ["", "1", "0/5", "6/5", "a/b", "1/0", "-1/5", "1/2/3"])
def test_anything_else_is_no_shard(text):
    with pytest.raises(UsageError, match="is not a shard"):
        parse_shard(text)


def test_a_shard_is_written_as_it_is_read():
    assert str(parse_shard(" 2/5 ")) == "2/5"
