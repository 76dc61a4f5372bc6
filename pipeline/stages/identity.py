"""Identity: who we are to the service, and which of its jobs may be ours."""

from pipeline.api.interface import RemoteJob
from pipeline.job import Job, RemoteId
from pipeline.settings import Service


class Identity:
    """The project, the API key in use, and the author id that the service has for it.

    Args:
        service: The service, and the project that the user named.
        key_digest: The digest of the API key; see ``Credentials.key_digest``.

    Attributes:
        service: As given.
        key_digest: As given.
        author_id: Our author id, once a submit's answer and the job list agree on it;
            "" until then, and permanently once they have disagreed.
        last_author_id: The author of our most recently seen job, or "". Only for the
            poller's filter: it proves nothing.
    """

    def __init__(self, service: Service, *, key_digest: str = "") -> None:
        self.service = service
        self.key_digest = key_digest
        self.author_id = ""
        self.last_author_id = ""
        self._disagrees = False
        self._adopted: set[RemoteId] = set()

    def is_of_another_key(self, job: Job) -> bool:
        """Whether an attempt was sent with an API key other than the one in use."""
        return bool(job.made_with) and job.made_with != self.key_digest

    def is_foreign(self, remote: RemoteJob) -> bool:
        """Whether the author proves that a job belongs to somebody else."""
        return bool(
            self.author_id and remote.author_id and remote.author_id != self.author_id
        )

    def may_be_of(self, job: Job, remote: RemoteJob) -> bool:
        """Whether model and author allow a job to belong to a submit."""
        if remote.model_id and remote.model_id != job.model_id:
            return False
        # Another API key of ours may have another author id.
        is_of_this_key = job.made_with == self.key_digest
        return not (is_of_this_key and self.is_foreign(remote))

    def adopt(self, remote_id: RemoteId) -> None:
        """Mark a job as adopted: assumed to be ours, so nothing is learned from it."""
        self._adopted.add(remote_id)

    def is_adopted(self, remote_id: RemoteId | None) -> bool:
        """Whether a job was adopted on this connection."""
        return remote_id in self._adopted

    def note_own(self, remote: RemoteJob) -> None:
        """Learn our author id from a watched job, unless the job was adopted."""
        if remote.author_id and not self.is_adopted(remote.remote_id):
            self.last_author_id = remote.author_id

    def note_listed(self, job: Job, remote: RemoteJob) -> None:
        """Compare the author in the list with the one in the submit's answer."""
        if job.made_with != self.key_digest:
            return
        if not job.author_id or not remote.author_id:
            return
        known = self.author_id or job.author_id
        if not job.author_id == remote.author_id == known:
            self._disagrees = True
        self.author_id = "" if self._disagrees else known
