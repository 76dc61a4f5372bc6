"""Several ledgers of one manifest → one, in memory. Changes none of them.

Of a job that several ledgers know, the one that knows most about it counts. So does the
ledger with the newest attempt of an item, for all of its attempts.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.job import Job, JobStatus, Mark
from pipeline.ledger.facts import Facts
from pipeline.ledger.ledger import IN_MEMORY, Ledger
from pipeline.record import Struct, asdict, replace
from pipeline.storage.store import Store

# How much a ledger knows about a job; a status that follows another knows more.
_KNOWS = {
    status: number
    for number, status in enumerate(
        (
            JobStatus.PLANNED,
            JobStatus.SUBMITTING,
            JobStatus.UNKNOWN,
            JobStatus.SUBMITTED,
            JobStatus.FAILED,
            JobStatus.SUCCEEDED,
            JobStatus.SAVED,
        )
    )
}
# Known only from a lock file or from the sidecar of another: anything else knows more.
_HEARSAY = -1
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_Marks = dict[tuple[Path, int], int]


class Part(Struct, frozen=True, kw_only=True):
    """One of the folders to join.

    Attributes:
        store: Where its files are.
        ledger: Its ledger, open for reading.
        named: As the user named it: a folder, or the URL of a store.
        is_target: Whether it is the folder that the others are joined into.
    """

    store: Store
    ledger: Ledger
    named: str
    is_target: bool = False

    @property
    def folder(self) -> Path:
        """The output folder; of a part that is named by a URL, a temporary one."""
        return self.store.home


class _Version(Struct, frozen=True, kw_only=True):
    """An attempt as one ledger knows it.

    Attributes:
        job: The attempt.
        part: Whose ledger it is.
        rank: Of several versions, the one with the highest rank counts.
    """

    job: Job
    part: Part
    rank: tuple[int, int, bool]

    @property
    def at(self) -> datetime:
        """When it was submitted, as far as known."""
        return self.job.submitted_at or self.job.sent_at or _LONG_AGO


def join_ledgers(parts: Sequence[Part]) -> Ledger:
    """A ledger in memory with what all of these know.

    Args:
        parts: At least one. What is equal in two of them counts once.

    Raises:
        UsageError: They are of different services, projects, manifests or profiles.
    """
    facts = _join_facts(parts)
    joined = Ledger(IN_MEMORY)
    joined.begin()
    marks = _record_marks(joined, parts)
    ids = heapq.merge(*(part.ledger.find_item_ids() for part in parts))
    last = ""
    for item_id in ids:
        if item_id != last:
            last = item_id
            for version in _join_item(item_id, parts):
                joined.record_salvaged(_with_mark(version, marks))
    for part in parts:
        joined.copy_history_of(part.ledger)
    joined.record_facts(**asdict(facts))
    joined.commit()
    return joined


def _join_item(item_id: str, parts: Sequence[Part]) -> list[_Version]:
    """Each attempt of an item once, oldest first, numbered as if one ledger had it."""
    versions = [one for part in parts for one in _versions_of(item_id, part)]
    versions.sort(key=lambda version: version.rank, reverse=True)
    chosen: list[_Version] = []
    for version in versions:
        if not any(_is_same(version.job, one.job) for one in chosen):
            chosen.append(version)
    chosen = [one for one in chosen if not _belongs_elsewhere(one, parts)]
    chosen.sort(key=lambda version: (version.job.attempt, version.at))
    last = 0
    for number, version in enumerate(chosen):
        last = max(last + 1, version.job.attempt)
        chosen[number] = replace(version, job=replace(version.job, attempt=last))
    return chosen


def _versions_of(item_id: str, part: Part) -> Iterator[_Version]:
    jobs = part.ledger.find_jobs_of(item_id)
    last = max((job.attempt for job in jobs if not _is_hearsay(job)), default=0)
    for job in jobs:
        yield _Version(job=job, part=part, rank=_rank(job, last, part))


def _rank(job: Job, last: int, part: Part) -> tuple[int, int, bool]:
    knows = _HEARSAY if _is_hearsay(job) else _KNOWS[job.status]
    return knows, last, not part.is_target


def _is_hearsay(job: Job) -> bool:
    unsaved = {JobStatus.SUCCEEDED, JobStatus.SUBMITTED}
    return job.status in unsaved and job.sent_at is None and not job.made_with


def _is_same(one: Job, other: Job) -> bool:
    """Whether two rows of an item are about the same attempt."""
    if one.remote_id and other.remote_id:
        return one.remote_id == other.remote_id
    if one.request_key != other.request_key or one.sent_at != other.sent_at:
        return False
    # One ledger may have found the job of a submit that another is unsure about.
    if one.sent_at is not None:
        return True
    return one.attempt == other.attempt and one.remote_id == other.remote_id


def _belongs_elsewhere(version: _Version, parts: Sequence[Part]) -> bool:
    """Whether another item owns the job in a ledger that knows more: it was renamed.

    Raises:
        UsageError: Two ledgers know as much.
    """
    job = version.job
    for part in parts if job.remote_id is not None else ():
        assert job.remote_id is not None
        other = part.ledger.find_job(job.remote_id)
        if other is None or other.item_id == job.item_id:
            continue
        if job.is_taken_over != other.is_taken_over:
            # Equal requests in two shards: it belongs to the item that sent it.
            if job.is_taken_over:
                return True
            continue
        rank = _rank(other, part.ledger.find_last_attempt(other.item_id), part)
        if rank == version.rank:
            raise UsageError(
                f"job {job.remote_id} belongs to {job.item_id} in"
                f" {version.part.named}, and to {other.item_id} in {part.named}",
                hint="run the command that renames the item in one of the folders"
                " alone, or leave the other one out",
            )
        if rank > version.rank:
            return True
    return False


def _record_marks(joined: Ledger, parts: Sequence[Part]) -> _Marks:
    """Record the marks that are still needed, in the order of their times.

    Those are the marks from which the job list is still to be compared, and those of
    attempts whose fate may still have to be found out.

    Returns:
        By folder and number there: the number in the joined ledger.
    """
    marks: list[tuple[Mark, Path]] = []
    is_open: set[tuple[object, ...]] = set()
    for part in parts:
        needed = part.ledger.find_open_marks()
        is_open.update((mark.created_at, mark.listed) for mark in needed)
        needed += _find_closed_marks(part.ledger, {mark.mark_id for mark in needed})
        marks += ((mark, part.folder) for mark in needed)
    marks.sort(key=lambda pair: pair[0].created_at or _LONG_AGO)
    known: dict[tuple[object, ...], int] = {}
    numbers: _Marks = {}
    for mark, folder in marks:
        same = (mark.created_at, mark.listed)
        if same not in known:
            known[same] = joined.record_mark(replace(mark, mark_id=0)).mark_id
        numbers[folder, mark.mark_id] = known[same]
    joined.record_reconciled(known[same] for same in known.keys() - is_open)
    return numbers


def _find_closed_marks(ledger: Ledger, open_ids: AbstractSet[int]) -> list[Mark]:
    """The other marks of attempts that own no job."""
    ids = {
        job.mark_id
        for job in ledger.find_jobs_in(*JobStatus)
        if job.remote_id is None and job.mark_id is not None
    }
    found = [ledger.find_mark(mark_id) for mark_id in sorted(ids - open_ids)]
    return [mark for mark in found if mark is not None]


def _with_mark(version: _Version, marks: _Marks) -> Job:
    """The attempt with its mark; one that owns a job needs none."""
    job = version.job
    if job.remote_id is not None or job.mark_id is None:
        return replace(job, mark_id=None)
    return replace(job, mark_id=marks.get((version.part.folder, job.mark_id)))


def _join_facts(parts: Sequence[Part]) -> Facts:
    found = [(part.named, part.ledger.find_facts()) for part in parts]
    used = [(name, facts) for name, facts in found if facts.base_url]
    _check_one((name, one.base_url, "service") for name, one in used)
    _check_one((name, one.project_id, "project") for name, one in used)
    named = [(name, facts) for name, facts in used if facts.key_project]
    _check_one((name, one.key_project, "project") for name, one in named)
    owned = [(name, facts) for name, facts in used if facts.manifest]
    _check_one((name, one.manifest, "manifest") for name, one in owned)
    _check_one((name, one.profile, "profile") for name, one in owned)
    every = [facts for _, facts in used]
    joined = every[0] if every else Facts()
    since = [one.rebuilt_since for one in every if one.rebuilt_since is not None]
    return replace(
        joined,
        key_project=_first(one.key_project for one in every),
        author_id=_first(one.author_id for one in every),
        manifest=_first(one.manifest for one in every),
        manifest_file=_first(one.manifest_file for one in every),
        profile=_first(one.profile for one in every),
        emulator=_first(one.emulator for one in every),
        tool=_first(one.tool for one in every),
        manifests=tuple(dict.fromkeys(name for one in every for name in one.manifests)),
        rebuilt_since=min(since, default=None),
        lock_sha256=None,
    )


def _check_one(values: Iterable[tuple[str, str, str]]) -> None:
    """Check that all folders have the same value.

    Raises:
        UsageError: Two differ.
    """
    first: tuple[str, str] | None = None
    for name, value, word in values:
        if first is None:
            first = (name, value)
        elif value != first[1]:
            raise UsageError(
                f"{first[0]} belongs to the {word} {first[1] or '(none named)'}, but"
                f" {name} to {value or '(none named)'}",
                hint="merge only folders of the same manifest and project",
            )


def _first(values: Iterable[str]) -> str:
    return next(filter(None, values), "")
