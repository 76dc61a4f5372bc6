"""A command without its manifest → the one that was meant, or how to get one."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click

INIT = "write a first manifest: pipeline init"
_PLACES = (".", "manifests")
_MOST_LOOKED_AT = 200  # files; a folder may hold any number
_HEAD_BYTES = 65536
# What every manifest has at its top level.
_KEYS = (re.compile(rb"^version:", re.MULTILINE), re.compile(rb"^items:", re.MULTILINE))


def next_for(error: click.ClickException) -> str:
    """What to type next if the error is that no manifest was named, else ""."""
    if not isinstance(error, click.MissingParameter) or error.ctx is None:
        return ""
    if error.param is None or error.param.name not in {"manifest", "manifests"}:
        return ""
    found = next(_find_manifests(), None)
    if found is None:
        return INIT
    return shlex.join(["pipeline", error.ctx.info_name or "plan", found.as_posix()])


def _find_manifests() -> Iterator[Path]:
    """The manifests near the current folder, by name."""
    for place in map(Path, _PLACES):
        names = sorted(path for ext in ("*.yaml", "*.yml") for path in place.glob(ext))
        yield from filter(_is_manifest, names[:_MOST_LOOKED_AT])


def _is_manifest(path: Path) -> bool:
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return False
    return all(key.search(head) for key in _KEYS)
