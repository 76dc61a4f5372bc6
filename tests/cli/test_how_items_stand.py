"""How items stand: the same words and the same counts wherever they are shown."""

import json
import re

import pytest
from doubles.place import items
from junitparser import JUnitXml

from pipeline.report.gallery.page import page_files
from pipeline.report.outcomes import WORDS
from pipeline.running.items import ItemStatus

CHILD = '  - {id: z, prompt: more, params: {images: ["item:a"]}}\n'
BLOCKED = "blocked by a: generation"


def write(place, *prompts, more=""):
    (place.folder / "knobs.yaml").write_text(items(*prompts) + more, encoding="utf-8")


def gallery_of(place):
    script = (place.output / "gallery/data.js").read_text("utf-8")
    text = script.removeprefix("window.GALLERY = JSON.parse('").removesuffix("');\n")
    return json.loads(text.replace("\\\\", "\\"))


@pytest.fixture
async def blocked(place):
    """A place where ``a`` has failed, and ``z`` needs it."""
    write(place, "an oak [fail]", more=CHILD)
    await place.type("run", "--yes", "--junit", "j.xml")
    return place


async def test_an_item_that_needs_a_failed_one_is_blocked_everywhere(blocked):
    again = await blocked.type("run", "--yes", "--json")
    plan = await blocked.type("plan", "--long")
    status = await blocked.command("status", "knobs.yaml", "-o", "out")
    why = await blocked.command("why", "knobs.yaml", "z", "-o", "out")
    graph = await blocked.command("graph", "knobs.yaml", "-o", "out")
    await blocked.type("gallery")

    item = next(one for one in gallery_of(blocked)["items"] if one["id"] == "z")
    (suite,) = JUnitXml.fromfile(str(blocked.folder / "j.xml"))
    case = next(one for one in suite if one.name == "z")
    assert again.events[-1]["counts"] == {"failed": 1, "blocked": 1}
    assert f"& z: {BLOCKED}" in plan.out
    assert "2 items: 1 to submit, 1 blocked" in plan.out
    assert f"x z (knobs.yaml:7): {BLOCKED}" in status.out
    assert re.search(r"^ +1  blocked$", status.out, re.MULTILINE)
    assert f"z: {BLOCKED}; a run makes what it needs first" in " ".join(why.out.split())
    assert ":::blocked" in graph.out
    assert (item["state"], item["reason"]) == ("blocked", BLOCKED)
    assert (case.result[0].type, case.result[0].message) == ("blocked", BLOCKED)
    assert "waits for" not in plan.out + status.out + why.out


async def test_the_status_of_a_blocked_item_is_told_to_scripts_and_to_python(blocked):
    said = await blocked.type("status", "--json")

    told = next(one for one in said.events if one.get("status") == "blocked")
    assert (told["item_id"], told["reason"]) == ("z", BLOCKED)
    assert said.events[-1]["counts"]["blocked"] == 1


async def test_what_is_blocked_is_made_once_what_it_needs_is(blocked):
    write(blocked, "an oak", more=CHILD)

    before = await blocked.type("plan", "--long")
    done = await blocked.type("run", "--yes", "--json")

    assert "& z: waits for a" in before.out  # it asks for something else now
    assert done.events[-1]["counts"] == {"saved": 2}


async def test_items_and_jobs_are_counted_alike_everywhere(place):
    step = "{name: large, model: model_wan-2-7-image, prompt: larger}"
    write(
        place,
        more="  - {id: a, prompt: an oak, takes: 2}\n"
        f"  - {{id: b, prompt: an elm, steps: [{step}]}}\n",
    )

    plan = await place.type("plan")
    planned = await place.type("plan", "--json")
    done = await place.type("run", "--yes", "--json", "--report", "--junit", "j.xml")
    status = await place.type("status")
    told = await place.type("status", "--json")
    again = await place.type("run")

    gallery = gallery_of(place)
    (suite,) = JUnitXml.fromfile(str(place.folder / "j.xml"))
    launch = next(one for one in done.events if one["event"] == "launch")
    assert "2 items, 4 jobs: " in plan.out
    assert "2 items, 4 jobs → " in status.out.replace("knobs: ", "")
    assert "2 items, 4 jobs: 0 done" in done.err
    assert re.search(r"2 items, 4 jobs: 3 saved.*, 1 made for later steps", done.err)
    assert "2 items, 4 jobs: 4 done before" in again.err
    for event in (planned.events[-1], told.events[-1]):
        assert (event["items"], event["jobs"]) == (2, 4)
    assert (launch["items"], launch["total"]) == (2, 4)
    assert told.events[-1]["counts"]["saved"] == 2
    assert gallery["totals"]["states"] == {"saved": 2}
    assert suite.tests == 2


def test_the_gallery_has_the_words_of_the_reports():
    script = page_files()["format.js"].decode()
    block = re.search(r"const STATES = \{(.*?)\};", script, re.DOTALL)

    assert block is not None
    assert dict(re.findall(r'(\w+): "([^"]+)"', block[1])) == WORDS
    assert set(WORDS) == set(ItemStatus)
