"""The site of the documentation: its pages, its links, and the page made from code."""

import inspect
import re
import runpy
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pipeline

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
SITE = tomllib.loads((ROOT / "zensical.toml").read_text("utf-8"))["project"]
STAGING = runpy.run_path(str(ROOT / ".ci" / "docs.py"))
REFERENCE = runpy.run_path(str(ROOT / ".ci" / "python_reference.py"))


def pages_of(nav: list[dict[str, Any]]) -> Iterator[str]:
    for entry in nav:
        for target in entry.values():
            if not isinstance(target, str):
                yield from pages_of(target)
            elif "://" not in target:
                yield target


def test_every_page_is_in_the_navigation_once():
    pages = [path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")]

    assert sorted(pages_of(SITE["nav"])) == sorted(pages)


def test_the_navigation_has_the_four_parts():
    names = [name for entry in SITE["nav"] for name in entry]

    assert names[:5] == ["Home", "Tutorial", "How-to", "Reference", "Explanation"]


def test_nothing_is_fetched_from_elsewhere():
    theme = SITE["theme"]

    assert theme["font"] is False
    assert "repo_url" not in SITE  # the theme asks its host for numbers
    for wanted in (
        '<script src="https://x/y.js">',
        "<link rel=stylesheet href=//x/y.css>",
    ):
        assert STAGING["_FETCHED"].search(wanted)
    assert not STAGING["_FETCHED"].search('<a href="https://x/"><img src="y.png">')


def test_a_link_out_of_the_documentation_leads_to_the_repository():
    url = f"{STAGING['REPOSITORY']}/blob/main"

    tutorial = STAGING["staged_text"](DOCS / "tutorial.md")
    output = STAGING["staged_text"](DOCS / "reference" / "output-folder.md")

    assert f"]({url}/README.md#real-pictures)" in tutorial
    assert "](reference/manifest.md)" in tutorial
    assert f"]({url.replace('blob', 'tree')}/pipeline/ledger)" in output


def test_a_bar_in_code_of_a_table_is_not_escaped_and_examples_stay_as_they_are():
    cli = (DOCS / "reference" / "cli.md").read_text("utf-8")

    staged = STAGING["staged_text"](DOCS / "reference" / "cli.md")

    assert "`--only rejected\\|approved`" in cli
    assert "| `--only rejected|approved` |" in staged
    assert re.findall(r"^```.*?^```", staged, re.MULTILINE | re.DOTALL) == (
        re.findall(r"^```.*?^```", cli, re.MULTILINE | re.DOTALL)
    )


def test_the_page_about_python_is_what_the_code_says():
    page = (DOCS / "reference" / "python-details.md").read_text("utf-8")

    assert page == REFERENCE["render"](), "run: python .ci/python_reference.py"


def test_every_public_name_is_on_the_page_with_all_its_arguments():
    page = (DOCS / "reference" / "python-details.md").read_text("utf-8")
    sections = dict(
        re.findall(r"^### `(\w+)`\n(.*?)(?=^##|\Z)", page, re.MULTILINE | re.DOTALL)
    )

    assert set(sections) == set(pipeline.__all__) - {"__version__"}
    for name, text in sections.items():
        public = getattr(pipeline, name)
        rows = re.findall(r"^\| `(\w+)` \|.*\| (.*) \|$", text, re.MULTILINE)
        assert all(about for _, about in rows), name
        if inspect.isfunction(public):
            assert [row for row, _ in rows] == [*inspect.signature(public).parameters]
