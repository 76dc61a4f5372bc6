"""The gallery of a manifest: what its records say, and which files are written."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from doubles.media import glb_of
from doubles.place import LIMIT_S, items
from filelock import FileLock
from knobs.world import HEAD, MODEL, draw_references
from PIL import Image

from pipeline.activity import Activity
from pipeline.cli.loading import load_opened
from pipeline.errors import LedgerDamaged, ManifestError
from pipeline.job import Job, JobKey, JobStatus, RemoteId
from pipeline.ledger.ledger import IN_MEMORY, LEDGER_NAME, Ledger
from pipeline.manifest import load_manifest
from pipeline.operations.gallery import Collector, PageOptions, write_gallery, writer
from pipeline.operations.gallery.files import draw as draw_content
from pipeline.operations.gallery.totals import read_spent
from pipeline.operations.items import read_items
from pipeline.output.gallery_folder import LOCK_NAME
from pipeline.record import replace
from pipeline.report.gallery.data import Gallery
from pipeline.running.events import JobChanged
from pipeline.storage.atomic_file import PARTIAL_FOLDER
from pipeline.storage.folder import Folder

NOW = datetime(2026, 10, 2, 21, 20, 16, tzinfo=UTC)
MEDIA = """\
version: 1
name: knobs
model: model_wan-2-7-image
params: {size: 1K}
items:
  - {id: oak, prompt: an oak}
  - {id: barrel, model: model_rodin-hyper3d-v2-5-text-to-3d, prompt: a barrel, params: {size: null}}
  - {id: clip, model: model_wan-2-7-i2v, prompt: it moves, params: {size: null, image: "item:oak"}}
  - {id: rain, model: model_mm-audio-2-t2a, prompt: rain, params: {size: null}}
  - {id: caption, model: model_emulated-captioner, params: {size: null, image: "item:oak"}}
"""


class PlainLinks:
    """Links of a server: nothing is written, and files have names."""

    def to_file(self, content):
        return f"file/{content.name or content.sha256[:4]}" if content.content else ""

    def to_thumbnail(self, content):
        return f"thumbnail/{content.name or content.sha256[:4]}"

    def to_script(self, _content):
        return ""


def loaded(place):
    return load_opened(
        place.folder / "knobs.yaml",
        output=place.output,
        emulate=False,
        allow_outside=False,
        profile="",
    )


def collector_of(place, **named):
    manifest, store = loaded(place)
    return Collector(manifest, store, emulate=False, links=PlainLinks(), **named)


def gallery_of(place, **named):
    return collector_of(place, **named).collect(NOW)


def item_of(gallery, item_id):
    (found,) = [item for item in gallery.items if item.id == item_id]
    return found


def write(place, **named):
    manifest, store = loaded(place)
    return write_gallery(manifest, store, emulate=False, now=NOW, **named)


def written_data(page):
    text = (page.parent / "data.js").read_text("utf-8")
    text = text.removeprefix("window.GALLERY = JSON.parse('").removesuffix("');\n")
    text = text.replace("\\'", "'").replace("\\\\", "\\")
    return msgspec.json.decode(text, type=Gallery)


def urls_in(gallery):
    for item in gallery.items:
        shown = [*item.references]
        for take in (*item.takes, *item.steps):
            shown += [*take.references, *take.files]
        for one in shown:
            yield from filter(None, (one.src, one.thumbnail))
            yield from filter(None, [getattr(one, "embedded", "")])


# --- records ------------------------------------------------------------------


async def test_a_saved_item_has_all_that_is_known_of_it(place):
    await place.play(items("an oak", params="{thinkingMode: true}"))

    (item,) = gallery_of(place).items

    (take,) = item.takes
    (file,) = take.files
    job = place.job("a")
    assert (item.id, item.state, item.prompt) == ("a", "saved", "an oak")
    assert item.params["thinkingMode"] is True
    assert item.place.endswith("knobs.yaml:6")
    assert item.command.startswith("pipeline run ")
    assert "--force --select a --output" in item.command
    assert (take.seed, take.charged, take.attempts) == (job.seed, 6, 1)
    assert take.submitted_at < take.finished_at < take.saved_at
    assert (file.src, file.thumbnail) == ("file/a.png", "thumbnail/a.png")
    assert (file.width_px, file.kind, file.is_missing) == (16, "image", False)


async def test_totals_and_points_come_from_the_ledger(place):
    await place.play(
        items("an oak", "an elm [fail]", "an ash", params="{}") + "max_cost: 50\n"
    )

    gallery = gallery_of(place, options=PageOptions(price=(0.01, "EUR")))

    assert gallery.totals.states == {"failed": 1, "saved": 2}
    assert (gallery.totals.charged, gallery.totals.files) == (12, 2)
    assert gallery.totals.left == 38
    assert [point.jobs for point in gallery.points] == [1, 2, 3]
    assert gallery.points[-1].charged == 12
    assert gallery.price == (0.01, "EUR")
    assert gallery.made_at == "2026-10-02T21:20:16.000Z"


async def test_a_failed_item_has_reason_hint_and_next_command(place):
    await place.play(items("an oak [fail]"))
    complete = PageOptions(complete_hint=lambda hint, item_id: f"{item_id}: {hint}")

    (item,) = gallery_of(place, options=complete).items

    assert item.state == "failed"
    assert item.reason
    assert item.hint.startswith("a: Try again")
    assert item.command.startswith("pipeline rerun ")
    assert "--select a " in item.command


async def test_axes_have_their_values_in_the_order_of_the_manifest(place):
    text = HEAD + (
        "items:\n"
        "  - id: ${tree}/${size_}\n"
        "    prompt: a ${tree}, ${mood}\n"
        "    vars: {mood: calm}\n"
        "    matrix:\n"
        "      tree: [oak, elm]\n"
        "      size_: [2, 1.5, true]\n"
        "      include: [{tree: yew, size_: 9}]\n"
    )
    (place.folder / "knobs.yaml").write_text(text, encoding="utf-8")

    gallery = gallery_of(place)

    assert gallery.axes == {
        "tree": ("oak", "elm", "yew"),
        "size_": ("2", "1.5", "true", "9"),
    }
    assert gallery.items[1].axes == {"tree": "oak", "size_": "1.5"}
    assert {item.entry for item in gallery.items} == {"${tree}/${size_}"}
    assert {item.state for item in gallery.items} == {"not_submitted"}


async def test_references_are_seen_whatever_they_are(place):
    draw_references(place.folder)
    text = HEAD + (
        "references: {style: style.png, theirs: asset_abc}\n"
        "items:\n"
        "  - {id: b, prompt: b, params: {images: ['ref:style', 'item:a', 'ref:theirs']}}\n"
        "  - {id: a, prompt: an oak}\n"
    )
    await place.play(text.replace(", 'ref:theirs'", ""))
    (place.folder / "knobs.yaml").write_text(text, encoding="utf-8")

    gallery = gallery_of(place)

    assert [item.id for item in gallery.items] == ["b", "a"]
    child, parent = gallery.items
    style, other, theirs = child.references
    assert (style.name, style.kind, style.input) == ("style", "image", "images")
    assert style.src.startswith("file/")
    assert (other.item, other.src) == ("a", "file/a.png")
    assert (theirs.name, theirs.src, theirs.thumbnail) == ("asset_abc", "", "")
    assert (child.parents, parent.children) == (("a",), ("b",))


async def test_a_take_keeps_the_prompt_and_references_that_it_was_made_with(place):
    draw_references(place.folder)
    text = HEAD + (
        "references: {style: style.png, noise: noise.png}\n"
        "items:\n"
        "  - {id: a, prompt: an oak, params: {images: ['ref:style']}}\n"
    )
    await place.play(text)
    now = text.replace("an oak", "an elm").replace("'ref:style'", "'ref:noise'")
    (place.folder / "knobs.yaml").write_text(now, encoding="utf-8")
    before = gallery_of(place).items[0]
    await place.play(now)

    (take,) = before.takes
    assert (before.prompt, take.prompt) == ("an elm", "an oak")
    assert [one.name for one in before.references] == ["noise"]
    assert [one.src != before.references[0].src for one in take.references] == [True]
    (again,) = gallery_of(place).items[0].takes
    assert (again.prompt, again.references) == ("", ())


async def test_decisions_and_the_review_file_are_there(place):
    await place.play(items("an oak", "an elm").replace("items:", "takes: 2\nitems:"))
    await place.type("pick", "a", "2")
    await place.type("reject", "b@1", "--note", "too dark")
    await place.type("approve", "a@1")

    gallery = gallery_of(place)

    one, two = item_of(gallery, "a").takes
    assert [
        (take.is_chosen, [d.word for d in take.decisions]) for take in (one, two)
    ] == [
        (False, ["approved"]),
        (True, ["chosen"]),
    ]
    (rejected,) = item_of(gallery, "b").takes[0].decisions
    assert (rejected.word, rejected.note) == ("rejected", "too dark")
    assert [one.word for one in gallery.review["a"].verdicts] == ["picked", "approved"]
    assert gallery.review_file.endswith("knobs.review.yaml")
    assert "--select a@2" in item_of(gallery, "a").command


async def test_steps_follow_the_chosen_take(place):
    draw_references(place.folder)
    text = HEAD + (
        "items:\n"
        "  - id: fox\n"
        "    prompt: a fox\n"
        "    keep: true\n"
        "    steps: [{name: cut, model: model_birefnet-background-removal, input: image}]\n"
        "  - {id: wolf, prompt: a wolf}\n"
    )
    await place.play(text)

    gallery = gallery_of(place)

    assert [item.id for item in gallery.items] == ["fox", "wolf"]
    fox = gallery.items[0]
    (step,) = fox.steps
    assert (step.step, step.job_id) == ("cut", "fox+cut")
    assert step.model == "model_birefnet-background-removal"
    assert len(fox.takes[0].files) == len(step.files) == 1
    assert (fox.references, fox.parents, step.references) == ((), (), ())


async def test_one_item_can_be_read_again(place):
    await place.play(items("an oak [fail]", "an elm"))
    collector = collector_of(place)
    collector.collect(NOW)
    records = []
    read_items(*loaded(place), emulate=False, on_item=records.append)

    assert [collector.item_of(record).state for record in records] == [
        "failed",
        "saved",
    ]


async def test_a_manifest_that_is_no_file_has_keys_and_no_commands(place, tmp_path):
    item = {"id": "oak", "prompt": "an oak"}
    source = {"version": 1, "name": "m", "model": MODEL, "items": [item]}
    manifest = load_manifest(source, folder=tmp_path)

    gallery = Collector(
        manifest, Folder(place.output), emulate=False, links=PlainLinks()
    ).collect(NOW)

    assert (gallery.items[0].place, gallery.items[0].command) == ("<m> items[0]", "")
    assert gallery.review_file == "m.review.yaml"


async def test_a_gallery_can_be_made_while_a_run_goes_on(place):
    seen = []

    def look(event):
        if isinstance(event, JobChanged) and event.status is JobStatus.SAVED:
            seen.append(write(place).items)

    await place.play(items("an oak", "an elm"), on_event=look)

    assert seen == [2, 2]


async def test_what_the_emulator_made_is_said_to_be_emulated(command, tmp_path):
    manifest = tmp_path / "knobs.yaml"
    manifest.write_text(items("an oak"), encoding="utf-8")

    await command("gallery", manifest, "--emulate")

    page = tmp_path / "output/knobs.emulated/gallery/index.html"
    gallery = written_data(page)
    assert gallery.is_emulated
    assert gallery.items[0].command == f"pipeline run {manifest} --select a --emulate"


async def test_decisions_about_a_renamed_item_are_under_its_new_id(place):
    await place.play(items("an oak"))
    await place.type("reject", "a", "--note", "too dark")
    text = items("an oak").replace("id: a,", "id: b, was: a,")
    (place.folder / "knobs.yaml").write_text(text, encoding="utf-8")

    gallery = gallery_of(place)

    assert list(gallery.review) == ["b"]
    assert gallery.items[0].takes[0].decisions[0].note == "too dark"


async def test_files_that_are_gone_or_edited_are_said_to_be(place):
    await place.play(items("an oak", "an elm", "an ash"))
    (place.output / "a.png").unlink()
    Image.new("RGB", (40, 40), "red").save(place.output / "b.png")

    gallery = gallery_of(place)

    gone, edited, fine = (item.takes[0].files[0] for item in gallery.items)
    assert (gone.is_missing, gone.src, gone.thumbnail) == (True, "", "")
    assert item_of(gallery, "a").state == "not_fetched"
    assert "pipeline fetch" in item_of(gallery, "a").command
    assert edited.sha256 != edited.original_sha256
    assert fine.sha256 == fine.original_sha256


async def test_a_damaged_ledger_is_told_as_usual(place):
    await place.play(items("an oak"))
    for path in place.output.glob(f"{LEDGER_NAME}*"):
        path.write_bytes(b"not a ledger" * 100)

    with pytest.raises(LedgerDamaged):
        gallery_of(place)


def test_faults_of_the_manifest_are_told_as_usual(place):
    text = f"{HEAD}items: [{{id: '${{x}}', prompt: x, matrix: {{x: [a/, b]}}}}]\n"
    (place.folder / "knobs.yaml").write_text(text, encoding="utf-8")

    with pytest.raises(ManifestError):
        gallery_of(place)


@pytest.mark.parametrize("count", [0, 1, 300, 301, 2000])
def test_a_plot_has_its_ends_and_at_most_some_hundred_points(count):
    with Ledger(IN_MEMORY) as ledger:
        for number in range(count):
            at = NOW + timedelta(seconds=count - number)
            job = Job(
                item_id=f"i{number}",
                attempt=1,
                job_key=JobKey(f"{number}"),
                request_key=JobKey(f"{number}"),
                model_id=MODEL,
                request={},
                sent_at=at,
                charged=Decimal(2),
            )
            job = ledger.record_submitting(job)
            job = ledger.record_submitted(
                replace(job, remote_id=RemoteId(f"j{number}"))
            )
            ledger.record_succeeded(replace(job, finished_at=at))

        points = read_spent(ledger).points

    assert len(points) == min(count, 300)
    assert [point.jobs for point in points[:1]] == [1] * bool(count)
    assert [point.charged for point in points[-1:]] == [2.0 * count] * bool(count)
    assert [*points] == sorted(points, key=lambda point: point.at)


# --- files --------------------------------------------------------------------


async def test_every_kind_of_file_is_shown(place):
    played = await place.play(MEDIA)
    assert played.saved == 5, played.failures

    data = written_data(write(place).page)

    files = {item.id: item.takes[0].files[0] for item in data.items}
    kinds = {item_id: file.kind for item_id, file in files.items()}
    assert kinds == {
        "oak": "image",
        "barrel": "3d",
        "clip": "video",
        "rain": "audio",
        "caption": "text",
    }
    assert {name for name, file in files.items() if file.thumbnail} == {
        "oak",
        "barrel",
        "clip",
    }
    assert files["caption"].text.startswith("an oak")
    gallery = place.output / "gallery"
    assert all((gallery / url).is_file() for url in urls_in(data))
    model = (gallery / files["barrel"].embedded).read_text("ascii")
    assert files["barrel"].sha256 in model
    assert (gallery / "vendor/LICENSE").is_file()


async def test_of_a_long_text_the_beginning_is_shown(place):
    await place.play(MEDIA)
    text = "ü" * 3000
    (place.output / "caption.txt").write_text(text, encoding="utf-8")

    (file,) = item_of(gallery_of(place), "caption").takes[0].files

    assert file.text == "ü" * 2048


async def test_a_model_that_is_too_large_is_not_embedded(place, monkeypatch):
    await place.play(MEDIA)
    monkeypatch.setattr(writer, "_MOST_MODEL_BYTES", 100)

    page = write(place).page

    (file, _preview) = item_of(written_data(page), "barrel").takes[0].files
    assert (file.embedded, file.src) == ("", "../barrel.glb")


async def test_a_second_gallery_draws_nothing_again(place):
    await place.play(items("an oak", "an elm"))
    first = write(place)
    await place.play(items("an oak", "an ash"))

    second = write(place)

    assert (first.drawn, second.drawn) == (2, 1)
    assert len([*(place.output / "gallery/thumbnails").iterdir()]) == 2
    assert not (place.output / "gallery/vendor").exists()


async def test_what_a_worker_of_the_run_has_drawn_is_not_drawn_again(place):
    await place.play(items("an oak"))
    sha256 = place.job("a").assets[0].sha256
    drafts = place.output / PARTIAL_FOLDER / "thumbnails"
    drafts.mkdir(parents=True)
    (drafts / f"{sha256}.webp").write_bytes(b"as a worker drew it")

    page = write(place).page

    thumbnail = page.parent / "thumbnails" / f"{sha256}.webp"
    assert thumbnail.read_bytes() == b"as a worker drew it"


async def test_what_was_drawn_before_an_interruption_is_kept(place):
    await place.play(items("an oak", "an elm", "an ash", "a yew", "a fir", "a box"))

    def interrupt(phase):
        if phase.startswith("2 of 6"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(place, tick=interrupt)
    assert not (place.output / "gallery/index.html").exists()

    assert write(place).drawn <= 4


async def test_a_gallery_that_nobody_waits_for_ends_in_order(place, monkeypatch):
    await place.play(items("an oak", "an elm", "an ash", "a yew", "a fir", "a box"))
    loop, started, gate = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    def draw(content):
        loop.call_soon_threadsafe(started.set)
        assert gate.wait(LIMIT_S)
        return draw_content(content)

    monkeypatch.setattr(writer, "draw", draw)
    monkeypatch.setattr(writer, "_LONGEST_END_S", 0.0)
    manifest, store = loaded(place)
    writing = asyncio.create_task(
        writer.write_gallery_shown(
            manifest, store, activity=Activity(place.clock), emulate=False, now=NOW
        )
    )
    async with asyncio.timeout(LIMIT_S):
        await started.wait()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    gate.set()

    gallery = place.output / "gallery"
    with FileLock(gallery / LOCK_NAME, timeout=LIMIT_S):
        assert not (gallery / "index.html").exists()
        assert not (gallery / ".partial").exists()
    assert write(place).items == 6


async def test_a_copy_needs_nothing_from_elsewhere(place):
    draw_references(place.folder)
    text = items("an oak", params="{images: ['ref:style']}")
    await place.play(text.replace("items:", "references: {style: style.png}\nitems:"))

    page = write(place, folder=place.folder / "copy").page

    urls = set(urls_in(written_data(page)))
    assert not [url for url in urls if ".." in url]
    assert all((page.parent / url).is_file() for url in urls)
    assert (page.parent / "files/a.png").read_bytes() == (
        place.output / "a.png"
    ).read_bytes()


@pytest.mark.parametrize("content", [b"broken" * 50, b"\x89PNG\r\n\x1a\n" + b"x" * 300])
async def test_a_broken_picture_has_no_thumbnail_and_stops_nothing(place, content):
    await place.play(items("an oak", "an elm"))
    (place.output / "a.png").write_bytes(content)

    data = written_data(write(place).page)

    broken, whole = (item.takes[0].files[0] for item in data.items)
    assert (broken.thumbnail, broken.src) == ("", "../a.png")
    assert (place.output / "gallery" / whole.thumbnail).is_file()


@pytest.mark.parametrize(
    "model",
    [
        glb_of(extensionsRequired=["KHR_draco_mesh_compression"]),
        glb_of()[:-20],
        b"glTF" + b"\xff" * 200,
    ],
    ids=["compressed", "cut off", "garbage"],
)
async def test_a_model_that_the_viewer_cannot_read_is_not_embedded(place, model):
    await place.play(MEDIA)
    (place.output / "barrel.glb").write_bytes(model)

    page = write(place).page

    (barrel,) = [item for item in written_data(page).items if item.id == "barrel"]
    file = barrel.takes[0].files[0]
    assert (file.embedded, file.src) == ("", "../barrel.glb")
    assert file.thumbnail


async def test_a_link_out_of_the_folder_is_not_followed(place):
    await place.play(items("an oak"))
    secret = place.folder / "secret.png"
    (place.output / "a.png").rename(secret)
    (place.output / "a.png").symlink_to(secret)

    data = written_data(write(place, folder=place.folder / "copy").page)

    assert data.items[0].takes[0].files[0].is_missing
    assert not (place.folder / "copy/files").exists()


async def test_a_reference_that_is_gone_is_shown_if_it_was_seen_before(place):
    draw_references(place.folder)
    text = HEAD + (
        "references: {style: style.png}\n"
        "items:\n"
        "  - {id: a, prompt: an oak, params: {images: ['ref:style']}}\n"
    )
    await place.play(text)
    write(place)
    (place.folder / "knobs.yaml").write_text(items("an oak"), encoding="utf-8")
    (place.folder / "style.png").unlink()

    page = write(place).page

    (take,) = written_data(page).items[0].takes
    (used,) = take.references
    assert used.src == ""
    assert (page.parent / used.thumbnail).is_file()


async def test_hostile_names_lead_to_their_own_files(place, tmp_path):
    folder = tmp_path / "a b#c%20'\"<x>"
    folder.mkdir()
    draw_references(folder)
    manifest = folder / "k?.yaml"
    reference = "  - {id: a, prompt: x, params: {images: ['file:style.png']}}\n"
    manifest.write_text(f"{HEAD}items:\n{reference}", encoding="utf-8")
    read, store = load_opened(
        manifest,
        output=folder / "o;ü",
        emulate=False,
        allow_outside=False,
        profile="",
    )

    written = write_gallery(read, store, emulate=False, now=NOW)

    (used,) = written_data(written.page).items[0].references
    assert used.src == "../../style.png"
    assert (written.page.parent / used.thumbnail).is_file()
    assert isinstance(written.page, Path)
