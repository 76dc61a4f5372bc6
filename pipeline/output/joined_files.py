"""The files of several stores of one manifest → what has to be copied where.

Which file belongs at a path is what the joined ledger says. Another file there may be
left behind only if the folder that has the right one knows its job too: then it is an
earlier attempt. Everything else that differs is a conflict, and nothing is copied.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pipeline.assets.originals import ORIGINALS_FOLDER
from pipeline.assets.sidecar import NoSidecar, load_sidecar
from pipeline.errors import UsageError
from pipeline.job import SIDECAR_SUFFIX, Job, RemoteId
from pipeline.ledger.ledger import Ledger
from pipeline.manifest.review_file import EMULATED_NAME
from pipeline.output.gallery_folder import find_gallery_files
from pipeline.output.joined_ledger import Part
from pipeline.output.names import is_own
from pipeline.output.stores import list_own
from pipeline.record import Struct, replace
from pipeline.storage.files import SHARED_NAME
from pipeline.storage.folder import Folder
from pipeline.storage.store import Store

_NAMED = 5  # of the conflicts
_REMOTE_THREADS = 16  # which mostly wait
_KEPT_OWN = (EMULATED_NAME, SHARED_NAME)  # of our own files, what is copied too


class Copy(Struct, frozen=True, kw_only=True):
    """A file to copy.

    Attributes:
        source: The store that has it.
        target: The store that gets it.
        name: Its name in both, parts separated by ``/``.
        is_sidecar: Whether it is the sidecar of a file.
    """

    source: Store
    target: Store
    name: str
    is_sidecar: bool = False


class JoinedFiles(Struct, frozen=True, kw_only=True):
    """What has to be done with files.

    Attributes:
        copies: The files to copy.
        moved: Files of the target that are there under another name too: the name to
            remove, to the name to keep.
    """

    copies: tuple[Copy, ...]
    moved: Mapping[str, str]


def plan_files(target: Part, parts: Sequence[Part], joined: Ledger) -> JoinedFiles:
    """Work out which files the target gets; reads files, and changes none.

    Args:
        target: The part that gets them.
        parts: The others.
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
            for name in _files_in(part):
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
        if not _are_same(name, right, jobs):
            named = " and ".join(part.named for part in right[:2])
            self._conflicts.append(f"{name} in {named}")
            return
        if self._target not in right:
            yield self._copy(right[0], name)
        have = [part for part in right if part in with_sidecar]
        if have and self._target not in have:
            yield replace(self._copy(have[0], sidecar), is_sidecar=True)

    def _copy(self, part: Part, name: str) -> Copy:
        return Copy(
            source=_store_of(part, name),
            target=_store_of(self._target, name),
            name=name,
        )

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
            if older is None and _are_same(name, [right[0], part], jobs):
                right.append(part)  # a merge was interrupted before its sidecar
            elif older is None or not any(
                one.ledger.find_owned([older]) for one in right
            ):
                named = f"{name} in {right[0].named} and {part.named}"
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


def carry_out(files: JoinedFiles) -> None:
    """Copy the files, each completely or not at all; blocking.

    Every asset is there before the first sidecar: one with a sidecar is complete.

    Raises:
        NameTaken: Another run is writing into the target.
        OutputError: The target cannot be written.
        OSError: A file cannot be read.
    """
    for is_sidecar in (False, True):
        copies = [one for one in files.copies if one.is_sidecar is is_sidecar]
        is_remote = any(one.source.is_remote or one.target.is_remote for one in copies)
        with ThreadPoolExecutor(_REMOTE_THREADS if is_remote else 1) as pool:
            for _ in pool.map(_carry_out, copies):
                pass
        for target in {id(one.target): one.target for one in copies}.values():
            target.sync(one.name for one in copies if one.target is target)


def _carry_out(copy: Copy) -> None:
    if not copy.is_sidecar:
        copy.target.receive(copy.source, copy.name)
        return
    with copy.source.open(copy.name) as file:
        content = file.read()
    copy.target.write(content, copy.name)


def _store_of(part: Part, name: str) -> Store:
    """Where a part has a file of this name."""
    return Folder(part.folder) if name in _KEPT_OWN else part.store


def _files_in(part: Part) -> Iterator[str]:
    """The names of the files to join: assets, sidecars, and the user's.

    Galleries are left out: each shows one folder, and is made again at any time.
    """
    home = Folder(part.folder)
    yield from (name for name in _KEPT_OWN if home.exists(name))
    names = [file.name for file in list_own(part.store)]
    galleries = find_gallery_files(names, part.folder)
    for name in names:
        is_original = name.startswith(f"{ORIGINALS_FOLDER}/")
        if (is_original or not is_own(name)) and name not in galleries:
            yield name


def _job_in(part: Part, name: str) -> Job | None:
    """The job of a sidecar; None if it is another JSON file, or unreadable."""
    try:
        return load_sidecar(part.folder, name)
    except (NoSidecar, OSError):
        return None


def _remote_id(job: Job | None) -> RemoteId | None:
    return None if job is None else job.remote_id


def _are_same(name: str, parts: Sequence[Part], jobs: Mapping[Path, Job]) -> bool:
    """Whether a file is the same in all of these parts.

    Args:
        name: The file.
        parts: At least one.
        jobs: Folder → the job of the sidecar of the file there.
    """
    stores = [_store_of(part, name) for part in parts]
    if len({store.url_of(name) for store in stores}) == 1:
        return True  # one file, as in a store that they share
    if len({store.size_of(name) for store in stores}) > 1:
        return False
    digests = {_digest_of(name, part, jobs.get(part.folder)) for part in parts}
    return len(digests) == 1 and "" not in digests


def _digest_of(name: str, part: Part, job: Job | None) -> str:
    """The SHA-256 of a file.

    One in a bucket is what its sidecar says if it has the size: to read all files again
    could take hours.
    """
    store = _store_of(part, name)
    if store.is_remote and job is not None:
        (asset,) = job.assets
        if store.size_of(name) == asset.size_bytes:
            return asset.sha256
    return store.digest_of(name)
