"""Identity: who we are at the service, and which of its jobs may be ours."""

from pipeline.api.interface import RemoteJob
from pipeline.job import Job, RemoteId
from pipeline.settings import Service


class Identity:
    """The project, the API key in use, and the author that the service names for it.

    Args:
        service: Which service, and which project the user names.
        key_digest: The digest of the API key; see ``Credentials.key_digest``.
        last_author_id: The author of the job of ours that an earlier run saw last.

    Attributes:
        service: As given.
        key_digest: As given.
        author_id: Who we are, once a submit's answer and the job list have named the
            same author; "" until then, and for good once they have disagreed.
        last_author_id: The author of the job of ours that was seen last, for the
            poller's filter; "" until then. It proves nothing.
    """

    def __init__(
        self, service: Service, *, key_digest: str = "", last_author_id: str = ""
    ) -> None:
        self.service = service
        self.key_digest = key_digest
        self.author_id = ""
        self.last_author_id = last_author_id
        self._disagrees = False
        self._adopted: set[RemoteId] = set()

    def is_of_another_key(self, job: Job) -> bool:
        """Whether an attempt was sent with another API key than the one in use."""
        return bool(job.made_with) and job.made_with != self.key_digest

    def is_foreign(self, remote: RemoteJob) -> bool:
        """Whether a job is provably somebody else's, as far as authors prove it."""
        return bool(
            self.author_id and remote.author_id and remote.author_id != self.author_id
        )

    def may_be_of(self, job: Job, remote: RemoteJob) -> bool:
        """Whether model and author let a job of the service belong to a submit."""
        if remote.model_id and remote.model_id != job.model_id:
            return False
        # Another key of ours may be another author.
        is_of_this_key = job.made_with == self.key_digest
        return not (is_of_this_key and self.is_foreign(remote))

    def adopt(self, remote_id: RemoteId) -> None:
        """A job is taken for ours without proof, so it teaches nothing about us."""
        self._adopted.add(remote_id)

    def is_adopted(self, remote_id: RemoteId | None) -> bool:
        """Whether a job was adopted on this connection."""
        return remote_id in self._adopted

    def note_own(self, remote: RemoteJob) -> None:
        """A job that is watched: it tells who we are, unless it was adopted."""
        if remote.author_id and not self.is_adopted(remote.remote_id):
            self.last_author_id = remote.author_id

    def note_listed(self, job: Job, remote: RemoteJob) -> None:
        """The list shows a job of ours: does it name the author of the answer?"""
        if job.made_with != self.key_digest:
            return
        if not job.author_id or not remote.author_id:
            return
        known = self.author_id or job.author_id
        if not job.author_id == remote.author_id == known:
            self._disagrees = True
        self.author_id = "" if self._disagrees else known
