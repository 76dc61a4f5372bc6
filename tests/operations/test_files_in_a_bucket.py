"""Commands that look at files do so in a bucket as in a folder."""

import json
from hashlib import sha256
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from doubles import buckets
from doubles.place import items
from PIL import Image

from pipeline.cli.loading import load_opened
from pipeline.errors import ExitCode, OutputError, UsageError
from pipeline.operations.check import check, check_approved
from pipeline.operations.gallery import Collector, write_gallery
from pipeline.operations.gallery.links import DiskLinks, ShownFile
from pipeline.operations.items import Items
from pipeline.operations.pick import approve
from pipeline.operations.view.deciding import decide
from pipeline.operations.view.links import ServedLinks
from pipeline.output.gallery_folder import holding_gallery
from pipeline.output.stores import open_store, option_for
from pipeline.report.review.app import ReviewApp
from pipeline.report.review.desk import Decision
from pipeline.running.result import RunCost, RunResult
from pipeline.storage.folder import Folder
from pipeline.storage.store import NameTaken

bucket = buckets.bucket
CHECKS = "checks: {min_px: 4}\n"


@pytest.fixture
async def made(place, bucket):
    """Two pictures in a bucket; the output folder has only their sidecars."""
    text = items("an oak", "an elm").replace("items:", f"{CHECKS}items:")
    (place.folder / "knobs.yaml").write_text(text, encoding="utf-8")
    done = await place.type("run", "--yes", "--store", bucket.url)
    assert done.code == 0, done
    assert bucket.assets == ["a.png", "b.png"]
    assert not list(place.output.glob("*.png"))
    bucket.forget()
    return place


def opened(place, **named):
    return load_opened(
        place.folder / "knobs.yaml",
        output=place.output,
        emulate=False,
        allow_outside=False,
        profile="",
        **named,
    )


def data_of(page):
    text = (page.parent / "data.js").read_text("utf-8")
    text = text.removeprefix("window.GALLERY = JSON.parse('").removesuffix("');\n")
    return json.loads(text.replace("\\'", "'").replace("\\\\", "\\"))


def files_of(gallery):
    return [item["takes"][0]["files"][0] for item in gallery["items"]]


def reads(bucket, name):
    return [one for one in bucket.requests if one == f"GET /{bucket.name}/trees/{name}"]


# --- check --------------------------------------------------------------------


async def test_checks_are_recorded_in_the_bucket_and_at_home(made, bucket):
    text = (made.folder / "knobs.yaml").read_text().replace("min_px: 4", "min_px: 5000")
    (made.folder / "knobs.yaml").write_text(text)
    bucket.put("b.png", b"damaged")
    manifest, store = opened(made)

    oak, elm = check(manifest, store)

    assert "shorter edge" in oak.asset.review
    assert "cannot be decoded" in elm.asset.review
    for name, why in (("a.png.json", "shorter edge"), ("b.png.json", "decoded")):
        assert bucket.get(name) == (made.output / name).read_bytes()
        assert why.encode() in bucket.get(name)


async def test_a_bucket_that_cannot_be_read_is_no_fault_of_a_picture(made, bucket):
    manifest, store = opened(made)
    before = bucket.get("a.png.json")
    bucket.remove("a.png")

    with pytest.raises(OutputError, match=r"cannot read s3://.*/a\.png"):
        check(manifest, store)

    assert bucket.get("a.png.json") == before


async def test_a_sidecar_that_another_run_has_changed_is_not_overwritten(made, bucket):
    text = (made.folder / "knobs.yaml").read_text().replace("min_px: 4", "min_px: 5000")
    (made.folder / "knobs.yaml").write_text(text)
    manifest, store = opened(made)
    bucket.put("a.png.json", b"theirs")

    with pytest.raises(NameTaken):
        check(manifest, store)

    assert bucket.get("a.png.json") == b"theirs"


async def test_what_is_approved_is_known_by_the_digest_that_the_bucket_keeps(
    made, bucket
):
    manifest, store = opened(made)
    await approve(manifest, store, ["a", "b"])
    bucket.forget()

    manifest, store = opened(made)
    assert [one.lacks for one in check_approved(manifest, store)] == ["", ""]
    assert not reads(bucket, "a.png")

    edited = bucket.get("a.png")
    bucket.put("a.png", bytes([*edited[:-1], edited[-1] ^ 1]))
    manifest, store = opened(made)
    lacks = [one.lacks for one in check_approved(manifest, store)]
    assert lacks == ["approved, but its file was edited since", ""]


# --- gallery ------------------------------------------------------------------


async def test_a_gallery_from_disk_has_previews_and_says_where_the_files_are(
    made, bucket
):
    done = await made.type("gallery")
    assert done.code == 0, done
    page = made.output / "gallery" / "index.html"

    oak, elm = files_of(data_of(page))

    assert [oak["url"], elm["url"]] == [f"{bucket.url}/{n}.png" for n in "ab"]
    assert oak["src"] == f"previews/{oak['sha256']}.webp"
    with Image.open(page.parent / oak["src"]) as shown:
        assert shown.size == (oak["width_px"], oak["height_px"])
    with Image.open(page.parent / oak["thumbnail"]) as small:
        assert small.size == shown.size
    assert len(reads(bucket, "a.png")) == 1  # for both
    bucket.forget()
    await made.type("gallery")
    assert {one.split("?")[0] for one in bucket.requests} == {f"GET /{bucket.name}"}


async def test_a_gallery_elsewhere_has_copies_of_the_originals(made, bucket, tmp_path):
    bucket.put("b.png", b"no picture")
    manifest, store = opened(made)
    named = {"emulate": False, "now": made.clock.utc_now(), "folder": tmp_path / "g"}

    page = write_gallery(manifest, store, **named).page

    oak, elm = files_of(data_of(page))
    assert (page.parent / oak["src"]).read_bytes() == bucket.get("a.png")
    assert (oak["src"], elm["src"]) == ("files/a.png", "files/b.png")
    assert elm.get("thumbnail", "") == ""
    assert len(reads(bucket, "a.png")) <= 2  # one of them is our own look
    bucket.forget()
    write_gallery(manifest, store, **named)
    assert not reads(bucket, "a.png")


def test_a_page_has_no_link_to_a_video_in_a_bucket(tmp_path):
    video = ShownFile(
        content=tmp_path,
        path=None,
        url="s3://art/a.mp4",
        name="a.mp4",
        sha256="ab" * 32,
        media_type="video/mp4",
    )
    with holding_gallery(tmp_path / "gallery") as folder:
        assert DiskLinks(folder, copies=False).to_file(video) == ""
        assert DiskLinks(folder, copies=True).to_file(video) == "files/a.mp4"


async def test_what_is_gone_from_the_bucket_is_said_to_be_missing(made, bucket):
    manifest, store = opened(made)
    write_gallery(manifest, store, emulate=False, now=made.clock.utc_now())
    bucket.remove("a.png")
    manifest, store = opened(made)

    page = write_gallery(manifest, store, emulate=False, now=made.clock.utc_now()).page

    oak, _ = files_of(data_of(page))
    assert oak["is_missing"]
    assert oak["src"] == ""


async def test_a_mounted_store_is_linked_to_as_a_folder_is(place, tmp_path):
    (place.folder / "knobs.yaml").write_text(items("an oak"), encoding="utf-8")
    art = tmp_path / "art"
    await place.type("run", "--yes", "--store", art.as_uri())
    manifest, store = opened(place)

    page = write_gallery(manifest, store, emulate=False, now=place.clock.utc_now()).page

    (oak,) = files_of(data_of(page))
    assert (page.parent / oak["src"]).resolve() == (art / "a.png").resolve()
    assert "url" not in oak


async def test_a_page_names_the_store_in_its_commands_if_a_command_needs_it(
    made, bucket
):
    manifest, store = opened(made)
    assert option_for(store, manifest, emulate=False) == ""

    (made.output / ".store").unlink()
    manifest, store = opened(made, store=bucket.url)
    gallery = Collector(manifest, store, emulate=False, links=ServedLinks()).collect(
        made.clock.utc_now()
    )

    assert f"--store {bucket.url}" in gallery.items[0].command
    assert gallery.output == bucket.url


# --- view ---------------------------------------------------------------------


async def test_a_page_is_served_files_from_the_bucket(made, bucket):
    manifest, store = opened(made)
    links = ServedLinks()
    gallery = Collector(manifest, store, emulate=False, links=links).collect(
        made.clock.utc_now()
    )
    (oak,), (elm,) = (item.takes[0].files for item in gallery.items)
    desk: Any = SimpleNamespace(find_file=links.find_file)  # and nothing else
    app = ReviewApp({"knobs": desk}, {}, token="t", host="127.0.0.1", clock=made.clock)
    content = bucket.get("a.png")
    drawn = links.draw(oak.thumbnail.removeprefix("thumbnails/"))
    assert drawn is not None

    async with TestClient(TestServer(app.build())) as client:
        whole = await client.get(f"/t/knobs/{oak.src}")
        part = await client.get(f"/t/knobs/{oak.src}", headers={"Range": "bytes=9-19"})
        bare = await client.head(f"/t/knobs/{oak.src}")
        tag = {"If-None-Match": whole.headers["ETag"]}
        same = await client.get(f"/t/knobs/{oak.src}", headers=tag)
        bucket.remove("b.png")
        gone = await client.get(f"/t/knobs/{elm.src}")
        read = await whole.read(), await part.read(), await bare.read()

    assert read == (content, content[9:20], b"")
    assert [one.status for one in (whole, part, bare, same)] == [200, 206, 200, 304]
    assert part.headers["Content-Range"] == f"bytes 9-19/{len(content)}"
    assert gone.status == 404


async def test_a_decision_of_a_page_moves_files_in_the_bucket(place, bucket):
    text = items("an oak").replace("items:", "takes: 2\nitems:")
    (place.folder / "knobs.yaml").write_text(text, encoding="utf-8")
    await place.type("run", "--yes", "--store", bucket.url)
    second = bucket.get("a@2.png")
    manifest, store = opened(place)
    decision = Decision(
        item="a",
        take=2,
        word="chosen",
        sha256=(sha256(second).hexdigest(),),
        version="",
    )

    await decide(
        manifest,
        store,
        decision,
        check_version=lambda _version: None,
        now=place.clock.utc_now(),
    )

    assert bucket.get("a.png") == second
    assert bucket.assets == ["a.png", "a@1.png"]


# --- Python -------------------------------------------------------------------


async def test_a_saved_file_is_read_wherever_it_is(made, bucket):
    manifest, store = opened(made)
    file = Items(manifest, store, emulate=False)["a"].files[0]

    assert file.url == f"{bucket.url}/a.png"
    assert file.read_bytes() == bucket.get("a.png")
    assert file.sidecar == made.output / "a.png.json"
    with pytest.raises(UsageError, match=r"is in a bucket, so it has no path") as told:
        _ = file.path
    assert ".read_bytes()" in told.value.hint


async def test_a_notebook_shows_pictures_from_the_bucket(made):
    manifest, store = opened(made)
    result = RunResult(
        exit_code=ExitCode.OK,
        counts={"saved": 2},
        submitted=2,
        stopped_by=None,
        cost=RunCost(),
        items=Items(manifest, store, emulate=False),
    )

    assert result._repr_html_().count("<img src=") == 2


def test_a_file_of_a_folder_has_a_path_and_a_url(tmp_path):
    store = Folder(tmp_path)

    assert store.path_of("a b.png") == tmp_path / "a b.png"
    assert store.url_of("a b.png") == (tmp_path / "a b.png").as_uri()
    assert open_store(tmp_path).file("a b.png").name == "a b.png"
