"""``pipeline graph``: the chart and the events."""

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
