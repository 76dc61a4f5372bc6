"""Key: whether the API key in use sees what earlier runs have left at the service.

With a key of another project, or one that may not see the jobs of other keys, every job
would seem lost. So this is looked at before anything is sent or judged.
"""

from functools import partial
from pathlib import Path

from pipeline.api.interface import GenerationApi, TeamLimits
from pipeline.api.retry import retry_free
from pipeline.clock import Clock
from pipeline.errors import Unavailable, UnexpectedAnswer
from pipeline.job import JobStatus
from pipeline.ledger.ledger import KEY_PROJECT, Ledger
from pipeline.pricing.limits import check_project, find_project, unreachable
from pipeline.running.records import Records
from pipeline.running.recovery import UNFINISHED
from pipeline.running.watching import other_key
from pipeline.settings import Service, Settings
from pipeline.stages.reading import JobReader

_JOBS_LOOKED_AT = 3  # of another key, before it is said that this one sees none


class Key:
    """Holds the key in use against the ledger.

    Args:
        api: The service.
        clock: Whose time is spent.
        settings: How long a first contact is tried.
        ledger: For reading.
        records: Remembers the project of the key.
        reader: Knows which attempts were made with another key.
        service: Which project the user names, if any.
        output: The output folder, for messages.
    """

    def __init__(
        self,
        api: GenerationApi,
        clock: Clock,
        settings: Settings,
        *,
        ledger: Ledger,
        records: Records,
        reader: JobReader,
        service: Service,
        output: Path,
    ) -> None:
        self._api = api
        self._clock = clock
        self._settings = settings
        self._ledger = ledger
        self._records = records
        self._reader = reader
        self._service = service
        self._output = output

    def has_jobs_to_see(self) -> bool:
        """Whether jobs will be looked for that a key of another project cannot see."""
        return next(self._ledger.find_jobs_in(*UNFINISHED), None) is not None

    async def check_project(self, limits: TeamLimits) -> None:
        """Before anything is sent, or judged as lost because it cannot be seen.

        Args:
            limits: What the service has said of the team.

        Raises:
            AccessDenied: The key is for another project than the folder.
        """
        if self._service.project_id:
            return  # the service itself holds every call to it
        bound = self._ledger.find_meta().get(KEY_PROJECT, "")
        found = limits.project_id
        if bound:
            found = await find_project(self._api, self._clock, self._settings, limits)
        check_project(found, bound, self._output)
        if found and not bound:
            await self._records.bind_project(found)

    async def check_jobs(self) -> None:
        """Jobs in flight that another API key made: this one has to see them.

        Raises:
            AccessDenied: It sees none: it is of another project, or may not.
            ServiceUnreachable: The service does not answer.
        """
        others = [
            job
            for job in self._ledger.find_jobs_in(JobStatus.SUBMITTED)
            if self._reader.is_of_another_key(job)
        ]
        for job in others[:_JOBS_LOOKED_AT]:
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
