"""Stores belong to one manifest: others are refused before anything of theirs moves."""

import json

import pytest
from doubles import buckets

from pipeline.errors import UsageError
from pipeline.manifest import load_manifest
from pipeline.operations.joint import check_stores_apart
from pipeline.output.store_owner import check_store_owner, claim_store
from pipeline.output.stores import open_store
from pipeline.storage.files import OWNER_NAME, SHARED_NAME

bucket = buckets.bucket


def manifest(name):
    return load_manifest(
        {
            "version": 1,
            "name": name,
            "model": "m",
            "items": [{"id": "a", "prompt": "a"}],
        }
    )


TREES, ICONS = manifest("trees"), manifest("icons")


@pytest.fixture(params=["bucket", "folder"])
def url(bucket, tmp_path, request):
    return bucket.url if request.param == "bucket" else (tmp_path / "art").as_uri()


def test_a_store_belongs_to_the_manifest_that_claims_it(url, tmp_path):
    claim_store(open_store(tmp_path / "home", url, manifest=TREES), "trees")

    again = open_store(tmp_path / "another machine", url, manifest=TREES)
    claim_store(again, "trees")
    with pytest.raises(UsageError) as error:
        open_store(tmp_path / "theirs", url, manifest=ICONS)

    text = f"{url} belongs to the manifest 'trees', not to 'icons'"
    assert error.value.message == text
    assert error.value.hint.endswith(f"delete {url}/{OWNER_NAME}")


def test_nothing_of_another_manifest_comes_home(bucket, tmp_path):
    claim_store(open_store(tmp_path / "home", bucket.url), "trees")
    bucket.put("oak.png.json", b"{}")

    with pytest.raises(UsageError):
        open_store(tmp_path / "theirs", bucket.url, manifest=ICONS)

    assert not (tmp_path / "theirs").exists()


def test_of_two_that_claim_a_store_at_once_one_succeeds(bucket, tmp_path):
    ours = open_store(tmp_path / "ours", bucket.url, manifest=ICONS)
    claim_store(open_store(tmp_path / "theirs", bucket.url, manifest=TREES), "trees")

    with pytest.raises(UsageError, match="belongs to the manifest 'trees'"):
        claim_store(ours, "icons")

    assert json.loads(bucket.get(OWNER_NAME)) == {"manifest": "trees"}


def test_two_machines_of_one_manifest_may_claim_it_at_once(bucket, tmp_path):
    ours = open_store(tmp_path / "ours", bucket.url, manifest=TREES)
    claim_store(open_store(tmp_path / "theirs", bucket.url, manifest=TREES), "trees")

    claim_store(ours, "trees")


def test_a_store_inside_of_another_is_left_alone(bucket, tmp_path):
    claim_store(open_store(tmp_path / "theirs", f"{bucket.url}/deep/in"), "trees")
    bucket.put("deep/in/oak.png.json", b"{}")
    bucket.put("deep/elm.png.json", b"{}")

    store = open_store(tmp_path / "ours", bucket.url, manifest=ICONS)

    claim_store(store, "icons")
    assert (tmp_path / "ours" / "deep" / "elm.png.json").exists()
    assert not (tmp_path / "ours" / "deep" / "in").exists()


def test_manifests_that_share_a_folder_share_its_store(bucket, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / SHARED_NAME).touch()

    claim_store(open_store(home, bucket.url, manifest=TREES), "trees")
    claim_store(open_store(home, bucket.url, manifest=ICONS), "icons")

    assert bucket.names == []


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"manifest"', b"{}", b"\xff", b"[" * 4000]
)
def test_an_owner_that_cannot_be_read_is_named(bucket, tmp_path, content):
    bucket.put(OWNER_NAME, content)
    store = open_store(tmp_path / "home", bucket.url)

    with pytest.raises(UsageError, match="does not say whose store this is"):
        check_store_owner(store, "trees")


def test_two_manifests_of_one_run_need_two_stores():
    with pytest.raises(UsageError, match="both write to s3://art/trees") as error:
        check_stores_apart([(TREES, "s3://art/trees"), (ICONS, "s3://art/trees/")])

    assert "a prefix, of its own" in error.value.hint
    check_stores_apart([(TREES, "s3://art/trees"), (ICONS, "s3://art/trees/in")])
