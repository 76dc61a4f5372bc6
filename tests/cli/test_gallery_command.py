"""``pipeline gallery`` and ``--report``: where the page is, and who leaves it alone."""

import webbrowser
from concurrent.futures import ThreadPoolExecutor

import click
import pytest
from doubles.place import everything_in, items

from pipeline.cli.commands import cli
from pipeline.cli.gallery import page_options
from pipeline.ledger.ledger import LEDGER_NAME


def prepare(place, text, name="knobs"):
    (place.folder / f"{name}.yaml").write_text(
        text.replace("knobs", name), encoding="utf-8"
    )


async def test_the_command_says_where_the_page_is(place):
    await place.play(items("an oak", "an elm"))

    said = await place.type("gallery")
    again = await place.type("gallery", "--json")

    page = place.output / "gallery/index.html"
    assert said.code == 0, said.err
    assert said.out == f"{page}: 2 items\n"
    (event,) = again.events
    assert (event["event"], event["page"], event["items"]) == ("gallery", str(page), 2)
    assert event["thumbnails_made"] == 0
    assert page.is_file()


async def test_open_shows_the_page_in_a_browser(place, monkeypatch):
    opened = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    await place.play(items("an oak"))

    await place.type("gallery", "--out", place.folder / "a copy", "--open")

    assert opened == [(place.folder / "a copy/index.html").as_uri()]


async def test_a_folder_with_other_things_is_refused(place):
    await place.play(items("an oak"))
    before = everything_in(place.output)

    said = await place.type("gallery", "--out", place.output)

    assert said.code == 2
    assert "is not a gallery: it has other things in it, such as a.png" in said.err
    assert "next: choose a new or an empty folder: pipeline gallery /" in said.err
    assert said.err.endswith(f"--output {place.output} --out DIR\n")
    assert everything_in(place.output) == before


async def test_report_writes_the_page_after_a_run(place):
    prepare(place, items("an oak", "an elm [fail]"))

    said = await place.type("run", "--yes", "--report", "--cu-price", "0.01EUR")

    page = place.output / "gallery/index.html"
    assert said.code == 3
    assert f"  gallery: {page}\n" in said.err
    data = (place.output / "gallery/data.js").read_text("utf-8")
    assert '"price":[0.01,"EUR"]' in data
    assert '"state":"failed"' in data


async def test_every_command_that_carries_out_can_report(place):
    prepare(place, items("an oak", "an elm [fail-once]"))
    await place.type("run", "--yes")
    page = place.output / "gallery/index.html"
    for command in (["rerun", "--yes"], ["fetch"], ["redo", "a", "--yes"]):
        page.unlink(missing_ok=True)

        said = await place.type(*command, "--report", "--json")

        assert said.code == 0, said.err
        assert said.events[-1]["gallery"] == str(page)
        assert page.is_file()


async def test_a_manifest_can_ask_for_it(place):
    played = await place.play(items("an oak") + "report: true\n")

    assert played.result.gallery == place.output / "gallery/index.html"
    assert played.result.gallery.is_file()


async def test_without_it_no_page_is_written(place):
    played = await place.play(items("an oak") + "report: false\n")

    assert played.result.gallery is None
    assert not (place.output / "gallery").exists()


async def test_a_run_is_not_spoilt_by_a_page_that_cannot_be_written(place):
    prepare(place, items("an oak") + "report: true\n")
    (place.output / "gallery").mkdir(parents=True)
    (place.output / "gallery/mine.txt").write_bytes(b"mine")

    said = await place.type("run", "--yes")

    assert said.code == 0
    assert "the gallery was not written" in said.err
    assert "  gallery: " not in said.err
    assert place.job("a").status == "saved"


@pytest.mark.parametrize("manifests", [1, 2])
async def test_a_quiet_run_says_that_the_page_cannot_be_written(place, manifests):
    for name in ("knobs", "props")[:manifests]:
        prepare(place, items("an oak"), name)
    output = place.output if manifests == 1 else place.folder / "output/knobs"
    (output / "gallery").mkdir(parents=True)
    (output / "gallery/mine.txt").write_bytes(b"mine")

    names = ["knobs.yaml", "props.yaml"][:manifests]
    where = ["-o", "out"] if manifests == 1 else []
    said = await place.command("run", *names, *where, "--yes", "--report", "--quiet")

    assert said.code == 0
    (line,) = said.err.splitlines()
    assert "the gallery was not written" in line


def test_hints_are_complete_commands_in_another_thread_too():
    command = cli.commands["run"]
    with (
        click.Context(cli, info_name="pipeline") as whole,
        command.make_context("run", ["icons.yaml", "--emulate"], parent=whole) as own,
        own.scope(cleanup=False),
        ThreadPoolExecutor(1) as pool,
    ):
        complete = page_options(None).complete_hint
        hint = pool.submit(complete, "decide with: pipeline resolve", "oak").result()

    assert hint == "decide with: pipeline resolve icons.yaml oak --emulate"


async def test_other_commands_leave_the_gallery_alone(place):
    await place.play(items("an oak", "an elm"))
    await place.type("gallery")
    await place.type("gallery", "--out", place.output / "to/send")

    verified = await place.command("verify", place.output)
    (place.folder / "knobs.yaml").write_text(items("an oak"), encoding="utf-8")
    pruned = await place.type("prune", "--yes")
    place.lose_ledger()
    planned = await place.type("plan", "--json")

    assert verified.out.endswith(": 2 ok\n")
    assert pruned.code == 0
    assert not (place.output / "b.png").exists()
    assert (place.output / "gallery/data.js").is_file()
    counts = planned.events[-1]["counts"]
    assert (counts["done"], sum(counts.values())) == (1, 1)
    assert (place.output / LEDGER_NAME).exists() is False


async def test_an_item_may_be_called_gallery(place):
    text = items("an oak").replace("id: a", "id: gallery/a")
    await place.play(text)

    refused = await place.type("gallery")
    said = await place.type("gallery", "--out", place.folder / "copy")

    assert refused.code == 2
    assert "gallery is not a gallery: it has other things in it" in refused.err
    assert said.code == 0
    assert (place.folder / "copy/files/gallery/a.png").is_file()
