"""Signs URLs in CloudFront's style, and checks the signatures of requests.

The CDN's files and the targets of upload parts have signed URLs. A policy covers the
path and the query with which it was made; further parameters may be appended.
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
# The last day of the month on which a URL gets this window, and the day of the month on
# which the URL expires; 0 is the end of the month.
WINDOWS = ((7, 14), (14, 21), (21, 0))
NEXT_MONTH_DAY = 7


class Verdict(StrEnum):
    """What the check of a signed URL has found."""

    OPEN = "open"
    EXPIRED = "expired"
    ALTERED = "altered"  # not a URL that was signed here


class Signer:
    """Signs paths, and recognizes its own signatures.

    Args:
        secret: The signing key.
    """

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def query(self, path: str, expires_ms: int) -> str:
        """The query string that makes this path readable for a time.

        Args:
            path: The path, or a path and query with which the URL must begin.
            expires_ms: When the URL expires.
        """
        condition = {"DateLessThan": {"AWS:EpochTime": expires_ms // MS_PER_S}}
        statement = {"Resource": f"{path}*", "Condition": condition}
        text = json.dumps({"Statement": [statement]}, separators=(",", ":"))
        policy = _to_url(base64.b64encode(text.encode()).decode())
        signature = self._signature(policy)
        return f"Policy={policy}&Signature={signature}&Key-Pair-Id={KEY_PAIR_ID}"

    def judge(self, url: str, query: Mapping[str, str], now_ms: int) -> Verdict:
        """Check the signature of a requested URL.

        Args:
            url: The path and query, as received.
            query: The parameters of the query.
            now_ms: The present moment.
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
    """When a URL made now expires, by the service's windows of the month."""
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
