"""Merge: shards whose files are in stores; nothing there is overwritten."""

import pytest
from doubles import buckets
from doubles.place import items

from pipeline.clock import SystemClock
from pipeline.errors import LedgerBusy, OutputError, UsageError
from pipeline.operations.merge import merge
from pipeline.operations.verify import verify
from pipeline.output import joined_files
from pipeline.output.folder import holding_ledger
from pipeline.output.stores import open_store
from pipeline.storage.store import NameTaken

bucket = buckets.bucket
NAMES = ["a.png", "b.png", "c.png", "d.png"]
SIDECARS = [f"{name}.json" for name in NAMES]


@pytest.fixture
def shards(place, bucket):
    """Makes both halves of a manifest, each in an output folder of its own."""

    async def make(*urls):
        text = items("an oak", "an elm", "an ash", "a yew")
        (place.folder / "knobs.yaml").write_text(text, encoding="utf-8")
        folders = []
        for number, url in enumerate(urls, 1):
            folder = place.folder / f"shard-{number}"
            words = ["run", place.folder / "knobs.yaml", "--yes", "--output", folder]
            words += ["--shard", f"{number}/{len(urls)}", "--no-lock-file"]
            done = await place.command(*words, *(["--store", url] if url else []))
            assert done.code == 0, done
            folders.append(folder)
        bucket.forget()
        return folders

    return make


def join(places, output, store=""):
    return merge(places, output, clock=SystemClock(), store=store)


def check_whole(output, names=NAMES):
    store = open_store(output)
    assert {str(one.finding) for one in verify(store)} == {"ok"}
    assert [name for name in names if not store.is_present(name)] == []
    return store


async def test_prefixes_of_one_bucket_are_joined_inside_the_bucket(
    shards, place, bucket
):
    folders = await shards(f"{bucket.url}/1", f"{bucket.url}/2")
    target = f"{bucket.url}/all"

    merged = join(folders, place.folder / "all", target)

    assert (merged.items, merged.copied) == (4, 8)
    assert not [one for one in bucket.requests if one.endswith(".png") and "GET" in one]
    names = [one for one in bucket.names if one.startswith("all/")]
    assert names == [
        f"all/{one}"
        for one in sorted([*NAMES, *SIDECARS, ".store-owner", "ledger.sqlite3"])
    ]
    assert bucket.media_type("all/a.png") == "image/png"
    check_whole(place.folder / "all")
    bucket.forget()
    assert join(folders, place.folder / "all").copied == 0
    written = {one.partition("?")[0] for one in bucket.writes}
    assert written <= {f"PUT /{bucket.name}/trees/all/ledger.sqlite3"}

    paid = place.paid
    done = await place.command(
        "run", place.folder / "knobs.yaml", "--output", place.folder / "all"
    )
    assert done.code == 0, done
    assert place.paid == paid


async def test_the_stores_of_shards_may_be_inside_of_the_joined_one(
    shards, place, bucket
):
    folders = await shards(f"{bucket.url}/1", f"{bucket.url}/2")

    join(folders, place.folder / "all", bucket.url)
    merged = join(folders, place.folder / "all")

    assert merged.copied == 0
    assert not list((place.folder / "all").glob("*/*.json"))
    own = [name for name in bucket.names if "/" not in name]
    assert own == sorted([*NAMES, *SIDECARS, ".store-owner", "ledger.sqlite3"])
    check_whole(place.folder / "all")


async def test_shards_that_share_a_store_are_joined_there(shards, place, bucket):
    folders = await shards(bucket.url, bucket.url)

    merged = join(folders, place.folder / "all")

    assert (merged.items, merged.copied, merged.store.describe()) == (4, 0, bucket.url)
    written = {one.partition("?")[0] for one in bucket.writes}
    assert written == {f"PUT /{bucket.name}/trees/ledger.sqlite3"}
    check_whole(place.folder / "all")


async def test_files_go_from_a_folder_to_a_bucket_and_back(shards, place, bucket):
    folders = await shards("", f"{bucket.url}/2")
    with pytest.raises(UsageError, match="the files are in different places") as told:
        join(folders, place.folder / "all")
    assert not (place.folder / "all").exists()
    assert f"--store {(place.folder / 'all').as_uri()}" in told.value.hint

    join(folders, place.folder / "all", f"{bucket.url}/all")
    here = place.folder / "here"
    join([place.folder / "all"], here, here.as_uri())
    again = join([folders[0], f"{bucket.url}/2"], here)

    assert check_whole(place.folder / "all").is_remote
    assert not check_whole(here).is_remote
    assert (here / "a.png").read_bytes() == bucket.get("all/a.png")
    assert again.copied == 0


async def test_a_store_is_enough_to_join_it(shards, place, bucket, tmp_path):
    await shards(f"{bucket.url}/1", f"{bucket.url}/2")
    art = tmp_path / "art"

    merged = join(
        [f"{bucket.url}/1", f"{bucket.url}/2"], tmp_path / "all", art.as_uri()
    )

    assert merged.folders == (f"{bucket.url}/1", f"{bucket.url}/2")
    assert merged.items == 4
    assert sorted(path.name for path in art.glob("*.png")) == NAMES
    assert not list((tmp_path / "all").glob("*.png"))
    check_whole(tmp_path / "all")
    with pytest.raises(UsageError, match="nothing has been made in"):
        join([f"{bucket.url}/3"], tmp_path / "other")


async def test_another_file_in_the_target_is_a_conflict(shards, place, bucket):
    folders = await shards(f"{bucket.url}/1", f"{bucket.url}/2")
    bucket.put("all/a.png", b"somebody's own")

    with pytest.raises(UsageError, match=r"these files differ.*a\.png"):
        join(folders, place.folder / "all", f"{bucket.url}/all")

    assert [one for one in bucket.names if one.startswith("all/")] == ["all/a.png"]
    bucket.remove("all/a.png")
    join(folders, place.folder / "all", f"{bucket.url}/all")
    check_whole(place.folder / "all")


@pytest.mark.parametrize("name", ["b.png", "b.png.json"])
async def test_what_another_run_puts_there_meanwhile_stays(
    shards, place, bucket, monkeypatch, name
):
    folders = await shards(f"{bucket.url}/1", "")
    carry_out = joined_files.carry_out

    def interfere(files):
        bucket.put(f"all/{name}", b"theirs")
        carry_out(files)

    monkeypatch.setattr("pipeline.operations.merge.carry_out", interfere)
    with pytest.raises(NameTaken):
        join(folders, place.folder / "all", f"{bucket.url}/all")

    assert bucket.get(f"all/{name}") == b"theirs"


async def test_a_merge_that_was_cut_off_is_finished_by_the_next(
    shards, place, bucket, monkeypatch
):
    folders = await shards(f"{bucket.url}/1", f"{bucket.url}/2")

    def cut_off(files):
        for one in files.copies:
            if not one.is_sidecar:
                one.target.receive(one.source, one.name)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("pipeline.operations.merge.carry_out", cut_off)
        with pytest.raises(KeyboardInterrupt):
            join(folders, place.folder / "all", f"{bucket.url}/all")
    merged = join(folders, place.folder / "all")

    assert merged.copied == 4  # the sidecars
    check_whole(place.folder / "all")


async def test_a_folder_with_files_of_its_own_gets_no_other_store(
    shards, place, bucket
):
    folders = await shards(f"{bucket.url}/1", "")

    with pytest.raises(UsageError, match="has results whose files are in the folder"):
        join(folders[:1], folders[1], f"{bucket.url}/1")


async def test_the_command_takes_urls_and_says_where_the_files_are(
    shards, place, bucket
):
    await shards(f"{bucket.url}/1", f"{bucket.url}/2")
    words = ("merge", f"{bucket.url}/1", f"{bucket.url}/2", "-o", place.folder / "all")

    done = await place.command(*words, "--store", f"{bucket.url}/all", "--json")
    missing = await place.command("merge", "no/such", "-o", place.folder / "all")

    (told,) = done.of("merge")
    assert told["store"] == f"{bucket.url}/all"
    assert told["copied"] == 8
    assert (missing.code, "there is no folder no/such" in missing.err) == (2, True)


async def test_a_mounted_store_in_which_a_run_is_at_work_is_refused(
    shards, place, bucket, tmp_path
):
    folders = await shards((tmp_path / "art").as_uri(), "")

    with holding_ledger(tmp_path / "art"), pytest.raises(LedgerBusy):
        join(folders, place.folder / "all", bucket.url)


async def test_where_the_ledger_cannot_be_copied_the_files_are_joined_all_the_same(
    shards, place, bucket, monkeypatch
):
    folders = await shards(bucket.url, bucket.url)

    def refuse(*_):
        raise OutputError("cannot write to s3://")

    monkeypatch.setattr("pipeline.operations.merge.save_snapshot", refuse)
    merged = join(folders, place.folder / "all")

    assert merged.items == 4
    assert merged.notes[0].startswith("the store has no copy of this ledger: cannot")


async def test_a_damaged_picture_with_a_sidecar_is_joined_and_left_to_verify(
    shards, place, bucket
):
    folders = await shards(f"{bucket.url}/1", f"{bucket.url}/2")
    (oak,) = (name for name in bucket.names if name.endswith("/a.png"))
    bucket.put(oak, b"edited")
    bucket.put("1/note.txt", b"by hand")

    join(folders, place.folder / "all", f"{bucket.url}/all")
    merged = join(folders, place.folder / "all")

    assert merged.copied == 0
    assert bucket.get("all/a.png") == b"edited"
    assert bucket.get("all/note.txt") == b"by hand"
