"""The files of a page: no text of a manifest becomes HTML or script."""

import hashlib
import json
import re
import subprocess
from pathlib import Path
from shutil import which

import pytest

import pipeline
from pipeline.report.gallery.data import Gallery, GalleryItem
from pipeline.report.gallery.page import (
    page_files,
    render_data,
    render_model,
    render_page,
    viewer_files,
)

VENDOR = Path(pipeline.__file__).parent / "report/gallery/vendor"
HOSTILE = [
    "</script><script>alert(1)</script>",
    "<!-- <script>",
    "]]>",
    "'; alert(1); '",
    '"; alert(1); "',
    "\\'; alert(1); //",
    "\u2028\u2029\n\r\0",
    "${alert(1)} {{ 7 * 7 }} {% raw %}",
    "<img src=x onerror=alert(1)>",
    "\U0001f98a ﷽ a\u0301 \u202egnp",
]


def gallery_of(text):
    item = GalleryItem(id="oak", state="saved", prompt=text, params={"__proto__": text})
    return Gallery(name=text, manifest=text, items=(item,))


def literal_in(script):
    """The text between the single quotes, by the rules of JavaScript."""
    found = re.fullmatch(
        r"window\.GALLERY = JSON\.parse\('((?:[^'\\]|\\.)*)'\);\n", script
    )
    assert found is not None
    return re.sub(
        r"\\(u[0-9a-f]{4}|.)",
        lambda one: chr(int(one[1][1:], 16)) if len(one[1]) == 5 else one[1],
        found[1],
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_in_the_data_ends_neither_script_nor_line(text):
    script = render_data(gallery_of(text)).decode()

    assert "<" not in script
    assert not {"\u2028", "\u2029", "\r", "\0"} & {*script}
    assert script.count("\n") == 1
    read = json.loads(literal_in(script))
    assert (read["name"], read["items"][0]["prompt"]) == (text, text)


@pytest.mark.skipif(which("node") is None, reason="needs node")
def test_a_browser_reads_the_data_as_it_was_written(tmp_path):
    text = "".join(HOSTILE)
    script = tmp_path / "data.js"
    shown = "console.log(JSON.stringify([window.GALLERY.name,"
    shown += " Object.keys(window.GALLERY.items[0].params)]))"
    data = render_data(gallery_of(text))
    script.write_bytes(b"globalThis.window = {};\n" + data + shown.encode())

    done = subprocess.run(["node", script], capture_output=True, check=True)

    assert json.loads(done.stdout) == [text, ["__proto__"]]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_in_the_page_is_escaped(text):
    plain = render_page(gallery_of("plain")).decode()

    page = render_page(gallery_of(text)).decode()

    for sign in "<>":
        assert page.count(sign) == plain.count(sign)
    assert "49" not in page


def test_a_model_is_a_script_that_names_its_digest():
    script = render_model("ab12", b"glTF\0").decode()

    assert script == (
        '(window.GALLERY_MODELS = window.GALLERY_MODELS || {})["ab12"] = "Z2xURgA=";\n'
    )


def test_the_page_has_its_scripts_and_no_template():
    page = render_page(gallery_of("plain")).decode()

    named = set(re.findall(r'(?:src|href)="([^":]+)"', page)) - {"#grid"}

    assert named - {"data.js"} <= page_files().keys()
    assert not [name for name in page_files() if name.endswith((".j2", ".py"))]


def test_the_viewer_is_the_one_that_its_readme_names():
    viewer = viewer_files()["vendor/model-viewer-umd.min.js"]
    readme = (VENDOR / "README.md").read_text("utf-8")

    assert hashlib.sha256(viewer).hexdigest() in readme
    assert b"Apache License" in viewer_files()["vendor/LICENSE"]
