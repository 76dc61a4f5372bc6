"""The graph of a manifest: which item needs which."""

from pipeline.manifest import load_manifest
from pipeline.operations.graph import Edge, read_graph
from pipeline.storage.folder import Folder

MANIFEST = """\
version: 1
model: model_wan-2-7-image
items:
  - {id: pose, prompt: x, params: {images: ['item:hero/2']}}
  - {id: hero, prompt: x, params: {numOutputs: 2}}
  - {id: single, prompt: x}
"""


def test_parents_come_first_and_single_items_are_left_out(tmp_path):
    path = tmp_path / "m.yaml"
    path.write_text(MANIFEST)

    graph = read_graph(load_manifest(path), Folder(tmp_path / "output"), emulate=True)

    assert [planned.item.item_id for planned in graph.items] == ["hero", "pose"]
    assert graph.edges == (Edge(parent="hero", output=2, child="pose", input="images"),)
