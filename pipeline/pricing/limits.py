"""The first contact with the service: it answers, and says what the team may do."""

from pathlib import Path

from pipeline.api.interface import GenerationApi, JobFilter, TeamLimits
from pipeline.api.retry import retry_free
from pipeline.clock import Clock
from pipeline.errors import (
    AccessDenied,
    JobError,
    PipelineError,
    ServiceUnreachable,
    Unavailable,
    UnexpectedAnswer,
)
from pipeline.settings import Settings


async def find_limits(
    api: GenerationApi, clock: Clock, settings: Settings
) -> TeamLimits:
    """What the team may do; wrong credentials show here.

    Raises:
        AccessDenied: The service does not take the key.
        ServiceUnreachable: It does not answer.
    """
    try:
        return await retry_free(
            api.find_limits, clock=clock, deadline_s=settings.first_contact_s
        )
    except (Unavailable, UnexpectedAnswer) as error:
        if api.answered_at_s is not None:
            return TeamLimits()
        raise unreachable(error) from error


async def find_project(
    api: GenerationApi, clock: Clock, settings: Settings, limits: TeamLimits
) -> str:
    """The project of the key, where it may not read its team: by the jobs it sees.

    Returns:
        "" where they do not tell.
    """
    if limits.project_id:
        return limits.project_id
    try:
        page = await retry_free(
            lambda: api.list_jobs(JobFilter()),
            clock=clock,
            deadline_s=settings.first_contact_s,
        )
    except JobError:
        return ""
    owners = {job.owner_id for job in page.jobs if job.owner_id}
    return owners.pop() if len(owners) == 1 else ""


def check_project(found: str, bound: str, output: Path) -> None:
    """Refuse a key of another project: its service knows no job of this folder.

    Args:
        found: The project of the key, or "".
        bound: The project of the output folder, or "".
        output: The folder.

    Raises:
        AccessDenied: They differ.
    """
    if found and bound and found != bound:
        raise AccessDenied(
            f"{output} belongs to the project {bound}, and the key to {found}",
            hint="use the key that the folder was made with, or another --output",
        )


def unreachable(error: PipelineError) -> ServiceUnreachable:
    """A first contact that failed, with what to look at."""
    hint = error.hint or "check the network and SCENARIO_BASE_URL"
    return ServiceUnreachable(error.message, hint=hint)
