"""A request ↔ a job's inputs: only what is certainly the same counts as the same."""

import hashlib
from pathlib import Path

import pytest

from pipeline.job import AssetId, ReferenceAsset
from pipeline.running.same_request import find_unproved

DEFAULTS = {"size": "1K", "steps": 20}
STYLE = ReferenceAsset(
    name="style",
    path=Path("/style.png"),
    sha256="5a" * 32,
    size_bytes=3,
    media_type="image/png",
)
ASKED = {"prompt": "an oak", "seed": 7}


def unproved(params, echo, *, defaults=DEFAULTS, uploads=None):
    return find_unproved(params, echo, defaults=defaults, uploads=uploads or {})


@pytest.mark.parametrize(
    ("params", "echo"),
    [
        (ASKED, {"prompt": "an oak", "seed": 7}),
        (ASKED, {"prompt": "an oak", "seed": "7"}),
        (ASKED, {"prompt": "an oak", "seed": 7.0, "size": "1K", "steps": 20}),
        ({**ASKED, "size": "1K"}, {"prompt": "an oak", "seed": 7}),
        ({"prompt": "an oak"}, {"prompt": "an oak", "seed": 12345}),
        (ASKED, {"prompt": "an oak", "seed": 7, "note": None, "images": []}),
    ],
    ids=[
        "equal",
        "seed as text",
        "defaults shown",
        "a default left out",
        "the service's own seed",
        "nothing given",
    ],
)
def test_the_same_request_has_nothing_left_to_prove(params, echo):
    assert unproved(params, echo) == {}


@pytest.mark.parametrize(
    ("params", "echo"),
    [
        (ASKED, {}),
        (ASKED, {"prompt": "an oak"}),
        (ASKED, {"seed": 7}),
        (ASKED, {"prompt": "an elm", "seed": 7}),
        (ASKED, {"prompt": "An oak", "seed": 7}),
        (ASKED, {"prompt": "an oak", "seed": 8}),
        (ASKED, {"prompt": "an oak", "seed": 7, "size": "2K"}),
        (ASKED, {"prompt": "an oak", "seed": 7, "note": "blue"}),
        (ASKED, {"prompt": "an oak", "seed": 7, "unknown": 1}),
        ({**ASKED, "size": "2K"}, {"prompt": "an oak", "seed": 7}),
        ({**ASKED, "images": ["asset_a"]}, {**ASKED, "images": ["asset_b"]}),
        ({**ASKED, "images": ["asset_a"]}, {**ASKED, "images": ["asset_a"] * 2}),
        ({**ASKED, "images": [STYLE]}, {**ASKED, "images": []}),
        ({**ASKED, "images": [STYLE]}, ASKED),
    ],
    ids=[
        "no echo",
        "no seed shown",
        "no prompt shown",
        "another prompt",
        "another spelling",
        "another seed",
        "a value that was not asked for",
        "an input that was not asked for",
        "an input that the table does not have",
        "a value that is not shown",
        "another asset",
        "more assets",
        "no references",
        "references not shown",
    ],
)
def test_another_request_is_not_the_same(params, echo):
    assert unproved(params, echo) is None


def test_without_a_table_nothing_counts_as_a_default():
    assert unproved(ASKED, {**ASKED, "size": "1K"}, defaults={}) is None
    assert unproved(ASKED, ASKED, defaults={}) == {}


def test_a_reference_that_we_have_uploaded_is_proved_by_its_id():
    asked, shown = {**ASKED, "images": [STYLE]}, {**ASKED, "images": ["asset_1"]}

    assert unproved(asked, shown, uploads={STYLE.sha256: AssetId("asset_1")}) == {}


def test_what_is_shown_by_an_id_alone_has_to_be_proved_by_its_content():
    asked = {**ASKED, "images": [STYLE]}
    shown = {"prompt": "asset_text", "seed": 7, "images": ["asset_1"]}

    assert unproved(asked, shown) == {
        "asset_text": hashlib.sha256(b"an oak").hexdigest(),
        "asset_1": STYLE.sha256,
    }


def test_one_asset_cannot_have_two_contents():
    other = ReferenceAsset(
        name="other",
        path=Path("/other.png"),
        sha256="6b" * 32,
        size_bytes=3,
        media_type="image/png",
    )
    asked = {**ASKED, "images": [STYLE, other]}

    assert unproved(asked, {**ASKED, "images": ["asset_1", "asset_1"]}) is None
