"""Files in a bucket: saved, found again, checked, removed; and nothing paid twice."""

import asyncio
import json
import shutil
import signal

import pytest
from doubles import buckets
from doubles.buckets import SECRET_KEY
from doubles.shell import TREES, Shell

bucket = buckets.bucket
google_bucket = buckets.google_bucket
TWENTY = TREES.replace(
    "{name: [oak, elm, ash, yew]}", f"{{name: {[f't{n}' for n in range(20)]}}}"
)
SAVE = "save: {format: webp}\n"


@pytest.fixture
def studio(real, bucket, emulator):
    """A shell beside a service that counts, and a bucket."""
    real.environment |= bucket.environment
    real.emulator = emulator
    return real


def made(studio):
    return int(studio.emulator.counters()["jobs_made"])


async def run(studio, bucket, *more, code=0, **environment):
    words = ("run", "trees.yaml", "--yes", "--store", bucket.url)
    done = await studio.run(*words, *more, **environment)
    if code is not None:
        assert done.code == code, done
    return done


def check_all_right(bucket, count):
    """Every picture is there with its sidecar, and no more than owner and ledger."""
    assert len(bucket.assets) == count
    own = [*bucket.assets, *(f"{name}.json" for name in bucket.assets)]
    assert bucket.names == sorted([*own, ".store-owner", "ledger.sqlite3"])


async def test_twenty_assets_reach_a_bucket_and_a_second_run_changes_nothing(
    studio, bucket
):
    studio.write(TWENTY)
    done = await run(studio, bucket, "--json")

    check_all_right(bucket, 20)
    assert made(studio) == 20
    assert not list(studio.output.glob("*.png"))
    assert SECRET_KEY not in done.out + done.err
    lines = (await studio.run("verify", bucket.url, "--json")).of("done")
    assert lines[0]["counts"]["ok"] == 20

    bucket.forget()
    again = await run(studio, bucket, "--json")
    assert again.of("done")[0]["counts"]["done"] == 20
    assert made(studio) == 20
    # One listing for all of them.
    assert [one.partition("?")[0] for one in bucket.requests] == [f"GET /{bucket.name}"]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills with SIGKILL")
async def test_killed_five_times_it_is_the_same(studio, bucket):
    studio.write(TWENTY)
    for point in (
        "end-recorded:2",
        "chunk-written:3",
        "asset-placed:4",
        "sidecar-placed:2",
        "saved-recorded:5",
    ):
        killed = await run(studio, bucket, code=None, PIPELINE_FAULT_POINT=point)
        assert killed.code < 0, killed

    await run(studio, bucket)
    check_all_right(bucket, 20)
    assert made(studio) == 20
    assert (await studio.run("verify", str(studio.output))).code == 0
    bucket.forget()
    await run(studio, bucket)
    assert bucket.writes == []


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills with SIGKILL")
async def test_the_copy_of_the_ledger_is_brought_up_to_date_by_the_next_run(
    studio, bucket
):
    studio.write(TREES)
    copy = f"PUT /{bucket.name}/trees/ledger.sqlite3"
    killed = await run(studio, bucket, code=None, PIPELINE_FAULT_POINT="run-ended")
    assert killed.code < 0, killed
    assert "ledger.sqlite3" not in bucket.names

    for leave in (lambda: None, lambda: bucket.remove("ledger.sqlite3")):
        leave()
        bucket.forget()
        await run(studio, bucket)
        assert bucket.writes == [copy]
        bucket.forget()
        await run(studio, bucket)
        assert bucket.writes == []

    studio.write(TREES.replace("yew]", "yew, fir]"))
    killed = await run(studio, bucket, code=None, PIPELINE_FAULT_POINT="run-ended")
    old = bucket.get("ledger.sqlite3")
    await run(studio, bucket)
    assert bucket.get("ledger.sqlite3") != old
    assert made(studio) == 5


async def test_a_fresh_machine_goes_on_from_the_bucket(studio, bucket):
    studio.write(TREES)
    await run(studio, bucket)
    shutil.rmtree(studio.folder / "output")
    (studio.folder / "trees.yaml.lock").unlink()

    done = await run(studio, bucket)

    assert "4 done" in done.err
    assert made(studio) == 4
    status = await studio.run("status", "trees.yaml", "--json")
    [counts] = [line["counts"] for line in status.of("status")]
    assert counts["saved"] == 4


async def test_sidecars_alone_are_enough_and_a_damaged_snapshot_is_passed_over(
    studio, bucket
):
    studio.write(TREES)
    await run(studio, bucket)
    bucket.put("ledger.sqlite3", b"not a ledger" * 100)
    shutil.rmtree(studio.folder / "output")
    (studio.folder / "trees.yaml.lock").unlink()

    done = await run(studio, bucket)

    assert "4 done" in done.err
    assert made(studio) == 4


async def test_what_is_missing_in_the_bucket_is_fetched_again_free_of_charge(
    studio, bucket
):
    studio.write(TREES)
    await run(studio, bucket)
    bucket.remove("oak.png")

    found = await studio.run("verify", bucket.url)
    assert found.code == 3
    assert "missing  oak.png" in found.out
    assert f"--store {bucket.url}" in found.out
    fetched = await studio.run("fetch", "trees.yaml", "--store", bucket.url)

    assert fetched.code == 0, fetched
    check_all_right(bucket, 4)
    assert made(studio) == 4


async def test_verify_finds_changed_and_stray_files_and_goes_on_where_it_was(
    studio, bucket
):
    studio.write(TREES)
    await run(studio, bucket)
    bucket.put("elm.png", b"edited")
    bucket.put("notes.txt", b"a note")
    words = ("verify", bucket.url, "--json", "--progress", "progress.jsonl")

    first = await studio.run(*words)
    bucket.forget()
    second = await studio.run(*words)
    sample = await studio.run("verify", bucket.url, "--json", "--sample", "1%")

    assert first.of("done")[0]["counts"] == {
        "ok": 3,
        "missing": 0,
        "changed": 1,
        "broken": 0,
        "stray": 1,
    }
    assert second.of("done")[0]["known"] == 3
    assert second.of("done")[0]["counts"]["changed"] == 1
    assert not [one for one in bucket.requests if one.endswith("/oak.png")][1:]
    looked_at = [line for line in sample.of("file") if line["finding"] != "stray"]
    assert len(looked_at) == 1


async def test_two_runs_from_two_machines_do_not_overwrite_each_other(
    studio, bucket, tmp_path
):
    studio.write(TREES)
    (tmp_path / "other").mkdir()
    other = Shell(tmp_path / "other")
    other.environment = dict(studio.environment)
    other.write(TREES)

    both = await asyncio.gather(
        run(studio, bucket, "--json", code=None),
        run(other, bucket, "--json", code=None),
    )
    for one in (studio, other):
        await run(one, bucket)

    assert {done.code for done in both} <= {0, 3}, both
    check_all_right(bucket, 4)
    sidecars = [json.loads(bucket.get(f"{name}.json")) for name in bucket.assets]
    assert len({sidecar["job_id"] for sidecar in sidecars}) == 4
    assert (await studio.run("verify", bucket.url)).code == 0


async def test_a_processed_file_goes_to_the_bucket_with_its_original(studio, bucket):
    studio.write(TREES.replace("items:", SAVE + "items:"))
    await run(studio, bucket)

    names = [name for name in bucket.names if name.endswith(".webp")]
    assert len(names) == 4
    assert len([name for name in bucket.names if ".originals/" in name]) == 4
    assert bucket.media_type("oak.webp") == "image/webp"
    assert (await studio.run("verify", bucket.url)).code == 0
    assert not list((studio.output / ".partial").glob("*"))


async def test_renamed_and_removed_items_are_followed_in_the_bucket(studio, bucket):
    studio.write(TREES)
    await run(studio, bucket)
    # A prompt that is the same under a new id is the old item.
    studio.write(
        TREES.replace("[oak, elm, ash, yew]", "[oak, elm, ash]")
        + "  - {id: taxus, prompt: a yew, was: yew}\n"
    )
    await run(studio, bucket)
    assert bucket.assets == ["ash.png", "elm.png", "oak.png", "taxus.png"]
    assert made(studio) == 4

    studio.write(TREES.replace("[oak, elm, ash, yew]", "[oak, elm]"))
    pruned = await studio.run("prune", "trees.yaml", "--yes", "--store", bucket.url)

    assert pruned.code == 0, pruned
    check_all_right(bucket, 2)


async def test_takes_are_chosen_in_the_bucket(studio, bucket):
    studio.write(TREES.replace("[oak, elm, ash, yew]", "[oak]") + "takes: 2\n")
    await run(studio, bucket)
    first = bucket.get("oak.png")

    picked = await studio.run("pick", "trees.yaml", "oak", "2")

    assert picked.code == 0, picked
    assert bucket.assets == ["oak.png", "oak@1.png"]
    assert bucket.get("oak@1.png") == first
    assert (await studio.run("verify", bucket.url)).code == 0
    why = await studio.run("why", "trees.yaml", "oak", "--json")
    assert {line["finding"] for line in why.of("file")} == {"ok"}

    # The copy of the ledger in the store is from before the choice.
    shutil.rmtree(studio.folder / "output")
    (studio.folder / "trees.yaml.lock").unlink()
    again = await run(studio, bucket, "--json")
    assert again.of("done")[0]["counts"]["done"] == 2
    assert bucket.assets == ["oak.png", "oak@1.png"]
    assert made(studio) == 2


async def test_the_check_comes_before_anything_is_paid(studio, bucket):
    studio.write(TREES)
    missing = await studio.run(
        "run", "trees.yaml", "--yes", "--store", "s3://no-such-bucket/x"
    )

    assert missing.code != 0
    assert "create the bucket 'no-such-bucket'" in missing.err
    assert made(studio) == 0


async def test_google_is_asked_in_its_own_way(studio, google_bucket):
    studio.environment |= google_bucket.environment
    studio.write(TREES)
    google_bucket.refuse_writes()
    refused = await run(studio, google_bucket, code=None)
    assert refused.code != 0
    assert "AccessDenied" in refused.err
    assert "set GOOGLE_APPLICATION_CREDENTIALS" in refused.err
    assert made(studio) == 0

    # The folder is not bound to a store that it cannot use.
    other = buckets.GoogleBucket()
    done = await run(studio, other)
    check_all_right(other, 4)
    assert other.environment["GOOGLE_SERVICE_ACCOUNT_KEY"] not in done.out + done.err
    other.forget()
    await run(studio, other)
    assert [one.partition("?")[0] for one in other.requests] == [f"GET /{other.name}"]


async def test_two_manifests_need_two_stores(studio, bucket):
    studio.write(f"store: {bucket.url}\n" + TREES)
    icons = TREES.replace("name: trees", f"name: icons\nstore: {bucket.url}")
    (studio.folder / "icons.yaml").write_text(icons)

    together = await studio.run("run", "trees.yaml", "icons.yaml", "--yes")
    assert together.code == 2
    assert f"icons.yaml both write to {bucket.url}" in together.err
    assert made(studio) == 0

    await run(studio, bucket)
    for words in (("run", "--yes"), ("status",), ("prune", "--yes")):
        refused = await studio.run(words[0], "icons.yaml", *words[1:])
        assert refused.code == 2, words
        assert f"{bucket.url} belongs to the manifest 'trees'" in refused.err
    assert made(studio) == 4
    assert not list((studio.folder / "output").glob("icons/*.json"))
    check_all_right(bucket, 4)


async def test_a_price_that_is_not_agreed_to_leaves_the_store_as_it_was(studio, bucket):
    studio.write(TREES)
    words = ("run", "trees.yaml", "--store", bucket.url)
    refused = await studio.run(*words)  # there is no terminal to ask on

    assert refused.code == 2, refused
    assert bucket.names == []
    assert not (studio.output / ".store").exists()


async def test_shards_of_one_manifest_share_its_store(studio, bucket, tmp_path):
    (tmp_path / "other").mkdir()
    other = Shell(tmp_path / "other")
    other.environment = dict(studio.environment)
    for one, shard in ((studio, "1/2"), (other, "2/2")):
        one.write(TREES)
        await run(one, bucket, "--shard", shard)

    # The first folder learns of the other's files from the store.
    whole = await run(studio, bucket, "--json")

    assert whole.of("done")[0]["counts"]["done"] == 4
    assert made(studio) == 4
    check_all_right(bucket, 4)


async def test_a_folder_belongs_to_the_store_that_it_began_with(studio, bucket):
    studio.write(f"store: {bucket.url}\n" + TREES)
    await studio.run("run", "trees.yaml", "--yes")
    check_all_right(bucket, 4)

    other = await studio.run("plan", "trees.yaml", "--store", f"{bucket.url}-2")

    assert other.code == 2
    assert f"belongs to the store {bucket.url}, not to" in other.err


async def test_another_folder_is_a_store_too(studio, tmp_path):
    studio.write(TREES)
    url = (tmp_path / "mounted" / "art").as_uri()
    (tmp_path / "mounted").mkdir()
    words = ("run", "trees.yaml", "--yes", "--store", url)
    done = await studio.run(*words)
    assert done.code == 0, done

    art = tmp_path / "mounted" / "art"
    names = {path.name for path in art.iterdir() if path.is_file()}
    assert {"oak.png", "oak.png.json", "ledger.sqlite3"} <= names
    assert (studio.output / "oak.png.json").is_file()
    assert not (studio.output / "oak.png").exists()
    shutil.rmtree(studio.output)
    (studio.folder / "trees.yaml.lock").unlink()
    assert (await studio.run(*words)).code == 0
    assert made(studio) == 4
    assert (await studio.run("verify", url)).code == 0
