"""The files of several output folders of one manifest → what has to be copied where.

Which file belongs at a path is what the joined ledger says. Another file there may be
left behind only if the folder that has the right one knows its job too: then it is an
earlier attempt. Everything else that differs is a conflict, and nothing is copied.
"""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pipeline.assets.originals import ORIGINALS_FOLDER
from pipeline.assets.sidecar import NoSidecar, load_sidecar
from pipeline.errors import UsageError
from pipeline.job import SIDECAR_SUFFIX, Job, RemoteId
from pipeline.ledger.ledger import Ledger
from pipeline.manifest.review_file import EMULATED_NAME
from pipeline.output.gallery_folder import find_gallery_files
from pipeline.output.joined_ledger import Part
from pipeline.output.names import MARKS_OF_OUTPUT, is_own
from pipeline.record import Struct
from pipeline.storage.atomic_file import (
    create_partial,
    put_in_place,
    storage_errors,
    sync_folders,
)
from pipeline.storage.files import SHARED_NAME, digest_of
from pipeline.storage.regular_file import open_regular
from pipeline.storage.syncing import sync_file

_NAMED = 5  # of the conflicts
_KEPT_OWN = (EMULATED_NAME, SHARED_NAME)  # of our own files, what is copied too


class Copy(Struct, frozen=True, kw_only=True):
    """A file to copy.

    Attributes:
        source: The folder that has it.
        name: Relative to both folders, parts separated by ``/``.
    """

    source: Path
    name: str


class JoinedFiles(Struct, frozen=True, kw_only=True):
    """What has to be done with files.

    Attributes:
        copies: The files to copy, each asset before its sidecar.
        moved: Files of the target that are there under another name too: the name to
            remove, to the name to keep.
    """

    copies: tuple[Copy, ...]
    moved: Mapping[str, str]


def plan_files(target: Part, parts: Sequence[Part], joined: Ledger) -> JoinedFiles:
    """Work out which files the target gets; reads files, and changes none.

    Args:
        target: The folder that gets them.
        parts: The other folders.
        joined: What all of them know.

    Raises:
        UsageError: Files differ, and it is not known which one is right.
    """
    return _Plan(target, parts, joined).make()


class _Plan:
    def __init__(self, target: Part, parts: Sequence[Part], joined: Ledger) -> None:
        self._target = target
        self._every = [*parts, target]
        self._joined = joined
        self._conflicts: list[str] = []
        self._moved: dict[str, str] = {}

    def make(self) -> JoinedFiles:
        places: dict[str, list[Part]] = {}
        for part in self._every:
            for name in _files_in(part.folder):
                places.setdefault(name, []).append(part)
        copies: list[Copy] = []
        for name in sorted(places):
            if not name.endswith(SIDECAR_SUFFIX) or (
                name.removesuffix(SIDECAR_SUFFIX) not in places
            ):
                copies += self._choose(name, places[name], places)
        if self._conflicts:
            shown = "; ".join(self._conflicts[:_NAMED])
            more = len(self._conflicts) - _NAMED
            shown += f"; and {more:,} more" * (more > 0)
            raise UsageError(
                f"these files differ, so nothing is merged: {shown}",
                hint="keep the right one in each of the folders, or remove the others"
                " with their sidecars; then merge again",
            )
        return JoinedFiles(copies=tuple(copies), moved=self._moved)

    def _choose(
        self, name: str, there: Sequence[Part], places: Mapping[str, Sequence[Part]]
    ) -> Iterator[Copy]:
        """The copies of one file, and of its sidecar, that the target needs."""
        sidecar = name + SIDECAR_SUFFIX
        with_sidecar = [part for part in there if part in places.get(sidecar, ())]
        jobs = {
            part.folder: job
            for part in with_sidecar
            if (job := _job_in(part, name)) is not None
        }
        right = list(there)
        if jobs:
            right = self._find_right(name, there, jobs)
            if not right:
                return
        if not _are_same(name, right):
            named = " and ".join(str(part.folder) for part in right[:2])
            self._conflicts.append(f"{name} in {named}")
            return
        if self._target not in right:
            yield Copy(source=right[0].folder, name=name)
        have = [part for part in right if part in with_sidecar]
        if have and self._target not in have:
            yield Copy(source=have[0].folder, name=sidecar)

    def _find_right(
        self, name: str, there: Sequence[Part], jobs: Mapping[Path, Job]
    ) -> list[Part]:
        """The folders whose file belongs at this path; none if it has moved away."""
        owner_id = self._joined.find_path_owner(name)
        owner = self._owner_of(name, owner_id)
        if owner is None:
            return self._find_stray(name, there, jobs)
        right = [p for p in there if _remote_id(jobs.get(p.folder)) == owner]
        if not right:
            return list(there)
        for part in [one for one in there if one not in right]:
            older = _remote_id(jobs.get(part.folder))
            if older is None and _are_same(name, [right[0], part]):
                right.append(part)  # a merge was interrupted before its sidecar
            elif older is None or not any(
                one.ledger.find_owned([older]) for one in right
            ):
                named = f"{name} in {right[0].folder} and {part.folder}"
                self._conflicts.append(named)
        return right

    def _owner_of(self, name: str, item_id: str | None) -> RemoteId | None:
        """The job of the newest record of a path, or None."""
        if item_id is None:
            return None
        for job in self._joined.find_jobs_of(item_id):
            if any(asset.path == name for asset in job.assets):
                return job.remote_id
        return None

    def _find_stray(
        self, name: str, there: Sequence[Part], jobs: Mapping[Path, Job]
    ) -> list[Part]:
        """As :meth:`_find_right`, for a path that no record of an asset has."""
        left: list[Part] = []
        for part in there:
            remote_id = _remote_id(jobs.get(part.folder))
            known = None if remote_id is None else self._joined.find_job(remote_id)
            if known is None or not known.assets:
                left.append(part)
            elif part is self._target:
                # Renamed meanwhile: its file is, or will be, there under its new name.
                index = jobs[part.folder].assets[0].output_index
                for asset in known.assets:
                    if asset.output_index == index:
                        self._moved[name] = asset.path
        return left


def carry_out(files: JoinedFiles, target: Path) -> None:
    """Copy the files, each completely or not at all; blocking.

    Raises:
        OutputError: The target cannot be written.
    """
    placed = [_copy(copy, target) for copy in files.copies]
    sync_folders(placed)


def _copy(copy: Copy, target: Path) -> Path:
    partial, file = create_partial(target)
    try:
        with storage_errors(partial), file:
            with open_regular(copy.source / copy.name, inside=copy.source) as source:
                shutil.copyfileobj(source, file)
            file.flush()
            sync_file(file.fileno(), partial)
        return put_in_place(partial, target, copy.name)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _files_in(folder: Path) -> list[str]:
    """The files to join, relative to the folder: assets, sidecars, and the user's.

    Galleries are left out: each shows one folder, and is made again at any time.
    """
    names = list(_walk(folder))
    galleries = find_gallery_files(names, folder)
    return [name for name in names if name not in galleries]


def _walk(folder: Path) -> Iterator[str]:
    for here, below, files in os.walk(folder):
        if here != os.fspath(folder) and not MARKS_OF_OUTPUT.isdisjoint(files):
            below.clear()  # an output folder of its own
            continue
        below.sort()
        prefix = Path(here).relative_to(folder).as_posix()
        prefix = "" if prefix == "." else f"{prefix}/"
        for name in sorted(files):
            path = prefix + name
            is_original = path.startswith(f"{ORIGINALS_FOLDER}/")
            if is_original or path in _KEPT_OWN or not is_own(path):
                yield path


def _job_in(part: Part, name: str) -> Job | None:
    """The job of a sidecar; None if it is another JSON file, or unreadable."""
    try:
        return load_sidecar(part.folder, name)
    except (NoSidecar, OSError):
        return None


def _remote_id(job: Job | None) -> RemoteId | None:
    return None if job is None else job.remote_id


def _are_same(name: str, parts: Sequence[Part]) -> bool:
    if len(parts) == 1:
        return True
    if len({(part.folder / name).lstat().st_size for part in parts}) > 1:
        return False
    digests = {digest_of(part.folder, name) for part in parts}
    return len(digests) == 1 and "" not in digests
