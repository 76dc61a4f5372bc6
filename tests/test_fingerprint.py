"""Fingerprints: one key for one request, whatever it is called or where it lies."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.fingerprint import SEED_MAX, canonical_json, derived_seed, job_key
from pipeline.job import ParamValue, ReferenceAsset
from pipeline.record import replace

NUMBERS = st.integers(-(10**6), 10**6) | st.floats(
    allow_nan=False, allow_infinity=False
)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=6,
)
REFERENCE = ReferenceAsset(
    name="style",
    path=Path("/a/style.png"),
    sha256="ab" * 32,
    size_bytes=9,
    media_type="image/png",
)


def test_equal_values_have_one_text():
    assert canonical_json({"b": 1, "a": [None, True]}) == '{"a":[null,true],"b":1}'
    assert canonical_json({"b": 1, "a": 2}) == canonical_json({"a": 2, "b": 1})


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_what_has_no_text_has_no_key(number):
    with pytest.raises(ValueError, match="JSON"):
        canonical_json({"a": [number]})
    with pytest.raises(ValueError, match="JSON"):
        job_key("m", {"a": number})


def test_what_is_no_json_has_no_key():
    with pytest.raises(TypeError):
        job_key("m", {"a": object()})  # type: ignore[dict-item]


def test_a_key_is_a_known_sha_256():
    """Pinned: a change would make every finished item be paid for again."""
    images: list[ParamValue] = [REFERENCE]
    key = job_key("model_x", {"prompt": "an oak", "seed": 7, "images": images})

    assert key == "7c1d597551109e5e8a0be2881e5a8c1f6440162b5ea9f691bf7eb4d031085ab8"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"n": 1}, {"n": 1.0}),
        ({"n": [0, -0.0]}, {"n": [0.0, 0]}),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"a": {"b": 2.0}}, {"a": {"b": 2}}),
        ({"a": [1]}, {"a": (1,)}),
        ({"i": REFERENCE}, {"i": replace(REFERENCE, path=Path("/b"), name="x")}),
        (
            {"i": [REFERENCE]},
            {"i": [replace(REFERENCE, media_type="image/x", size_bytes=1)]},
        ),
    ],
    ids=[
        "1 and 1.0",
        "0 and -0.0",
        "order",
        "nested",
        "tuple",
        "moved file",
        "renamed",
    ],
)
def test_the_same_request_has_the_same_key(one, other):
    assert job_key("m", one) == job_key("m", other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"n": 1}, {"n": "1"}),
        ({"n": 1}, {"n": True}),
        ({"n": 1}, {"n": 1.5}),
        ({"n": None}, {}),
        ({"a": [1, 2]}, {"a": [2, 1]}),
        ({"a": "x"}, {"a": ["x"]}),
        ({"i": REFERENCE}, {"i": replace(REFERENCE, sha256="cd" * 32)}),
        ({"i": REFERENCE}, {"i": REFERENCE.sha256}),
        ({"p": "a"}, {"p": "A"}),
    ],
    ids=[
        "text",
        "bool",
        "fraction",
        "null",
        "list order",
        "list",
        "content",
        "text of a digest",
        "case",
    ],
)
def test_another_request_has_another_key(one, other):
    assert job_key("m", one) != job_key("m", other)


def test_the_model_is_part_of_the_request():
    assert job_key("a", {}) != job_key("b", {})


@given(params=st.dictionaries(st.text(), JSON))
def test_a_key_only_depends_on_the_request(params):
    shuffled = dict(reversed(list(params.items())))

    assert job_key("m", params) == job_key("m", shuffled)
    assert len(job_key("m", params)) == 64


@given(item_id=st.text())
def test_a_derived_seed_is_in_the_provider_s_range(item_id):
    assert 0 <= derived_seed(item_id) <= SEED_MAX
    assert derived_seed(item_id) == derived_seed(item_id)


@pytest.mark.parametrize(("low", "high"), [(0, 0), (5, 6), (-10, 10), (1, 2**40)])
def test_a_derived_seed_keeps_to_a_given_range(low, high):
    seeds = {derived_seed(f"item-{n}", low=low, high=high) for n in range(200)}

    assert min(seeds) >= low
    assert max(seeds) <= high
    assert len(seeds) == min(200, high - low + 1) or high - low < 200


def test_derived_seeds_of_many_items_hardly_ever_meet():
    assert len({derived_seed(f"item-{n}") for n in range(10_000)}) >= 9_998


def test_a_derived_seed_is_the_same_on_every_machine():
    """Pinned: the seed is the fingerprint of submits that were lost before."""
    assert derived_seed("oak") == 1799529073
