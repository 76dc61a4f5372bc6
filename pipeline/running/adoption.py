"""Adoption: after a lost ledger, finds our jobs in the service's job list.

A deleted or damaged ledger is rebuilt from sidecars. Jobs without a sidecar are
searched for once in the job list, before anything is paid for again.
"""

from collections.abc import Mapping
from datetime import datetime

from pipeline.api.echo import is_archived, same_value
from pipeline.api.interface import RemoteJob
from pipeline.api.listing import list_created_after
from pipeline.api.retry import retry_free
from pipeline.job import JsonValue
from pipeline.running.session import Session
from pipeline.stages.reading import OWN_TYPES


class Adoption:
    """The jobs of our project that no row of a rebuilt ledger owns.

    Their author does not matter: a new API key makes us another author.

    Args:
        session: Lists jobs, and knows which ones a row owns.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._jobs: dict[str, list[RemoteJob]] = {}

    async def find(self, since: datetime) -> int:
        """List the jobs made since then; returns how many no row owns.

        Raises:
            Unavailable, UnexpectedAnswer: No complete listing until the deadline.
        """
        session = self._session
        listing = await retry_free(
            lambda: list_created_after(session.api, since),
            clock=session.clock,
            deadline_s=session.settings.free_deadline_s,
        )
        owned = session.rows.find_owned([job.remote_id for job in listing])
        count = 0
        for job in listing:
            is_generated = job.job_type in OWN_TYPES and not job.is_child
            if is_generated and job.inputs and job.remote_id not in owned:
                self._jobs.setdefault(job.model_id, []).append(job)
                count += 1
        return count

    def take(
        self,
        model_id: str,
        inputs: Mapping[str, JsonValue],
        *,
        derived_seed: bool,
    ) -> RemoteJob | None:
        """Take the job that was made from these inputs; None if there is none.

        Each job is returned once. File inputs are ignored: a file that is uploaded
        again has another id. If the service shows the prompt as an asset, only a
        derived seed identifies the job.

        Args:
            model_id: The model.
            inputs: As they would be sent.
            derived_seed: Whether the seed is derived from the item id. A renamed item
                was then sent with another seed.
        """
        candidates = [
            job
            for job in self._jobs.get(model_id, [])
            if not self._session.identity.is_adopted(job.remote_id)
        ]
        found = next((job for job in candidates if _shows(inputs, job.inputs)), None)
        if found is None and derived_seed:
            asked = {name: value for name, value in inputs.items() if name != "seed"}
            found = next(
                (
                    job
                    for job in candidates
                    if _may_show(inputs, job.inputs) or _shows(asked, job.inputs)
                ),
                None,
            )
        if found is not None:
            self._session.identity.adopt(found.remote_id)
        return found

    def may_hold(self, model_id: str, inputs: Mapping[str, JsonValue]) -> list[str]:
        """Ids of jobs that may have been made from these inputs."""
        return [
            job.remote_id
            for job in self._jobs.get(model_id, [])
            if _may_show(inputs, job.inputs)
            and not self._session.identity.is_adopted(job.remote_id)
        ]


def _shows(inputs: Mapping[str, JsonValue], echo: Mapping[str, JsonValue]) -> bool:
    """Whether an echo shows each of these inputs as it was sent, except lists."""
    return bool(inputs) and all(
        same_value(value, echo.get(name))
        for name, value in inputs.items()
        if not isinstance(value, list)
    )


def _may_show(inputs: Mapping[str, JsonValue], echo: Mapping[str, JsonValue]) -> bool:
    """As :func:`_shows`, but with at least one text shown as an asset."""
    shown = {name for name in inputs if is_archived(inputs[name], echo.get(name))}
    rest = {name: value for name, value in inputs.items() if name not in shown}
    return bool(shown) and _shows(rest, echo)
