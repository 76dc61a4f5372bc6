"""``pipeline graph``: the chart and the events."""

from doubles.place import items

MANIFEST = """\
version: 1
model: model_wan-2-7-image
items:
  - {id: pose, prompt: x, params: {images: ['item:hero/2']}}
  - {id: hero, prompt: x, params: {numOutputs: 2}}
"""


async def test_the_chart_names_every_item_and_arrow(shell):
    shell.write(MANIFEST)

    shown = await shell.run("graph", "trees.yaml")

    assert '  n0["hero"]:::todo\n  n1["pose"]:::waiting\n' in shown.out
    assert "  n0 -->|2| n1\n" in shown.out


async def test_json_has_a_line_for_each_item_and_arrow(shell):
    shell.write(MANIFEST)

    shown = await shell.run("graph", "trees.yaml", "--json")

    assert [event["item_id"] for event in shown.of("node")] == ["hero", "pose"]
    assert shown.of("edge") == [
        {
            "event": "edge",
            "parent": "hero",
            "output": 2,
            "child": "pose",
            "input": "images",
        }
    ]
    assert shown.of("graph") == [{"event": "graph", "nodes": 2, "edges": 1}]


async def test_a_manifest_without_links_says_that_its_chart_is_empty(place):
    (place.folder / "knobs.yaml").write_text(items("an oak", "an elm"))

    said = await place.command("graph", "knobs.yaml", "-o", "out")

    assert said.code == 0
    assert "note: no item of knobs.yaml needs another one" in said.err
