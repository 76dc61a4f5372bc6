"""Who may use the service, how often, and for how many jobs at a time."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsProfile:
    """Access, the team's plan, and the limits on requests and on jobs.

    Attributes:
        accepted_keys: API key to secret. Any other pair gets 401. None accepts every
            pair.
        same_author: All keys act as one author. Otherwise each key has its own.
        foreign_project_status: The answer to a ``projectId`` other than the
            emulator's own project.
        teams_status: 200 lets a key read ``/teams``, ``/teams/{id}`` and ``/usages``;
            403 refuses all three.
        limits_status: The same for ``/teams/{id}/limits``.
        restricted_models: Models above the team's plan. Their submits and quotes get
            403.
        required_plan: The plan that this 403 names.
        restriction_in_details: The 403 names the plan in ``details``. Otherwise it
            names it beside ``reason``.

        ceiling: The most custom jobs that may be in flight. None is no ceiling.
        ceiling_taken: How many of these slots other people's jobs occupy.
        announced_ceiling: What ``/limits`` and the 429 say instead of the true
            ceiling.
        announce_ceiling: The 429 at the ceiling is a ``PlanLimitReachedError`` with
            ``details``. Otherwise it has a ``reason`` only.
        finalizing_counts: A job that is finalizing still occupies its slot.
        quotes_need_slot: A dry run is refused while the ceiling is reached.
        retry_after_s: The ``Retry-After`` header of every 429. None sends none.
        cooldown_s: How long submits are refused after ``cooldown_after`` of them. The
            429 has ``remainingSeconds``. 0 is no cooldown.
        cooldown_after: How many submits are accepted between two cooldowns. With 1,
            ``cooldown_s`` is the least time between two submits.
        requests_per_minute: The most requests to /v1 in any sixty seconds. More get
            a 429 without ``details``. None is no limit.
        body_cap_bytes: Larger request bodies get 413.
        response_cap_bytes: Larger answers become the gateway's 502.
    """

    accepted_keys: Mapping[str, str] | None = None
    same_author: bool = False
    foreign_project_status: int = 403
    teams_status: int = 200
    limits_status: int = 200
    restricted_models: tuple[str, ...] = ()
    required_plan: str = "cu-max"
    restriction_in_details: bool = True

    ceiling: int | None = None
    ceiling_taken: int = 0
    announced_ceiling: int | None = None
    announce_ceiling: bool = True
    finalizing_counts: bool = True
    quotes_need_slot: bool = False
    retry_after_s: int | None = None
    cooldown_s: float = 0.0
    cooldown_after: int = 1
    requests_per_minute: int | None = None
    body_cap_bytes: int = 10 * 2**20
    response_cap_bytes: int = 6_000_000
