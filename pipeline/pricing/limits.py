"""The first contact with the service: checks that it answers, and asks for limits."""

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
    """The limits of the team; this call also checks the credentials.

    Raises:
        AccessDenied: The service does not accept the key.
        ServiceUnreachable: The service does not answer.
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
    """The project of the key; if the key may not read its team, from the jobs it sees.

    Returns:
        The project id, or "" if the jobs do not determine it.
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
    """Refuse a key of another project, which cannot see the jobs of this folder.

    Args:
        found: The project of the key, or "".
        bound: The project of the output folder, or "".
        output: The output folder.

    Raises:
        AccessDenied: The projects differ.
    """
    if found and bound and found != bound:
        raise AccessDenied(
            f"{output} belongs to the project {bound}, but the API key to {found}",
            hint="use a key of that project, or another --output",
        )


def unreachable(error: PipelineError) -> ServiceUnreachable:
    """The error for a failed first contact, with what to check."""
    hint = error.hint or "check the network and SCENARIO_BASE_URL"
    return ServiceUnreachable(error.message, hint=hint)
