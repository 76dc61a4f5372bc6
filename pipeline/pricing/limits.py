"""The first contact with the service: it answers, and says what the team may do."""

from pipeline.api.interface import GenerationApi, TeamLimits
from pipeline.api.retry import retry_free
from pipeline.clock import Clock
from pipeline.errors import (
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


def unreachable(error: PipelineError) -> ServiceUnreachable:
    """A first contact that failed, with what to look at."""
    hint = error.hint or "check the network and SCENARIO_BASE_URL"
    return ServiceUnreachable(error.message, hint=hint)
