"""Paths of this machine → places in the repository, and addresses of its pictures."""

import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from pipeline.cli.ci.github import GitHub
from pipeline.record import replace
from pipeline.report.markdown import raw_url
from pipeline.report.outcomes import Place
from pipeline.storage.store import Store

_SHOWN_BY_GITHUB = (".png", ".jpg", ".jpeg", ".gif", ".webp")
_MOST_BYTES = 2_000_000  # of a picture that is shown as a thumbnail
_MOST_PICTURES = 200
_GIT_LIMIT_S = 20.0


def place_in(checkout: Path | None, file: str, line: int = 0, column: int = 0) -> Place:
    """As :meth:`Places.find`, for a single place."""
    return Places(checkout).find(file, line, column)


class Places:
    """Places in files, of each of which the disk is asked once.

    Args:
        checkout: The folder of the repository, or None if it is not known.
    """

    def __init__(self, checkout: Path | None) -> None:
        self._checkout = checkout
        self._files: dict[str, Place] = {}

    def find(self, file: str, line: int = 0, column: int = 0) -> Place:
        """A place in a file, relative to the checkout if it is inside.

        Args:
            file: The path as the user gave it.
            line: The line from 1, or 0. A row of an Excel file is no line.
            column: The column from 1, or 0.
        """
        if file not in self._files:
            self._files[file] = self._find_file(file)
        if file.lower().endswith(".xlsx"):
            line = 0
        column = column if line else 0
        return replace(self._files[file], line=line, column=column)

    def _find_file(self, file: str) -> Place:
        if self._checkout is None:
            return Place(file=file)
        inside = _inside(self._checkout, Path(file))
        return Place(file=inside or file, is_inside=inside is not None)


def find_picture_urls(github: GitHub, paths: Iterable[str]) -> Mapping[str, str]:
    """The addresses of those pictures that are committed and small, by their paths.

    Others cannot be shown on GitHub: it removes pictures that are part of the text.
    """
    workspace = github.workspace
    if workspace is None or not github.repository_url or not github.commit:
        return {}
    names: dict[str, str] = {}
    for path in dict.fromkeys(paths):
        name = _inside(workspace, Path(path))
        if name is not None and _is_small_picture(Path(path)):
            names[path] = name
            if len(names) == _MOST_PICTURES:
                break
    committed = _committed(workspace, names.values()) if names else set()
    return {
        path: raw_url(github.repository_url, github.commit, name)
        for path, name in names.items()
        if name in committed
    }


def find_pictures(store: Store, stem: str) -> tuple[str, ...]:
    """The pictures of an item on this machine: the first, if there are several.

    Args:
        store: Where its files are; those in a bucket have no path.
        stem: The name of the item's files without number and extension, or "".
    """
    names = (
        f"{stem}{number}{end}" for number in ("", "-1") for end in _SHOWN_BY_GITHUB
    )
    there = (name for name in names if stem and store.is_present(name))
    paths = (store.path_of(name) for name in there)
    return tuple(str(path) for path in paths if path is not None)[:1]


def _inside(folder: Path, path: Path) -> str | None:
    try:
        return path.resolve().relative_to(folder.resolve()).as_posix()
    except (OSError, ValueError):
        return None


def _is_small_picture(path: Path) -> bool:
    if path.suffix.lower() not in _SHOWN_BY_GITHUB:
        return False
    try:
        return path.stat().st_size <= _MOST_BYTES
    except OSError:
        return False


def _committed(workspace: Path, names: Iterable[str]) -> set[str]:
    """Those of the files that git tracks; none if it cannot say."""
    git = shutil.which("git")
    if git is None:
        return set()
    command = [git, "--literal-pathspecs", "ls-files", "-z", "--", *names]
    try:
        done = subprocess.run(  # noqa: S603 - git, with paths after --
            command,
            cwd=workspace,
            capture_output=True,
            timeout=_GIT_LIMIT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return set()
    return set(done.stdout.decode("utf-8", "replace").split("\0"))
