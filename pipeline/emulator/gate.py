"""What stands between a checked request and a job: plan, pace, ceiling, credits.

Only says no; what happens after a yes is left to ``service``.
"""

from collections import deque

from pipeline.emulator.account import PLAN, Account
from pipeline.emulator.job_store import JobStore
from pipeline.emulator.outcomes import MODERATED_TEXT, is_moderated
from pipeline.emulator.pricing import Price
from pipeline.emulator.profile import EmulatorProfile
from pipeline.emulator.refusal import Refused
from pipeline.emulator.timeline import MS_PER_S, span_ms
from pipeline.emulator.validation import CheckedInputs

MINUTE_MS = 60 * MS_PER_S
CEILING_TEXT = "Too many parallel jobs for your plan"
CEILING_ACTION = "parallel-custom-jobs"


class Gate:
    """Refuses what the team may not do now.

    Args:
        profile: Ceilings, pace and plans.
        store: Knows how many jobs are in flight.
        account: Knows the balance.
    """

    def __init__(
        self, profile: EmulatorProfile, store: JobStore, account: Account
    ) -> None:
        self._profile = profile
        self._store = store
        self._account = account
        self._made = 0
        self._cool_until_ms = 0
        self._asked_ms: deque[int] = deque()

    def note_job(self, created_ms: int) -> None:
        """A job was made."""
        self._made += 1
        if self._made % self._profile.cooldown_after == 0:
            self._cool_until_ms = created_ms + span_ms(self._profile.cooldown_s)

    def demand_pace(self, now_ms: int) -> None:
        """Make sure that one more request may be answered.

        Raises:
            Refused: 429.
        """
        most = self._profile.requests_per_minute
        if most is None:
            return
        while self._asked_ms and self._asked_ms[0] <= now_ms - MINUTE_MS:
            self._asked_ms.popleft()
        if len(self._asked_ms) >= most:
            raise self.too_many("Too many requests")
        self._asked_ms.append(now_ms)

    def demand_plan(self, model_id: str) -> None:
        """Make sure that the plan has this model.

        Raises:
            Refused: 403.
        """
        profile = self._profile
        if model_id not in profile.restricted_models:
            return
        refused = Refused(
            403,
            f"Model {model_id} is not available on your plan",
            name="ModelAccessRestrictedError",
        )
        if profile.restriction_in_details:
            plans = {"currentPlan": PLAN, "requiredPlan": profile.required_plan}
            refused.body["details"] = plans
        else:
            refused.body["requiredPlan"] = profile.required_plan
        raise refused

    def demand_all(
        self, now_ms: int, checked: CheckedInputs, price: Price, author_id: str
    ) -> None:
        """Make sure that a checked request may become a job.

        Raises:
            Refused: Moderation, cooldown, ceiling or credits stand against it.
        """
        profile = self._profile
        prompt = str(checked.accepted.get("prompt", ""))
        if profile.moderation_status is not None and is_moderated(prompt):
            raise Refused(profile.moderation_status, MODERATED_TEXT)
        over_ms = self._cool_until_ms - now_ms
        if over_ms > 0:
            remaining = -(-over_ms // MS_PER_S)
            raise self.too_many("cooldown", remainingSeconds=remaining)
        self.demand_slot()
        self._account.demand(author_id, price.total_cu)

    def demand_slot(self) -> None:
        """Make sure that one more job may be in flight.

        Raises:
            Refused: 429.
        """
        profile = self._profile
        if profile.ceiling is None:
            return
        in_flight = self._store.in_flight + profile.ceiling_taken
        if in_flight < profile.ceiling:
            return
        if not profile.announce_ceiling:
            raise self.too_many(CEILING_TEXT)
        limit = profile.announced_ceiling or profile.ceiling
        details = {
            "actionLimit": limit,
            "actionName": CEILING_ACTION,
            "actionValue": in_flight,
            "limitScope": "team",
        }
        raise self.too_many(CEILING_TEXT, name="PlanLimitReachedError", details=details)

    def too_many(self, reason: str, **body: object) -> Refused:
        """A 429 with these keys, and with ``Retry-After`` if the profile says so."""
        headers = {}
        if self._profile.retry_after_s is not None:
            headers["Retry-After"] = str(self._profile.retry_after_s)
        return Refused(429, reason, headers=headers, **body)
