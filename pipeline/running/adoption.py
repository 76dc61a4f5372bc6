"""Adoption: after a lost ledger, what the service's list still knows is ours.

A ledger that was deleted or damaged is rebuilt from sidecars; jobs that had no
sidecar yet are looked for once in the job list before anything is paid again.
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

    Who made them does not count: with a new API key we are another author.

    Args:
        session: Lists jobs, and knows those that a row owns.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._jobs: dict[str, list[RemoteJob]] = {}

    async def find(self, since: datetime) -> int:
        """List once; returns how many jobs no row owns.

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
        """The job that came of these inputs, once; or None.

        File inputs are passed over: a file that is uploaded anew has another id. A
        prompt that is shown as an asset is known by a derived seed alone.

        Args:
            model_id: The model.
            inputs: As they would be sent.
            derived_seed: Whether their seed follows from the item's id: an item that
                was renamed has been sent with another.
        """
        candidates = self._jobs.get(model_id, [])
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
            candidates.remove(found)
        return found

    def may_hold(self, model_id: str, inputs: Mapping[str, JsonValue]) -> list[str]:
        """Ids of jobs that may have come of these inputs, as far as they are shown."""
        return [
            job.remote_id
            for job in self._jobs.get(model_id, [])
            if _may_show(inputs, job.inputs)
        ]


def _shows(inputs: Mapping[str, JsonValue], echo: Mapping[str, JsonValue]) -> bool:
    """Whether an echo shows these inputs, each as it was sent."""
    return bool(inputs) and all(
        same_value(value, echo.get(name))
        for name, value in inputs.items()
        if not isinstance(value, list)
    )


def _may_show(inputs: Mapping[str, JsonValue], echo: Mapping[str, JsonValue]) -> bool:
    """The same, where texts may be shown as assets, and some are."""
    shown = {name for name in inputs if is_archived(inputs[name], echo.get(name))}
    rest = {name: value for name, value in inputs.items() if name not in shown}
    return bool(shown) and _shows(rest, echo)
