"""``plan`` of many items: grouped by entry, or one by one on demand."""

import pytest
from doubles.place import items
from knobs.world import HEAD

from pipeline.cli import plan_view

ENTRIES, EACH = 25, 5


@pytest.fixture
async def many(place):
    """More items than are listed one by one, beside one that is gone."""
    await place.play(items("an oak"))
    entry = (
        "  - {{id: '{0}-${{n}}', prompt: 'tree {0}.${{n}}', matrix: {{n: [{1}]}}}}\n"
    )
    values = ", ".join(map(str, range(1, EACH + 1)))
    text = "".join(entry.format(f"t{number}", values) for number in range(ENTRIES))
    (place.folder / "knobs.yaml").write_text(f"{HEAD}items:\n{text}")
    return place


async def test_many_items_are_grouped_by_entry(many):
    said = await many.type("plan")

    lines = said.out.splitlines()
    assert lines[0] == "+ t0-${n}: 5 items"
    assert len([line for line in lines if line.endswith(": 5 items")]) == ENTRIES
    assert "- a: no longer in the manifest (a.png)" in lines
    table = lines.index(
        "by entry of the manifest".ljust(50) + "items".rjust(12) + "units".rjust(17)
    )
    assert lines[table + 21].split() == ["…", "and", "5", "more", "25", "150"]
    assert lines[-1].startswith("125 items: 125 to submit; 1 orphan")


async def test_every_item_is_listed_on_demand(many):
    long = await many.type("plan", "--long")
    prompts = await many.type("plan", "--prompts")

    for said in (long, prompts):
        listed = [line for line in said.out.splitlines() if line.startswith("+ ")]
        assert len(listed) == ENTRIES * EACH
    assert "    tree 24.5" not in long.out.splitlines()
    shown = prompts.out.splitlines()
    assert shown[shown.index(next(one for one in shown if "t24-5:" in one)) + 1] == (
        "    tree t24.5"
    )


async def test_the_text_of_speech_is_shown_as_its_prompt(place):
    (place.folder / "knobs.yaml").write_text(
        "version: 1\nmodel: model_any-speech\nitems:\n"
        "  - {id: hello, params: {text: Hello there}}\n"
        "  - {id: hum, params: {pitch: 3}}\n"
    )

    said = await place.command("plan", "knobs.yaml", "--offline", "--prompts")

    lines = said.out.splitlines()
    assert lines[lines.index("+ hello: new") + 1] == "    Hello there"
    assert lines[lines.index("+ hum: new") + 1] == "    (no prompt)"


async def test_every_item_is_an_event_on_demand(many):
    said = await many.type("plan", "--json")

    assert len(said.of("item")) == ENTRIES * EACH
    assert [one["item_id"] for one in said.of("orphan")] == ["a"]


async def test_entries_beyond_those_that_are_listed_are_counted(many, monkeypatch):
    monkeypatch.setattr(plan_view, "LISTED_ITEMS", 20)

    said = await many.type("plan")

    lines = said.out.splitlines()
    assert len([line for line in lines if line.endswith(": 5 items")]) == 20
    assert lines[20] == "… and 5 more entries (--long for every item)"


async def test_items_beyond_those_that_are_priced_are_listed_too(many, monkeypatch):
    monkeypatch.setattr(plan_view, "_PRICED_ITEMS", 10)

    said = await many.type("plan", "--long")

    listed = [line for line in said.out.splitlines() if line.startswith("+ ")]
    assert len(listed) == len(set(listed)) == ENTRIES * EACH


async def test_orphans_beyond_those_that_are_listed_are_counted(place, monkeypatch):
    monkeypatch.setattr(plan_view, "_SHOWN", 1)
    await place.play(items("an oak", "an elm", "an ash"))
    (place.folder / "knobs.yaml").write_text(
        f"{HEAD}items: [{{id: fir, prompt: a fir}}]\n"
    )

    said = await place.type("plan")

    orphans = [line for line in said.out.splitlines() if line.startswith("- ")]
    assert orphans == ["- a: no longer in the manifest (a.png)", "- … and 2 more"]


async def test_a_take_that_is_not_wanted_any_more_says_so(place):
    await place.play("takes: 2\n" + items("an oak"))
    (place.folder / "knobs.yaml").write_text(items("an oak"))

    said = await place.type("plan")

    assert "take 2 is not wanted any more (a@2.png)" in said.out
