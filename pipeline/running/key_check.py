"""Key check: whether the API key in use can see the jobs of earlier runs.

With a key for another project, or one that cannot see the jobs of other keys, every
earlier job would seem lost. So the check comes before anything is sent or settled.
"""

from functools import partial
from pathlib import Path

from pipeline.api.interface import TeamLimits
from pipeline.api.retry import retry_free
from pipeline.errors import Unavailable, UnexpectedAnswer
from pipeline.job import UNFINISHED, JobStatus
from pipeline.ledger.ledger import Ledger
from pipeline.pricing.limits import check_project, find_project, unreachable
from pipeline.running.records import Records
from pipeline.running.session import Session
from pipeline.running.watching import other_key

_JOBS_CHECKED = 3  # jobs of other keys to look up before concluding that none is seen


class KeyCheck:
    """Compares the project and the jobs of the key in use with the ledger.

    Args:
        session: The service, and our identity there.
        ledger: For reading.
        records: Records the project of the key.
        output: The output folder, for messages.
    """

    def __init__(
        self, session: Session, ledger: Ledger, *, records: Records, output: Path
    ) -> None:
        self._api = session.api
        self._clock = session.clock
        self._settings = session.settings
        self._identity = session.identity
        self._ledger = ledger
        self._records = records
        self._output = output

    def has_jobs_to_see(self) -> bool:
        """Whether unfinished jobs exist, which a key of another project cannot see."""
        return next(self._ledger.find_jobs_in(*UNFINISHED), None) is not None

    async def check_project(self, limits: TeamLimits) -> None:
        """Check that the key belongs to the output folder's project; bind it if new.

        Args:
            limits: The service's answer about the team.

        Raises:
            AccessDenied: The key belongs to another project than the folder.
        """
        if self._identity.service.project_id:
            return  # every call names the project, and the service checks it
        bound = self._ledger.find_facts().key_project
        found = limits.project_id
        if bound:
            found = await find_project(self._api, self._clock, self._settings, limits)
        check_project(found, bound, self._output)
        if found and not bound:
            await self._records.bind_project(found)

    async def check_jobs(self) -> None:
        """Check that this key can see a job in flight that another API key made.

        Raises:
            AccessDenied: It sees none of them.
            ServiceUnreachable: The service does not answer.
        """
        others = [
            job
            for job in self._ledger.find_jobs_in(JobStatus.SUBMITTED)
            if self._identity.is_of_another_key(job)
        ]
        for job in others[:_JOBS_CHECKED]:
            assert job.remote_id is not None
            try:
                found = await retry_free(
                    partial(self._api.find_job, job.remote_id),
                    clock=self._clock,
                    deadline_s=self._settings.first_contact_s,
                )
            except (Unavailable, UnexpectedAnswer) as error:
                raise unreachable(error) from error
            if found is not None:
                return
        if others:
            raise other_key(others[0])
