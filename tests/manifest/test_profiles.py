"""Profiles: what they override, and what is wrong with them."""

from pathlib import Path

import pytest

from pipeline.errors import ManifestError, UsageError
from pipeline.lockfile import lock_path
from pipeline.manifest import expand, find_profiles, load_manifest, validate_manifest
from pipeline.manifest.review_file import review_path

TEXT = """\
version: 1
model: model_wan-2-7-image
params: {size: 2048*2048, thinkingMode: true}
vars: {detail: every leaf, light: noon}
takes: 3
max_cost: 9
profiles:
  draft:
    takes: 1
    params: {size: 1K}
    vars: {detail: few lines}
  final:
    model: model_wan-2-7-image-pro
    params: {thinkingMode: false}
    max_cost: 500
items:
  - {id: oak, prompt: "an oak, ${detail}, ${light}"}
  - id: elm
    prompt: an elm, ${detail}
    vars: {detail: bare}
    takes: 2
    params: {size: 1280*720}
  - {id: ash, prompt: an ash, model: model_wan-2-7-image, takes: 1}
"""


@pytest.fixture
def path(tmp_path):
    found = tmp_path / "trees.yaml"
    found.write_text(TEXT, encoding="utf-8")
    return found


def faults_of(read, *arguments, **named):
    with pytest.raises(ManifestError) as caught:
        read(*arguments, **named)
    return [(one.line, one.column, one.message) for one in caught.value.faults]


def items(path, profile=""):
    return {one.item_id: one for one in expand(load_manifest(path, profile=profile))}


def test_without_a_profile_the_top_level_counts(path):
    manifest = load_manifest(path)

    assert (manifest.name, manifest.profile) == ("trees", "")
    assert manifest.profiles == ("draft", "final")
    assert manifest.max_cost == 9
    assert list(items(path)) == ["oak", "oak@2", "oak@3", "elm", "elm@2", "ash"]


def test_a_profile_overrides_the_top_level_and_the_items(path):
    manifest = load_manifest(path, profile="draft")
    found = items(path, "draft")

    assert (manifest.name, manifest.profile) == ("trees.draft", "draft")
    assert manifest.max_cost == 9
    assert list(found) == ["oak", "elm", "ash"]
    assert dict(found["oak"].params) == {
        "prompt": "an oak, few lines, noon",
        "size": "1K",
        "thinkingMode": True,
    }
    assert found["elm"].params["size"] == "1K"
    assert found["elm"].params["prompt"] == "an elm, few lines"


def test_what_an_item_leaves_out_stays_out(path):
    path.write_text(TEXT.replace("takes: 1}\n", "takes: 1, params: {size: null}}\n"))

    assert "size" not in items(path)["ash"].params
    assert "size" not in items(path, "draft")["ash"].params


def test_an_item_keeps_its_own_model(path):
    found = items(path, "final")

    models = {name: one.model_id for name, one in found.items()}
    assert models["oak"] == models["elm@2"] == "model_wan-2-7-image-pro"
    assert models["ash"] == "model_wan-2-7-image"
    assert found["oak"].params["thinkingMode"] is False
    assert load_manifest(path, profile="final").max_cost == 500


def test_a_profile_may_name_the_only_model(path):
    path.write_text(TEXT.replace("model: model_wan-2-7-image\n", "", 1))

    assert items(path, "final")["oak"].model_id == "model_wan-2-7-image-pro"
    with pytest.raises(ManifestError) as caught:
        load_manifest(path)
    assert caught.value.faults[0].message == "'model' is missing"
    assert "--profile final" in caught.value.faults[0].hint


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("fnal", "did you mean 'final'? known: draft, final"),
        ("other", "known: draft, final"),
    ],
)
def test_an_unknown_profile_is_refused_with_the_known_ones(path, name, hint):
    with pytest.raises(UsageError) as caught:
        load_manifest(path, profile=name)

    assert caught.value.message == f"{path} has no profile '{name}'"
    assert caught.value.hint == hint


def test_a_manifest_without_profiles_says_so(path):
    path.write_text(TEXT[: TEXT.index("profiles:")] + TEXT[TEXT.index("items:") :])

    assert find_profiles(path) == ()
    with pytest.raises(UsageError) as caught:
        load_manifest(path, profile="draft")
    assert "no profiles" in caught.value.hint


def test_validate_reports_what_is_wrong_with_a_profile_that_is_not_used(path):
    path.write_text(TEXT.replace("size: 1K}", "size: huge}"))

    ((line, column, message),) = faults_of(validate_manifest, path)

    assert (line, column) == (10, 20)
    assert message == "'size' does not take 'huge' (with profile 'draft')"
    assert faults_of(validate_manifest, path, profile="final") == [
        (line, column, message)
    ]
    assert list(items(path, "final"))  # a run of another profile is not stopped


def test_a_fault_of_the_manifest_is_reported_once(path):
    path.write_text(TEXT.replace("id: ash,", "id: oak,"))

    assert len(faults_of(validate_manifest, path)) == 1


@pytest.mark.parametrize(
    ("profiles", "expected"),
    [
        ("[draft]", [(2, 11, "profiles must be a mapping (key: value), not a list")]),
        ("{a b: {}}", [(2, 12, "'a b' is not a profile name")]),
        (
            "{Emulated: {}}",
            [
                (
                    2,
                    12,
                    "a profile cannot be called 'Emulated', which marks emulated output",
                )
            ],
        ),
        (
            "{draft: {}, Draft: {}}",
            [(2, 23, "the profiles 'draft' and 'Draft' would share a folder")],
        ),
        (
            "{draft: {takes: 0}}",
            [(2, 27, "'takes' must be a whole number from 1 to 100")],
        ),
        (
            "{draft: [a]}",
            [(2, 19, "profile 'draft' must be a mapping (key: value), not a list")],
        ),
        ("{draft: {tekes: 2}}", [(2, 20, "unknown key 'tekes'")]),
        ("{draft: {items: []}}", [(2, 20, "unknown key 'items'")]),
        (
            "{draft: {params: 3}}",
            [(2, 28, "params must be a mapping (key: value), not the number 3")],
        ),
    ],
)
def test_the_shape_of_profiles_is_checked_whichever_is_used(
    tmp_path, profiles, expected
):
    path = tmp_path / "trees.yaml"
    rest = "model: model_wan-2-7-image\nitems: [{id: oak, prompt: an oak}]\n"
    path.write_text(f"version: 1\nprofiles: {profiles}\n{rest}")

    assert faults_of(load_manifest, path) == expected
    assert faults_of(find_profiles, path) == expected


def test_a_profile_does_not_hide_a_value_of_the_wrong_type(path):
    path.write_text(
        TEXT.replace("params: {size: 2048*2048, thinkingMode: true}", "params: 3")
    )

    assert faults_of(load_manifest, path, profile="draft") == [
        (3, 9, "params must be a mapping (key: value), not the number 3")
    ]


def test_profiles_have_files_of_their_own():
    manifest = Path("a/icons.yaml")

    assert lock_path(manifest) == Path("a/icons.yaml.lock")
    assert lock_path(manifest, "final") == Path("a/icons.yaml.final.lock")
    assert review_path(manifest) == Path("a/icons.review.yaml")
    assert review_path(manifest, "final") == Path("a/icons.review.final.yaml")
    # Not those of a manifest with a similar name.
    other = Path("a/icons.final.yaml")
    assert lock_path(manifest, "final") != lock_path(other)
    assert review_path(manifest, "final") != review_path(other)


def test_what_stands_for_an_item_and_is_none_is_told_as_without_a_profile(tmp_path):
    path = tmp_path / "m.yaml"
    path.write_text(
        TEXT.replace('  - {id: oak, prompt: "an oak, ${detail}, ${light}"}', "  - oak")
    )

    with pytest.raises(ManifestError, match="an item must be a mapping"):
        validate_manifest(path, profile="draft")


def test_a_prompt_of_a_profile_takes_the_place_of_an_items_own(tmp_path):
    path = tmp_path / "m.yaml"
    path.write_text(TEXT.replace("params: {size: 1K}", "params: {prompt: a dot}"))

    prompts = {
        item.params["prompt"] for item in expand(load_manifest(path, profile="draft"))
    }

    assert prompts == {"a dot"}


@pytest.mark.parametrize("params", ["null", ""])
def test_an_empty_profile_changes_nothing(tmp_path, params):
    path = tmp_path / "m.yaml"
    path.write_text(TEXT.replace("params: {size: 1K}", f"params: {params}"))

    items = list(expand(load_manifest(path, profile="draft")))

    assert items[0].params["size"] == "2048*2048"
    assert items[1].params["size"] == "1280*720"
