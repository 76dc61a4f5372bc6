"""Builds the site of the documentation, in ``build/site``: every warning is an error.

``python .ci/docs.py`` needs the extra ``docs``. Zensical reads the pages from
``build/docs``: those of ``docs/``, in which links to files outside of it lead to the
repository. The demo is what a run of ``manifests/quickstart.yaml`` makes.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
BUILD = ROOT / "build"
STAGED = BUILD / "docs"
SITE = BUILD / "site"
DEMO = "manifests/quickstart.yaml"

_PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
REPOSITORY = str(_PROJECT["urls"]["Repository"])
_LINK = re.compile(r"(\]\()([^)\s#]+)((?:#[^)\s]*)?\))")
_CODE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
# A part of one page: there is nothing to list beside it.
_WITHOUT_NEIGHBOURS = frozenset({DOCS / "README.md", DOCS / "tutorial.md"})
_ALONE = "---\nhide: [navigation]\n---\n"
_ROW = re.compile(r"^\|.*$", re.MULTILINE)
_INLINE = re.compile(r"`[^`\n]+`")
# What a page may fetch: nothing from other hosts, whoever serves the site.
_FETCHED = re.compile(
    r"<(?:script|img|iframe|source)\b[^>]*\bsrc=[\"']?(?:https?:)?//"
    r"|<link\b[^>]*\brel=[\"']?(?:stylesheet|preload|preconnect|icon)[^>]*\bhref=[\"']?(?:https?:)?//",
    re.IGNORECASE,
)


def main() -> None:
    """Stage, build, check, add the demo."""
    shutil.rmtree(STAGED, ignore_errors=True)
    shutil.rmtree(SITE, ignore_errors=True)
    stage()
    _run(sys.executable, "-m", "zensical", "build", "--clean", "--strict")
    pages = sorted(SITE.rglob("*.html"))
    if bad := [page for page in pages if _FETCHED.search(page.read_text("utf-8"))]:
        sys.exit(f"these pages fetch from other hosts: {', '.join(map(str, bad))}")
    make_demo()
    print(f"{len(pages)} pages in {SITE.relative_to(ROOT)}")


def stage() -> None:
    """Copy ``docs/`` to where Zensical reads it, with links that work there."""
    for path in sorted(DOCS.rglob("*")):
        target = STAGED / path.relative_to(DOCS)
        if path.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        elif path.suffix == ".md":
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(staged_text(path), encoding="utf-8")
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)


def staged_text(page: Path) -> str:
    """A page whose links out of ``docs/`` lead to the repository."""

    def staged(match: re.Match[str]) -> str:
        before, target, after = match.groups()
        if re.match(r"[a-z]+:", target):
            return match[0]
        linked = (page.parent / target).resolve()
        if linked.is_relative_to(DOCS):
            return match[0]
        kind = "tree" if linked.is_dir() else "blob"
        path = linked.relative_to(ROOT).as_posix()
        return f"{before}{REPOSITORY}/{kind}/main/{path}{after}"

    parts = _CODE.split(page.read_text("utf-8"))
    parts[::2] = [_ROW.sub(_with_bars, _LINK.sub(staged, p)) for p in parts[::2]]
    return (_ALONE if page in _WITHOUT_NEIGHBOURS else "") + "".join(parts)


def _with_bars(row: re.Match[str]) -> str:
    """A row of a table: in code, GitHub wants a bar escaped, and Zensical does not."""
    return _INLINE.sub(lambda code: code[0].replace("\\|", "|"), row[0])


def make_demo() -> None:
    """Run the example against the emulator, and put its gallery into the site."""
    output = BUILD / "demo"
    shutil.rmtree(output, ignore_errors=True)
    demo = (DEMO, "--emulate", "--output", str(output))
    _pipeline("run", *demo, "--quiet")
    _pipeline("gallery", *demo, "--out", str(SITE / "gallery"))


def _pipeline(*words: str) -> None:
    _run(sys.executable, "-m", "pipeline", *words)


def _run(*words: str) -> None:
    done = subprocess.run(
        words, cwd=ROOT, check=False, env={**os.environ, "NO_COLOR": "1"}
    )
    if done.returncode:
        sys.exit(done.returncode)


if __name__ == "__main__":
    main()
