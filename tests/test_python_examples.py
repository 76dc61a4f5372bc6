"""The Python examples of the documents run as they are printed."""

import ast
import asyncio
import inspect
import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXAMPLES = {
    page.relative_to(ROOT).as_posix(): blocks
    for page in PAGES
    if (
        blocks := re.findall(
            r"^```python\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL
        )
    )
}


@pytest.mark.parametrize("page", EXAMPLES)
def test_the_examples_of_a_page_run_in_their_order(page, tmp_path, monkeypatch):
    shutil.copytree(ROOT / "manifests", tmp_path / "manifests")
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "example"}

    for block in EXAMPLES[page]:
        code = compile(block, page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        waits = eval(code, names)  # our own text
        if code.co_flags & inspect.CO_COROUTINE:
            asyncio.run(waits)


def test_there_are_examples():
    assert "docs/how-to/python.md" in EXAMPLES
