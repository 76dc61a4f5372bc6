"""A real notebook: the kernel's own loop, the progress, the table and the pictures."""

import re

import nbclient
import nbformat
import pytest
from PIL import Image

CELLS = (
    "import pipeline",
    """icons = {
    "version": 1, "name": "icons", "model": "model_wan-2-7-image",
    "params": {"size": "1K"},
    "references": {"hero": "hero.png"},
    "items": [
        {"id": "oak", "prompt": "an oak"},
        {"id": "elm", "prompt": "an elm <script>alert(1)</script> [moderate]"},
        {"id": "fox", "prompt": "a fox", "params": {"images": ["ref:hero"]}},
    ],
}""",
    "await pipeline.plan(icons, emulate=True)",
    "result = await pipeline.run(icons, emulate=True)",
    "result",
    """trees = dict(icons, name="trees", items=[{"id": "yew", "prompt": "a yew"}])
both = await pipeline.run_all([icons, trees], emulate=True)""",
)


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """The HTML that each cell shows."""
    folder = tmp_path_factory.mktemp("notebook")
    Image.new("RGB", (32, 32), "teal").save(folder / "hero.png")
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(cell) for cell in CELLS]
    client = nbclient.NotebookClient(
        notebook, timeout=60, resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    return [
        "".join(
            one["data"].get("text/html", "") for one in cell.outputs if "data" in one
        )
        for cell in notebook.cells
    ]


def test_a_plan_shows_its_items_and_their_references(outputs):
    shown = outputs[2]

    assert re.findall(r"</td><td[^>]*>(\w+)</td><td[^>]*>submit", shown) == [
        "oak",
        "elm",
        "fox",
    ]
    assert shown.count("data:image/webp;base64,") == 1
    assert "18 units to be paid" in shown


def test_the_runs_of_several_manifests_show_one_progress(outputs):
    shown = outputs[5]

    assert "<progress" in shown
    assert "3 of 4 items" in shown


def test_a_run_shows_its_progress(outputs):
    assert "<progress" in outputs[3]
    assert "2 of 3 items" in outputs[3]
    assert "1 failed" in outputs[3]


def test_a_result_shows_its_items_and_pictures_and_text_stays_text(outputs):
    shown = outputs[4]

    assert re.findall(r"</td><td[^>]*>(\w+)</td><td[^>]*>(?:saved|failed)", shown) == [
        "oak",
        "elm",
        "fox",
    ]
    assert shown.count("data:image/webp;base64,") == 2
    assert "moderat" in shown
    assert "<script" not in "".join(outputs)
