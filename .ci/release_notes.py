"""Prints the changelog's section of a release, for ``release.yml``.

``python .ci/release_notes.py v1.2.3`` fails unless 1.2.3 is the version of the package
and has a section with a date and a text in CHANGELOG.md.
"""

import re
import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def release_notes(tag: str, version: str, changelog: str) -> str:
    """The text under the version's heading.

    Raises:
        SystemExit: The tag is another version's, or there is no such text.
    """
    if tag != f"v{version}":
        sys.exit(f"the tag is {tag}, but pipeline/version.py says {version}")
    heading = rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d\n"
    found = re.search(
        rf"{heading}(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL
    )
    if found is None or not found[1].strip():
        sys.exit(f"CHANGELOG.md has no section '## [{version}] - <date>' with a text")
    return found[1].strip() + "\n"


def main() -> None:
    """One argument: the tag."""
    (tag,) = sys.argv[1:]
    version = runpy.run_path(str(ROOT / "pipeline" / "version.py"))["__version__"]
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    notes = release_notes(tag, version, changelog)
    sys.stdout.buffer.write(notes.encode())  # in UTF-8 wherever it runs


if __name__ == "__main__":
    main()
