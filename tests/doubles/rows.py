"""What a ledger remembers, as dictionaries: rows, marks and uploads."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from pipeline.job import AssetId, Job, Mark, RemoteId


@dataclass
class FakeRows:
    """The rows and marks of one run, by remote id and by number."""

    jobs: dict[RemoteId, Job] = field(default_factory=dict)
    marks: dict[int, Mark] = field(default_factory=dict)

    def find_owned(self, remote_ids: Iterable[RemoteId]) -> set[RemoteId]:
        return self.jobs.keys() & set(remote_ids)

    def find_job(self, remote_id: RemoteId) -> Job | None:
        return self.jobs.get(remote_id)

    def find_mark(self, mark_id: int) -> Mark | None:
        return self.marks.get(mark_id)

    def find_remote_ids(self, mark_id: int) -> set[RemoteId]:
        return {
            remote_id
            for remote_id, job in self.jobs.items()
            if (job.mark_id or 0) >= mark_id
        }


@dataclass
class FakeMemory:
    """Which content the service holds, by SHA-256."""

    uploads: dict[str, AssetId] = field(default_factory=dict)

    async def remember_upload(self, sha256: str, asset_id: AssetId) -> None:
        self.uploads[sha256] = asset_id

    async def forget_upload(self, sha256: str) -> None:
        self.uploads.pop(sha256, None)
