"""Paths in, signed queries out; in the fashion of CloudFront, checked on return.

Covers the CDN's files and the targets of upload parts. The policy covers the path and
the query it is made with, so further parameters may be appended.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum

from pipeline.emulator.timeline import MS_PER_S

KEY_PAIR_ID = "K3EMULATORKEYPAIR"
DAY_S = 24 * 3600
# Last day of the month in which the URL is made, and the day on which it ends.
WINDOWS = ((7, 14), (14, 21), (21, 0))
NEXT_MONTH_DAY = 7


class Verdict(StrEnum):
    """What a signed URL is good for."""

    OPEN = "open"
    EXPIRED = "expired"
    ALTERED = "altered"  # it was never made like this


class Signer:
    """Signs paths and knows its own signatures again.

    Args:
        secret: What the signatures depend on.
    """

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def query(self, path: str, expires_ms: int) -> str:
        """The query string which makes this path readable until then.

        Args:
            path: The path, or with a query what the URL has to begin with.
            expires_ms: Until when.
        """
        condition = {"DateLessThan": {"AWS:EpochTime": expires_ms // MS_PER_S}}
        statement = {"Resource": f"{path}*", "Condition": condition}
        text = json.dumps({"Statement": [statement]}, separators=(",", ":"))
        policy = _to_url(base64.b64encode(text.encode()).decode())
        signature = self._signature(policy)
        return f"Policy={policy}&Signature={signature}&Key-Pair-Id={KEY_PAIR_ID}"

    def judge(self, url: str, query: Mapping[str, str], now_ms: int) -> Verdict:
        """What this URL is good for now.

        Args:
            url: Path and query, as they came.
            query: The parameters of the query.
            now_ms: Now.
        """
        policy = query.get("Policy", "")
        if query.get("Key-Pair-Id") != KEY_PAIR_ID:
            return Verdict.ALTERED
        signature = query.get("Signature", "").encode()
        if not hmac.compare_digest(signature, self._signature(policy).encode()):
            return Verdict.ALTERED
        try:
            statement = json.loads(base64.b64decode(_from_url(policy)))["Statement"][0]
        except (binascii.Error, ValueError, KeyError):
            return Verdict.ALTERED
        covered = statement["Resource"].removesuffix("*")
        if not url.startswith((f"{covered}?", f"{covered}&")):
            return Verdict.ALTERED
        expires_s = statement["Condition"]["DateLessThan"]["AWS:EpochTime"]
        return Verdict.OPEN if now_ms < expires_s * MS_PER_S else Verdict.EXPIRED

    def _signature(self, policy: str) -> str:
        digest = hmac.new(self._secret, policy.encode(), hashlib.sha256).digest()
        return _to_url(base64.b64encode(digest * 4).decode())


def window_end_ms(now_ms: int) -> int:
    """When a URL made now expires: the rolling window by day of the month."""
    now = datetime.fromtimestamp(now_ms / MS_PER_S, UTC)
    month = datetime(now.year, now.month, 1, tzinfo=UTC)
    following = datetime(now.year + now.month // 12, now.month % 12 + 1, 1, tzinfo=UTC)
    start, days = following, NEXT_MONTH_DAY
    for last_day, end_day in WINDOWS:
        if now.day <= last_day:
            start, days = (month, end_day) if end_day else (following, 0)
            break
    return (int(start.timestamp()) + days * DAY_S - 1) * MS_PER_S


def _to_url(text: str) -> str:
    return text.replace("+", "-").replace("=", "_").replace("/", "~")


def _from_url(text: str) -> str:
    return text.replace("-", "+").replace("_", "=").replace("~", "/")
