"""What can refuse a checked request: the plan, the pace, the ceiling, the credits.

What happens to an accepted request is left to ``service``.
"""

from collections import deque

from pipeline.emulator.account import PLAN, Account
from pipeline.emulator.job_store import JobStore
from pipeline.emulator.profiles.limits import LimitsProfile
from pipeline.emulator.refusal import Refused
from pipeline.emulator.timeline import MS_PER_S, span_ms

MINUTE_MS = 60 * MS_PER_S
CEILING_TEXT = "Too many parallel jobs for your plan"
CEILING_ACTION = "parallel-custom-jobs"


class Gate:
    """Refuses what the team may not do at the moment.

    Args:
        limits: The limits. They may be replaced while the service runs.
        store: Knows how many jobs are in flight.
        account: Knows the balance.
    """

    def __init__(
        self, limits: LimitsProfile, store: JobStore, account: Account
    ) -> None:
        self.limits = limits
        self._store = store
        self._account = account
        self._jobs_made = 0
        self._cooldown_ends_ms = 0
        self._request_times_ms: deque[int] = deque()

    def note_job(self, created_ms: int) -> None:
        """Count a new job towards the next cooldown."""
        self._jobs_made += 1
        if self._jobs_made % self.limits.cooldown_after == 0:
            self._cooldown_ends_ms = created_ms + span_ms(self.limits.cooldown_s)

    def demand_pace(self, now_ms: int) -> None:
        """Make sure that one more request may be answered.

        Raises:
            Refused: 429.
        """
        most = self.limits.requests_per_minute
        if most is None:
            return
        times = self._request_times_ms
        while times and times[0] <= now_ms - MINUTE_MS:
            times.popleft()
        if len(times) >= most:
            raise self._too_many("Too many requests")
        times.append(now_ms)

    def demand_plan(self, model_id: str) -> None:
        """Make sure that the team's plan includes this model.

        Raises:
            Refused: 403.
        """
        limits = self.limits
        if model_id not in limits.restricted_models:
            return
        refused = Refused(
            403,
            f"Model {model_id} is not available on your plan",
            name="ModelAccessRestrictedError",
        )
        if limits.restriction_in_details:
            plans = {"currentPlan": PLAN, "requiredPlan": limits.required_plan}
            refused.body["details"] = plans
        else:
            refused.body["requiredPlan"] = limits.required_plan
        raise refused

    def demand_job(self, now_ms: int, author_id: str, cost_cu: float) -> None:
        """Make sure that a checked request may become a job.

        Raises:
            Refused: A cooldown, the ceiling or the credits do not allow it.
        """
        left_ms = self._cooldown_ends_ms - now_ms
        if left_ms > 0:
            remaining_s = -(-left_ms // MS_PER_S)
            raise self._too_many("cooldown", remainingSeconds=remaining_s)
        self.demand_slot()
        self._account.demand(author_id, cost_cu)

    def demand_quote(self) -> None:
        """Make sure that a dry run may be answered.

        Raises:
            Refused: 429.
        """
        if self.limits.quotes_need_slot:
            self.demand_slot()

    def demand_slot(self) -> None:
        """Make sure that one more job may be in flight.

        Raises:
            Refused: 429.
        """
        limits = self.limits
        if limits.ceiling is None:
            return
        in_flight = self._store.in_flight + limits.ceiling_taken
        if in_flight < limits.ceiling:
            return
        if not limits.announce_ceiling:
            raise self._too_many(CEILING_TEXT)
        details = {
            "actionLimit": limits.announced_ceiling or limits.ceiling,
            "actionName": CEILING_ACTION,
            "actionValue": in_flight,
            "limitScope": "team",
        }
        raise self._too_many(
            CEILING_TEXT, name="PlanLimitReachedError", details=details
        )

    def _too_many(self, reason: str, **body: object) -> Refused:
        headers = {}
        if self.limits.retry_after_s is not None:
            headers["Retry-After"] = str(self.limits.retry_after_s)
        return Refused(429, reason, headers=headers, **body)
