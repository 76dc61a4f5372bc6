"""Stores opened: sidecars copied home, the ledger kept, and begun with again."""

import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from doubles import buckets

from pipeline.errors import LedgerError, OutputError, UsageError
from pipeline.ledger.ledger import IN_MEMORY, LEDGER_NAME, Ledger
from pipeline.manifest import load_manifest
from pipeline.output.rebuild import SEARCH_MARGIN, search_since
from pipeline.output.stores import (
    bind_store,
    is_elsewhere,
    needs_snapshot,
    open_store,
    restore_snapshot,
    save_snapshot,
    url_for,
)
from pipeline.redaction import SECRETS
from pipeline.storage.folder import Folder

bucket = buckets.bucket
ENDED = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


def test_without_a_store_the_files_are_in_the_output_folder(home):
    store = open_store(home)

    assert isinstance(store, Folder)
    assert store.root == store.home == home
    assert not home.exists()


def test_new_sidecars_come_home_once(bucket, home):
    bucket.put("oak.png", b"picture")
    bucket.put("deep/elm.png.json", b'{"a": 1}')
    bucket.put("ledger.sqlite3.json", b"our own")
    open_store(home, bucket.url)
    assert (home / "deep" / "elm.png.json").read_bytes() == b'{"a": 1}'
    assert [path.name for path in home.rglob("*.json")] == ["elm.png.json"]

    bucket.forget()
    open_store(home, bucket.url)
    assert len(bucket.requests) == 1  # the listing

    bucket.put("deep/elm.png.json", b'{"a": 22}')
    open_store(home, bucket.url)
    assert (home / "deep" / "elm.png.json").read_bytes() == b'{"a": 22}'


def test_objects_of_others_are_in_nobodys_way(bucket, home, caplog):
    for name in ("sub/", "a.png.json/inner.json", "x" * 300 + ".json", "b\\c.json"):
        bucket.put_raw(name, b"{}" if name.endswith("json") else b"")
    bucket.put_raw("", b"")  # the folder itself, as a console makes it
    bucket.put("a.png.json", b'{"a": 1}')
    bucket.put("sub/elm.png.json", b'{"a": 2}')

    store = open_store(home, bucket.url)

    assert {"", "sub"}.isdisjoint(one.name for one in store.list_files())
    assert (home / "sub" / "elm.png.json").read_bytes() == b'{"a": 2}'
    assert "is passed over: " in caplog.text


def test_a_name_that_no_file_can_have_is_named(bucket, home):
    bucket.put_raw("/oak.png", b"")

    with pytest.raises(OutputError, match="empty path segment") as error:
        open_store(home, bucket.url)

    assert "rename or remove it" in error.value.hint


def test_the_credentials_of_a_cloud_are_taken_out_of_texts(bucket, home):
    open_store(home, bucket.url)

    shown = SECRETS.clean(f"{buckets.SECRET_KEY} and {buckets.ACCESS_KEY}")
    assert shown == "[secret] and [secret]"


def test_a_folder_keeps_its_store(bucket, home):
    bind_store(open_store(home, f"{bucket.url}/"))

    assert open_store(home).describe() == bucket.url
    with pytest.raises(UsageError, match=f"belongs to the store {bucket.url}, not to"):
        open_store(home, f"{bucket.url}-2")


def kept(home, store, *, ended=ENDED):
    home.mkdir()
    with Ledger(home / LEDGER_NAME) as ledger:
        ledger.record_facts(base_url="https://api.example.com")
        run_id = ledger.record_run_started(ended)
        ledger.record_run_ended(run_id, ended, 0)
        save_snapshot(ledger, store)


@pytest.mark.parametrize("kind", ["bucket", "folder"])
def test_a_new_folder_begins_with_the_ledger_that_the_store_keeps(
    bucket, home, tmp_path, kind
):
    url = bucket.url if kind == "bucket" else (tmp_path / "art").as_uri()
    (tmp_path / "art").mkdir()
    kept(home, open_store(home, url))

    other = tmp_path / "other"
    restore_snapshot(open_store(other, url))

    with Ledger(other / LEDGER_NAME) as ledger:
        facts = ledger.find_facts()
        assert facts.base_url == "https://api.example.com"
        # What was sent after the snapshot was made is searched for.
        assert facts.rebuilt_since == ENDED - SEARCH_MARGIN
    assert not list((other / ".partial").iterdir())
    restore_snapshot(open_store(other, url))  # it has one now


def test_only_what_has_changed_since_is_kept_again(bucket, home, tmp_path):
    store = open_store(home, bucket.url)
    kept(home, store)
    with Ledger(home / LEDGER_NAME) as ledger:
        ledger.record_facts(copy_due="1")
        assert not needs_snapshot(ledger, store)  # the store is not in use yet
        bind_store(store)
        assert needs_snapshot(ledger, store)
        save_snapshot(ledger, store)
        assert not needs_snapshot(ledger, store)

    other = open_store(tmp_path / "other", bucket.url)
    restore_snapshot(other)
    bind_store(other)
    with Ledger(tmp_path / "other" / LEDGER_NAME) as ledger:
        assert not needs_snapshot(ledger, other)
        bucket.remove(LEDGER_NAME)
        assert needs_snapshot(ledger, open_store(other.home))


def test_sidecars_never_shorten_the_search_after_a_restored_ledger():
    with Ledger(IN_MEMORY) as ledger:
        search_since(ledger, ENDED)
        search_since(ledger, ENDED + timedelta(days=1))
        assert ledger.find_facts().rebuilt_since == ENDED - SEARCH_MARGIN
        search_since(ledger, ENDED - timedelta(days=1))
        earlier = ENDED - timedelta(days=1) - SEARCH_MARGIN
        assert ledger.find_facts().rebuilt_since == earlier


def test_a_damaged_snapshot_is_passed_over(bucket, home, caplog):
    bucket.put(LEDGER_NAME, b"SQLite format 3\0" + b"x" * 5000)

    restore_snapshot(open_store(home, bucket.url))

    assert not (home / LEDGER_NAME).exists()
    assert "is not used" in caplog.text


def test_a_snapshot_that_cannot_be_read_now_is_not_passed_over(
    bucket, home, tmp_path, monkeypatch
):
    kept(home, open_store(home, bucket.url))
    store = open_store(tmp_path / "other", bucket.url)

    def fail(_name):
        raise OSError("no answer")

    monkeypatch.setattr(store, "open", fail)

    with pytest.raises(OutputError, match="no answer"):
        restore_snapshot(store)

    assert not (store.home / LEDGER_NAME).exists()


def test_a_snapshot_of_a_newer_version_is_not_passed_over(bucket, home, tmp_path):
    newer = tmp_path / "newer.sqlite3"
    with closing(sqlite3.connect(newer)) as connection:
        connection.execute("PRAGMA user_version = 999")
    bucket.put(LEDGER_NAME, newer.read_bytes())

    with pytest.raises(LedgerError, match="newer version") as caught:
        restore_snapshot(open_store(home, bucket.url))

    assert f"{bucket.url}/{LEDGER_NAME} was written" in caught.value.message
    assert "upgrade" in caught.value.hint
    assert not (home / LEDGER_NAME).exists()


def test_a_snapshot_replaces_only_the_known_one(bucket, home, tmp_path):
    store = open_store(home, bucket.url)
    kept(home, store)
    with Ledger(home / LEDGER_NAME) as ledger:
        ledger.record_facts(profile="small")
        save_snapshot(ledger, store)

    restore_snapshot(open_store(tmp_path / "other", bucket.url))
    with Ledger(tmp_path / "other" / LEDGER_NAME) as ledger:
        assert ledger.find_facts().profile == "small"


def test_a_folder_that_is_not_mounted_is_no_store(home, tmp_path):
    with pytest.raises(OutputError, match="there is no folder"):
        open_store(home, (tmp_path / "missing" / "art").as_uri())


@pytest.mark.parametrize(
    ("store", "chosen", "emulate", "url"),
    [
        ("", "", True, ""),
        ("s3://art/trees/", "", False, "s3://art/trees/"),
        ("s3://art/trees/", "", True, "s3://art/trees.emulated"),
        ("s3://art", "", True, "s3://art/emulated"),
        ("file:///art", "", True, "file:///art.emulated"),
        ("s3://art/trees", "s3://art/try", True, "s3://art/try"),
    ],
)
def test_a_rehearsal_has_a_store_of_its_own(tmp_path, store, chosen, emulate, url):
    path = tmp_path / "trees.yaml"
    key = f"store: {store}\n" if store else ""
    items = "items:\n  - {id: oak, prompt: an oak}\n"
    path.write_text(f"version: 1\nmodel: model_wan-2-7-image\n{key}{items}")

    assert url_for(load_manifest(path), chosen, emulate=emulate) == url


def test_the_output_folder_itself_is_no_other_store(home):
    assert not is_elsewhere(open_store(home, home.as_uri()))


def test_the_working_directory_can_be_the_output_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert not is_elsewhere(open_store(Path(), tmp_path.as_uri()))


@pytest.mark.skipif(os.name == "nt", reason="names with other separators")
def test_names_that_lead_elsewhere_are_left_where_they_are(tmp_path, home):
    (tmp_path / "art").mkdir()
    (tmp_path / "art" / "a\\b.json").write_bytes(b"{}")

    open_store(home, (tmp_path / "art").as_uri())

    assert not home.exists()
