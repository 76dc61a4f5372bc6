"""Forgotten jobs: after a lost ledger, what the service's list still knows is ours.

A ledger that was deleted or damaged is rebuilt from sidecars; jobs that had no
sidecar yet are looked for once in the job list before anything is paid again.
"""

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime

from pipeline.api.interface import GenerationApi, RemoteJob
from pipeline.api.listing import list_created_after
from pipeline.api.retry import retry_free
from pipeline.clock import Clock
from pipeline.echo import same_value
from pipeline.job import JsonValue, RemoteId
from pipeline.settings import Settings


class ForgottenJobs:
    """The jobs of ours that no row of a rebuilt ledger owns.

    Args:
        api: The service.
        clock: Whose time is spent.
        settings: The deadline of the one listing.
        author_id: Ours; without it nothing can be told from other people's jobs.
        find_owned: Those of some remote ids that belong to a row of the ledger.
    """

    def __init__(
        self,
        api: GenerationApi,
        clock: Clock,
        settings: Settings,
        *,
        author_id: str,
        find_owned: Callable[[Iterable[RemoteId]], AbstractSet[RemoteId]],
    ) -> None:
        self._api = api
        self._clock = clock
        self._settings = settings
        self._author_id = author_id
        self._find_owned = find_owned
        self._jobs: dict[tuple[str, str], list[RemoteJob]] = {}

    async def find(self, since: datetime) -> int:
        """List once; returns how many jobs of ours no row owns.

        Raises:
            Unavailable, UnexpectedAnswer: No complete listing until the deadline.
        """
        listing = await retry_free(
            lambda: list_created_after(self._api, since),
            clock=self._clock,
            deadline_s=self._settings.free_deadline_s,
        )
        owned = self._find_owned([job.remote_id for job in listing])
        count = 0
        for job in listing:
            is_ours = bool(self._author_id) and job.author_id == self._author_id
            if is_ours and job.remote_id not in owned and "seed" in job.inputs:
                self._jobs.setdefault(_key(job.model_id, job.inputs), []).append(job)
                count += 1
        return count

    def take(self, model_id: str, inputs: Mapping[str, JsonValue]) -> RemoteJob | None:
        """The job that came of exactly these inputs, once; or None.

        File inputs are passed over: a file that is uploaded anew has another id.
        """
        candidates = self._jobs.get(_key(model_id, inputs), [])
        for job in candidates:
            if all(
                same_value(value, job.inputs.get(name))
                for name, value in inputs.items()
                if not isinstance(value, list)
            ):
                candidates.remove(job)
                return job
        return None


def _key(model_id: str, inputs: Mapping[str, JsonValue]) -> tuple[str, str]:
    return model_id, str(inputs.get("seed"))
