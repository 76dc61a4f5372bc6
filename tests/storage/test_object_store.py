"""Buckets, over real HTTP: each test on each kind of server."""

import hashlib
import os
from datetime import timedelta

import obstore
import pytest
from doubles import buckets
from doubles.pictures import png_bytes

from pipeline.assets.checks.damage import Damaged
from pipeline.errors import OutputError
from pipeline.storage import object_store, upload
from pipeline.storage.bucket_url import parse_bucket_url
from pipeline.storage.folder import Folder
from pipeline.storage.object_store import ObjectStore
from pipeline.storage.store import NameTaken
from pipeline.storage.upload import Held, Room, Staged

bucket = buckets.any_bucket
moto_bucket = buckets.bucket
PICTURE = png_bytes()


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def store_in(bucket, home):
    store = ObjectStore(parse_bucket_url(bucket.url, os.environ), home)
    store.load()
    return store


@pytest.fixture
def store(bucket, tmp_path):
    return store_in(bucket, tmp_path)


def held(content):
    return Held(content, Room(0))


def place(store, name, content, media_type="image/png"):
    digest = sha256(content)
    store.place(held(content), name, sha256=digest, media_type=media_type)


def test_a_placed_file_has_its_bytes_and_its_type_in_one_request(store, bucket):
    place(store, "oak.png", PICTURE)

    assert bucket.writes == [f"PUT /{bucket.name}/trees/oak.png"]
    assert bucket.get("oak.png") == PICTURE
    assert bucket.media_type("oak.png") == "image/png"
    assert store.size_of("oak.png") == len(PICTURE)
    assert store.digest_of("oak.png") == sha256(PICTURE)


def test_a_whole_file_is_read_with_one_request(store, bucket):
    content = PICTURE + bytes(100_000)
    place(store, "oak.png", content)
    bucket.forget()

    with store.open("oak.png") as file:
        assert file.read() == content

    assert len(bucket.requests) == 1


def test_what_is_there_already_is_not_sent_again(store, bucket, tmp_path):
    place(store, "oak.png", PICTURE)
    again = store_in(bucket, tmp_path)
    bucket.forget()

    place(again, "oak.png", PICTURE)

    assert bucket.writes == []


def test_a_file_that_another_run_has_put_there_is_never_replaced(
    store, bucket, tmp_path
):
    place(store_in(bucket, tmp_path / "other"), "oak.png", b"theirs")

    with pytest.raises(NameTaken, match="another run has put another file at"):
        place(store, "oak.png", PICTURE)

    assert bucket.get("oak.png") == b"theirs"


def test_the_same_bytes_from_another_run_are_as_good(store, bucket, tmp_path):
    place(store_in(bucket, tmp_path / "other"), "oak.png", PICTURE)

    place(store, "oak.png", PICTURE)

    assert store.is_present("oak.png")


def test_a_known_file_is_replaced_unless_it_has_changed_since(store, bucket, tmp_path):
    place(store, "oak.png", b"first")
    place(store, "oak.png", PICTURE)
    assert bucket.get("oak.png") == PICTURE

    bucket.put("oak.png", b"somebody else's")
    with pytest.raises(NameTaken):
        place(store, "oak.png", b"third")

    assert bucket.get("oak.png") == b"somebody else's"


def test_a_listed_file_is_replaced_unless_it_has_changed_since(bucket, tmp_path):
    for name in ("oak.png", "elm.png"):
        bucket.put(name, b"first")
    store = store_in(bucket, tmp_path)
    bucket.put("elm.png", b"somebody else's")

    place(store, "oak.png", PICTURE)
    with pytest.raises(NameTaken):
        place(store, "elm.png", PICTURE)

    assert bucket.get("oak.png") == PICTURE
    assert bucket.get("elm.png") == b"somebody else's"


def test_a_tag_is_the_same_with_and_without_quotes():
    listed, looked_at, other = (
        object_store._Entry({"size": 1, "e_tag": tag})
        for tag in ("0x8", '"0x8"', "0x9")
    )

    assert listed.may_be(looked_at)
    assert not listed.may_be(other)


def test_two_sidecars_of_one_name_do_not_overwrite_each_other(store, bucket, tmp_path):
    store_in(bucket, tmp_path / "other").write(b"{}", "oak.png.json")

    with pytest.raises(NameTaken):
        store.write(b"[]", "oak.png.json")

    assert bucket.get("oak.png.json") == b"{}"
    assert not (tmp_path / "oak.png.json").exists()


def test_what_a_repeated_request_finds_of_its_own_is_accepted(store, bucket, tmp_path):
    # The answer to the first request was lost: the bytes are there, unknown to us.
    place(store, "oak.png", PICTURE)
    bucket.put("oak.png.json", b"{1}")
    bucket.put("elm.png", PICTURE)

    store.write(b"{1}", "oak.png.json")
    store.copy("oak.png", "elm.png")

    assert (tmp_path / "oak.png.json").read_bytes() == b"{1}"
    assert store.size_of("elm.png") == len(PICTURE)
    store.write(b"{2}", "oak.png.json")  # it is known now
    assert bucket.get("oak.png.json") == b"{2}"
    with pytest.raises(NameTaken):
        store.copy("oak.png.json", "elm.png")


def test_a_sidecar_is_in_the_bucket_and_at_home(store, bucket, tmp_path):
    store.write(b"{}", "deep/oak.png.json")

    assert bucket.get("deep/oak.png.json") == b"{}"
    assert (tmp_path / "deep" / "oak.png.json").read_bytes() == b"{}"
    assert bucket.media_type("deep/oak.png.json") == "application/json"


def test_the_digest_of_a_file_from_elsewhere_is_read(bucket, tmp_path):
    bucket.put("oak.png", PICTURE)
    store = store_in(bucket, tmp_path)

    assert store.digest_of("oak.png") == sha256(PICTURE)
    assert store.digest_of("elm.png") == ""


def test_a_copy_keeps_bytes_and_type_and_replaces_nothing(store, bucket):
    place(store, "oak.png", PICTURE)
    place(store, "ash.png", b"another")
    store.write(b"{}", "oak.png.json")

    store.copy("oak.png", "elm.png")
    store.copy("oak.png.json", "elm.png.json")
    with pytest.raises(NameTaken):
        store.copy("oak.png", "ash.png")

    assert bucket.get("elm.png") == PICTURE
    assert bucket.media_type("elm.png") == "image/png"
    assert store.have_same_content("oak.png", "elm.png")
    assert (store.home / "elm.png.json").is_file()
    assert bucket.get("ash.png") == b"another"


def test_a_removed_file_is_gone_in_both_places(store, bucket):
    store.write(b"{}", "oak.png.json")

    store.remove("oak.png.json")
    store.remove("oak.png.json")

    assert bucket.names == []
    assert not store.exists("oak.png.json")
    assert not (store.home / "oak.png.json").exists()


def test_a_reader_can_seek(store):
    place(store, "oak.png", b"0123456789")

    with store.file("oak.png").open("rb") as file:
        assert file.seek(-3, os.SEEK_END) == 7
        assert file.read() == b"789"
        file.seek(0)
        assert file.read(2) == b"01"
    with pytest.raises(FileNotFoundError):
        store.open("elm.png")


async def test_a_small_file_is_held_and_seen_by_nobody(store, bucket):
    seen = []
    async with store.begin(seen.append) as new:
        await new.write([PICTURE[:10]])
        digest = await new.finish([PICTURE[10:]])

    assert digest == sha256(PICTURE)
    assert b"".join(seen) == PICTURE
    assert (new.size_bytes, new.head) == (len(PICTURE), PICTURE)
    assert bucket.writes == []
    with new.pending.open("rb") as file:
        assert file.read() == PICTURE


@pytest.fixture
def small_limits(monkeypatch):
    monkeypatch.setattr(upload, "MOST_HELD_BYTES", 1000)
    monkeypatch.setattr(object_store, "MOST_HELD_BYTES", 1000)


async def test_a_large_file_is_sent_in_parts_and_then_gets_its_name(
    store, bucket, small_limits
):
    content = PICTURE + bytes(12 << 20)  # two parts
    async with store.begin() as new:
        await new.write([content[:500], content[500:5000]])
        digest = await new.finish([content[5000:]])

    assert isinstance(new.pending, Staged)
    [temporary] = bucket.names
    assert temporary.startswith(".partial/")
    with new.pending.open("rb") as file:
        assert file.read() == content
    store.place(new.pending, "oak.png", sha256=digest, media_type="image/png")
    assert bucket.names == ["oak.png"]
    assert bucket.get("oak.png") == content
    assert bucket.media_type("oak.png") == "image/png"


async def put_large(store, content):
    async with store.begin() as new:
        digest = await new.finish([content])
    store.place(new.pending, "oak.png", sha256=digest, media_type="image/png")


@pytest.fixture(params=["in one request", "by a copy"])
def replacing(request, monkeypatch, small_limits):
    """How a large file replaces a known one; the larger ones by a copy."""
    if request.param == "by a copy":
        monkeypatch.setattr(object_store, "_ONE_PUT_BYTES", 1000)


async def test_a_large_file_replaces_only_what_was_known(
    store, bucket, tmp_path, replacing
):
    place(store, "oak.png", b"first")
    bucket.forget()

    large = PICTURE + bytes(2000)

    await put_large(store, large)

    assert bucket.get("oak.png") == large
    assert bucket.media_type("oak.png") == "image/png"
    # At no moment is there neither the old file nor the new one.
    deleted = [one for one in bucket.writes if one.startswith("DELETE")]
    assert not [one for one in deleted if "oak.png" in one]
    bucket.put("oak.png", b"somebody else's")
    with pytest.raises(NameTaken):
        await put_large(store, b"3" * 2000)
    assert bucket.get("oak.png") == b"somebody else's"


async def test_a_large_file_replaces_a_listed_one(bucket, tmp_path, replacing):
    bucket.put("oak.png", b"first")

    await put_large(store_in(bucket, tmp_path), b"2" * 2000)

    assert bucket.get("oak.png") == b"2" * 2000


async def test_a_large_file_takes_the_place_of_one_that_is_gone(
    store, bucket, replacing
):
    place(store, "oak.png", b"first")
    bucket.remove("oak.png")

    await put_large(store, b"2" * 2000)

    assert bucket.get("oak.png") == b"2" * 2000


def test_a_file_takes_the_place_of_one_that_is_gone(store, bucket):
    place(store, "oak.png", b"first")
    bucket.remove("oak.png")

    place(store, "oak.png", PICTURE)

    assert bucket.get("oak.png") == PICTURE


async def test_a_temporary_object_that_cannot_be_deleted_is_no_error(
    store, bucket, small_limits, monkeypatch
):
    def fail(*_):
        raise obstore.exceptions.GenericError("no answer")

    monkeypatch.setattr(obstore, "delete", fail)

    await put_large(store, PICTURE + bytes(2000))

    assert bucket.get("oak.png") == PICTURE + bytes(2000)
    assert len(bucket.names) == 2


@pytest.mark.parametrize("last", [True, False], ids=["at the end", "on the way"])
async def test_a_large_file_that_fails_its_check_leaves_nothing(
    store, bucket, small_limits, last
):
    def watch(piece):
        if piece == b"bad":
            raise Damaged("cut off")

    async def send():
        async with store.begin(watch) as new:
            await new.write([bytes(2000)])
            if not last:
                await new.write([b"bad"])
            await new.finish([b"good"])
            raise Damaged("not what was announced")

    with pytest.raises(Damaged):
        await send()

    assert bucket.names == []
    assert bucket.open_uploads == 0


async def test_without_room_in_memory_a_file_is_sent_at_once(
    bucket, tmp_path, monkeypatch
):
    monkeypatch.setattr(object_store, "HELD_BYTES", 100)
    store = store_in(bucket, tmp_path)
    async with store.begin() as new:
        await new.finish([bytes(200)])

    assert isinstance(new.pending, Staged)
    new.pending.unlink()
    assert bucket.names == []


async def test_a_bucket_that_goes_away_ends_a_large_file(
    store, bucket, small_limits, monkeypatch
):
    def fail(*_):
        raise OutputError("the bucket is gone")

    monkeypatch.setattr(store, "_stage", fail)

    async def send():
        async with store.begin() as new:
            for _ in range(5):
                await new.write([bytes(600)])
            await new.finish([])

    with pytest.raises(OutputError, match="is gone"):
        await send()


def test_a_file_of_the_disk_is_sent_as_it_is(store, bucket, tmp_path, monkeypatch):
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(b"small")
    large.write_bytes(b"large file")
    monkeypatch.setattr(object_store, "_ONE_PUT_BYTES", 7)

    for path in (small, large):
        digest = sha256(path.read_bytes())
        store.place(path, path.name, sha256=digest, media_type="text/plain")

    assert bucket.get("small") == b"small"
    assert bucket.get("large") == b"large file"
    assert bucket.names == ["large", "small"]
    assert not small.exists()
    assert not large.exists()


def test_a_bucket_that_can_be_written_is_left_as_it_was(store, bucket):
    store.check_writable()

    assert bucket.names == []


def test_what_a_killed_run_left_is_deleted_after_a_day(bucket, tmp_path, monkeypatch):
    bucket.put(".partial/left", b"half a file")
    store = store_in(bucket, tmp_path)
    store.check_writable()
    assert bucket.names == [".partial/left"]

    monkeypatch.setattr(object_store, "_STALE", timedelta(days=-1))
    store.check_writable()

    assert bucket.names == []


def test_two_runs_that_try_to_write_at_the_same_moment_use_two_names(store, bucket):
    store.check_writable()
    store.check_writable()

    names = {one for one in bucket.writes if one.startswith("PUT") and "/probe-" in one}
    assert len(names) == 2


def test_a_server_that_ignores_conditions_is_refused(store, monkeypatch):
    put = obstore.put
    monkeypatch.setattr(
        obstore, "put", lambda *words, **_: put(*words, mode="overwrite")
    )

    with pytest.raises(OutputError, match="ignores conditional writes"):
        store.check_writable()


def test_a_missing_bucket_is_named_with_a_hint(moto_bucket, tmp_path):
    url = parse_bucket_url("s3://no-such-bucket/trees", os.environ)

    with pytest.raises(OutputError, match="NoSuchBucket") as error:
        ObjectStore(url, tmp_path).load()

    assert error.value.hint.startswith("create the bucket 'no-such-bucket'")


def test_a_file_of_another_store_is_sent_with_its_digest_and_type(
    store, bucket, tmp_path
):
    source = Folder(tmp_path / "source")
    source.root.mkdir()
    (source.root / "oak.png").write_bytes(PICTURE)

    store.receive(source, "oak.png")

    assert bucket.get("oak.png") == PICTURE
    assert bucket.media_type("oak.png") == "image/png"
    again = store_in(bucket, tmp_path)
    bucket.forget()
    assert again.digest_of("oak.png") == sha256(PICTURE)
    assert [one for one in bucket.requests if one.startswith("GET")] == []


@pytest.mark.usefixtures("small_limits")
def test_a_large_file_of_another_store_is_sent_in_parts(store, bucket, tmp_path):
    source = Folder(tmp_path / "source")
    source.root.mkdir()
    content = os.urandom(1 << 20)
    (source.root / "oak.bin").write_bytes(content)

    store.receive(source, "oak.bin")

    assert bucket.get("oak.bin") == content
    assert bucket.names == ["oak.bin"]


@pytest.mark.usefixtures("small_limits")
def test_what_cannot_be_received_leaves_nothing(store, bucket, tmp_path):
    source = Folder(tmp_path / "source")
    source.root.mkdir()
    (source.root / "oak.png").write_bytes(os.urandom(1 << 20))
    bucket.put("oak.png", b"theirs")

    with pytest.raises(NameTaken):
        store.receive(source, "oak.png")

    assert bucket.names == ["oak.png"]
    assert bucket.get("oak.png") == b"theirs"


def test_within_a_bucket_only_what_was_known_is_replaced(bucket, tmp_path):
    def part(name):
        url = parse_bucket_url(f"{bucket.url}/{name}", os.environ)
        opened = ObjectStore(url, tmp_path / name)
        opened.load()
        return opened

    bucket.put("one/oak.png", PICTURE)
    bucket.put("two/oak.png", b"older")
    source, target, late = part("one"), part("two"), part("two")

    target.receive(source, "oak.png")
    target.receive(source, "oak.png")  # changes nothing
    bucket.put("one/oak.png", b"newer")
    with pytest.raises(NameTaken):
        late.receive(part("one"), "oak.png")

    assert bucket.get("two/oak.png") == PICTURE
    with pytest.raises(FileNotFoundError):
        target.receive(source, "elm.png")
