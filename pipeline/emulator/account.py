"""Charges and refunds in, the balance and what a team may do out.

Knows nothing of jobs but their prices and authors.
"""

from collections import defaultdict

from pipeline.emulator.identity import PROJECT_ID, TEAM_ID
from pipeline.emulator.pricing import tidy
from pipeline.emulator.profile import EmulatorProfile
from pipeline.emulator.refusal import Refused
from pipeline.emulator.timeline import MS_PER_S, iso

PLAN = "cu-pro"
UNLIMITED_CU = 1_000_000
DAY_MS = 24 * 3600 * MS_PER_S
OK = 200
FOUNDED = "2026-01-15T08:00:00.000Z"
CREDITS_TEXT = "Not enough credits: insufficient compute units for this request"
KEY_CAP_TEXT = "Compute units limit of this API key reached: quota exceeded"
DENIED_TEXT = "API Keys cannot access protected resources"


class Account:
    """The team's credits.

    Args:
        profile: Balance, caps and what may be read.
    """

    def __init__(self, profile: EmulatorProfile) -> None:
        self._profile = profile
        self.charged_cu = 0.0
        self.refunded_cu = 0.0
        self._by_author: defaultdict[str, float] = defaultdict(float)

    @property
    def spent_cu(self) -> float:
        """What was charged and not given back."""
        return self.charged_cu - self.refunded_cu

    def demand(self, author_id: str, cost_cu: float) -> None:
        """Make sure that this much can be charged.

        Raises:
            Refused: The team's balance or the key's cap does not allow it.
        """
        profile = self._profile
        by_key_cu = self._by_author[author_id] + cost_cu
        if profile.key_cap_cu is not None and by_key_cu > profile.key_cap_cu:
            raise Refused(profile.key_cap_status, KEY_CAP_TEXT)
        by_team_cu = self.spent_cu + cost_cu
        if profile.credits_cu is not None and by_team_cu > profile.credits_cu:
            raise Refused(profile.credits_status, CREDITS_TEXT)

    def charge(self, author_id: str, cost_cu: float) -> None:
        """Take it from the balance."""
        self.charged_cu += cost_cu
        self._by_author[author_id] += cost_cu

    def refund(self, author_id: str, cost_cu: float) -> None:
        """Give it back."""
        self.refunded_cu += cost_cu
        self._by_author[author_id] -= cost_cu

    def teams(self) -> dict[str, object]:
        """``GET /teams``: one team with one project."""
        _allow(self._profile.teams_status)
        return {"teams": [self._team()]}

    def team(self, team_id: str) -> dict[str, object]:
        """``GET /teams/{id}``.

        Raises:
            Refused: Not ours, or not readable.
        """
        _allow(self._profile.teams_status)
        self._own(team_id)
        return {"team": self._team()}

    def limits(self, team_id: str, now_ms: int) -> dict[str, object]:
        """``GET /teams/{id}/limits``.

        Raises:
            Refused: Not ours, or not readable.
        """
        profile = self._profile
        _allow(profile.limits_status)
        self._own(team_id)
        ceiling = profile.announced_ceiling or profile.ceiling
        names = [
            "OTPSessions",
            "apiKeys",
            "canvasAssetLayers",
            "canvasAssets",
            "collections",
            "defaultSeats",
            "downloadAssets",
            "downloadModel",
            "maxTrainingDatasets",
            "models",
            "premiumGenerationSamples",
            "projects",
            "seats",
            "snapshotsRetention",
            "trainingImages",
            "upload",
        ]
        limits: dict[str, object] = dict.fromkeys(names, 0)
        limits |= {
            "creativeUnits": UNLIMITED_CU
            if profile.credits_cu is None
            else tidy(profile.credits_cu),
            "inferenceBatchSize": 16,
            "maxCooldown": tidy(profile.cooldown_s),
            "minCooldown": tidy(profile.cooldown_s),
            "parallelInferences": 4,
            "parallelTraining": 1,
            "parallelWorkflowRuns": 1,
            "scalingFactor": 1,
        }
        if ceiling is not None:
            limits["parallelCustomJobs"] = ceiling
        return {
            "plan": PLAN,
            "period": {
                "start": iso(now_ms // DAY_MS * DAY_MS),
                "end": iso((now_ms // DAY_MS + 30) * DAY_MS),
            },
            "limits": limits,
            "values": {
                "creativeUnits": tidy(self.spent_cu),
                "apiKeys": 1,
                "projects": 1,
                "seats": 1,
                "collections": 0,
                "canvasAssets": 0,
            },
            "oneShotCreativeUnits": [],
        }

    def usages(self, now_ms: int) -> dict[str, object]:
        """``GET /usages``: cost and refunds as one point each.

        Raises:
            Refused: Not readable.
        """
        _allow(self._profile.teams_status)
        series = {
            "creative-unit-cost": self.charged_cu,
            "creative-unit-discount": 0.0,
            "refunds": self.refunded_cu,
        }
        time = iso(now_ms // DAY_MS * DAY_MS)
        return {
            "usages": [
                {
                    "usageName": name,
                    "granularity": "1d",
                    "points": [
                        {
                            "time": time,
                            "value": str(tidy(amount)),
                            "apiKey": str(tidy(amount)),
                            "cost": tidy(amount),
                            "discount": 0,
                        }
                    ],
                }
                for name, amount in series.items()
            ],
            "consumption": [
                {"userId": author, "value": tidy(cu), "total": tidy(cu), "discount": 0}
                for author, cu in self._by_author.items()
            ],
        }

    def _team(self) -> dict[str, object]:
        profile = self._profile
        dates = {"createdAt": FOUNDED, "updatedAt": FOUNDED}
        project = {"id": PROJECT_ID, "name": "Emulator", **dates}
        return {
            "id": TEAM_ID,
            "type": "shared",
            "name": "Emulator",
            "plan": PLAN,
            "paymentStatus": "succeeded",
            "subscriptionStatus": "active",
            "ipDetectionEnforcement": "disabled",
            "qualityGateAutoDetect": bool(profile.quality_gate_cu),
            "projects": [project],
            "context": {
                "userRole": "key",
                "invitationsCount": 0,
                "keysCount": 1,
                "usersCount": 1,
            },
            **dates,
        }

    def _own(self, team_id: str) -> None:
        if team_id != TEAM_ID:
            raise Refused(404, f"Team {team_id} not found")


def _allow(status: int) -> None:
    if status != OK:
        raise Refused(status, DENIED_TEXT, message=DENIED_TEXT)
