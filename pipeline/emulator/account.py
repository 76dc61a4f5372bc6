"""The team's account: its balance, and what its endpoints answer.

Knows nothing about jobs except their prices and authors.
"""

from collections import defaultdict

from pipeline.emulator.identity import PROJECT_ID, TEAM_ID
from pipeline.emulator.pricing import tidy
from pipeline.emulator.profiles.limits import LimitsProfile
from pipeline.emulator.profiles.money import MoneyProfile
from pipeline.emulator.refusal import Refused
from pipeline.emulator.timeline import MS_PER_S, iso

PLAN = "cu-pro"
UNLIMITED_CU = 1_000_000
DAY_MS = 24 * 3600 * MS_PER_S
OK = 200
CREATED_AT = "2026-01-15T08:00:00.000Z"
CREDITS_TEXT = "Not enough credits: insufficient compute units for this request"
KEY_CAP_TEXT = "Compute units limit of this API key reached: quota exceeded"
DENIED_TEXT = "API Keys cannot access protected resources"


class Account:
    """The team's credits, and the endpoints of teams and usages.

    Args:
        limits: What may be read, and the limits to announce.
        money: The balance and the caps.
    """

    def __init__(self, limits: LimitsProfile, money: MoneyProfile) -> None:
        self._limits = limits
        self._money = money
        self.charged_cu = 0.0
        self.refunded_cu = 0.0
        self._by_author: defaultdict[str, float] = defaultdict(float)

    @property
    def spent_cu(self) -> float:
        """What was charged and not refunded."""
        return self.charged_cu - self.refunded_cu

    def demand(self, author_id: str, cost_cu: float) -> None:
        """Make sure that this amount can be charged.

        Raises:
            Refused: The team's balance or the key's cap does not allow it.
        """
        money = self._money
        by_key_cu = self._by_author[author_id] + cost_cu
        if money.key_cap_cu is not None and by_key_cu > money.key_cap_cu:
            raise Refused(money.key_cap_status, KEY_CAP_TEXT)
        by_team_cu = self.spent_cu + cost_cu
        if money.credits_cu is not None and by_team_cu > money.credits_cu:
            raise Refused(money.credits_status, CREDITS_TEXT)

    def charge(self, author_id: str, cost_cu: float) -> None:
        """Charge an author's job to the team."""
        self.charged_cu += cost_cu
        self._by_author[author_id] += cost_cu

    def refund(self, author_id: str, cost_cu: float) -> None:
        """Refund the charge of an author's job."""
        self.refunded_cu += cost_cu
        self._by_author[author_id] -= cost_cu

    def teams(self) -> dict[str, object]:
        """``GET /teams``: one team with one project.

        Raises:
            Refused: The key may not read it.
        """
        _check_access(self._limits.teams_status)
        return {"teams": [self._team()]}

    def team(self, team_id: str) -> dict[str, object]:
        """``GET /teams/{id}``.

        Raises:
            Refused: The key may not read it, or the team is another one.
        """
        _check_access(self._limits.teams_status)
        _check_team(team_id)
        return {"team": self._team()}

    def limits(self, team_id: str, now_ms: int) -> dict[str, object]:
        """``GET /teams/{id}/limits``.

        Raises:
            Refused: The key may not read it, or the team is another one.
        """
        _check_access(self._limits.limits_status)
        _check_team(team_id)
        credits_cu = self._money.credits_cu
        ceiling = self._limits.announced_ceiling or self._limits.ceiling
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
            "creativeUnits": UNLIMITED_CU if credits_cu is None else tidy(credits_cu),
            "inferenceBatchSize": 16,
            "maxCooldown": tidy(self._limits.cooldown_s),
            "minCooldown": tidy(self._limits.cooldown_s),
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
        """``GET /usages``: costs and refunds, each as one point.

        Raises:
            Refused: The key may not read it.
        """
        _check_access(self._limits.teams_status)
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
        dates = {"createdAt": CREATED_AT, "updatedAt": CREATED_AT}
        project = {"id": PROJECT_ID, "name": "Emulator", **dates}
        return {
            "id": TEAM_ID,
            "type": "shared",
            "name": "Emulator",
            "plan": PLAN,
            "paymentStatus": "succeeded",
            "subscriptionStatus": "active",
            "ipDetectionEnforcement": "disabled",
            "qualityGateAutoDetect": bool(self._money.quality_gate_cu),
            "projects": [project],
            "context": {
                "userRole": "key",
                "invitationsCount": 0,
                "keysCount": 1,
                "usersCount": 1,
            },
            **dates,
        }


def _check_access(status: int) -> None:
    if status != OK:
        raise Refused(status, DENIED_TEXT, message=DENIED_TEXT)


def _check_team(team_id: str) -> None:
    if team_id != TEAM_ID:
        raise Refused(404, f"Team {team_id} not found")
