"""Answers and aiohttp's errors → our errors: the tables of API section 10. Pure.

Free calls and submits differ in one point: unless an error proves that nothing was
accepted, a submit becomes an ``OutcomeUnknown``.
"""

import asyncio
import math
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp

from pipeline.api.proxy import proxy_hint, shown_proxy
from pipeline.api.wire import CREDIT_WORDS, MODERATION_WORDS
from pipeline.errors import (
    AccessDenied,
    BudgetReached,
    JobError,
    OutcomeUnknown,
    PipelineError,
    RateLimited,
    Rejected,
    Unavailable,
    UnexpectedAnswer,
)

REFUSED_STATUSES = frozenset({400, 404, 413, 422})
_UNPAID_STATUSES = REFUSED_STATUSES | {403}  # 403: moderation of one prompt
# Distinguishes a refusal for too many requests from one for too many jobs, if no number
# does.
_REQUEST_WORDS = re.compile(
    r"too many requests|rate.?limit|requests? (?:per|a) (?:second|minute|hour)"
    r"|throttl|slow down",
    re.IGNORECASE,
)
_LONGEST_WAIT_S = 30 * 86_400.0  # anything longer is not a usable time
_LONGEST_OUTAGE_S = 60.0  # after a 5xx, whose end nobody can predict
_LONGEST_TEXT = 2000  # characters of the service's text that are worth keeping

# What ``session.request`` raises before a connection exists: nothing was sent.
_NEVER_CONNECTED = (
    aiohttp.ClientConnectorError,
    aiohttp.ClientHttpProxyError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.ServerFingerprintMismatch,
    aiohttp.InvalidURL,
)


class ErrorText:
    """What an error body says, whichever fields it uses.

    Attributes:
        reason: The main text, or "".
        hint: Advice, or "".
        trace_id: For the service's support, or "".
        fields: The whole object; empty if the body is not one.
    """

    def __init__(self, body: Mapping[str, Any] | None, raw: bytes) -> None:
        self.fields: Mapping[str, Any] = body or {}
        nested = self.fields.get("error")
        inner = nested if isinstance(nested, dict) else {}
        self.reason = _first(
            self.fields, "reason", "message", "error", "detail"
        ) or _first(inner, "reason", "message", "detail")
        self.hint = _first(self.fields, "hint") or _first(inner, "hint")
        self.trace_id = _first(self.fields, "trace_id", "traceId")
        if not self.reason and body is None:
            self.reason = readable_excerpt(raw)


def error_of_answer(  # noqa: PLR0911 - the table of statuses, one return each
    status: int,
    body: Mapping[str, Any] | None,
    raw: bytes,
    headers: Mapping[str, str],
    *,
    what: str,
) -> PipelineError:
    """What an answer other than 2xx means for a free call.

    Args:
        status: The HTTP status.
        body: The JSON object, or None if the body is not one.
        raw: The body as received.
        headers: The answer's headers.
        what: What was requested, for the message, such as ``reading job job_x``.
    """
    text = ErrorText(body, raw)
    trace_id = text.trace_id
    trace = f", trace {trace_id}" if trace_id else ""
    said = f"{what}: {text.reason or 'no reason given'} (HTTP {status}{trace})"
    if status == 402:
        return BudgetReached(said, hint="buy or wait for credit, then run again")
    if status == 429:
        return _rate_limited(text, headers, said)
    if status in {401, 403}:
        if status == 403 and CREDIT_WORDS.search(text.reason):
            return BudgetReached(said, hint="buy or wait for credit, then run again")
        if status == 403 and MODERATION_WORDS.search(text.reason):
            return Rejected(said, status=status, hint=text.hint, trace_id=trace_id)
        return AccessDenied(said, hint=_access_hint(status, text), status=status)
    if status in REFUSED_STATUSES or (400 <= status < 500 and status not in {408, 409}):
        return Rejected(said, status=status, hint=text.hint, trace_id=trace_id)
    return Unavailable(
        said,
        status=status,
        retry_after_s=min(_retry_after_s(headers), _LONGEST_OUTAGE_S),
        trace_id=trace_id,
    )


def error_of_submit(error: PipelineError) -> PipelineError:
    """What the error of an answer means if the call was a submit.

    Only 400, 404, 413, 422 (refused), 401, 402, 403, 429 (refused for now), and a
    request that was never sent prove that nothing was paid for.
    """
    if isinstance(error, Rejected) and error.status not in _UNPAID_STATUSES:
        return _unknown(error)
    if isinstance(error, Unavailable) and not isinstance(error, RateLimited):
        return _unknown(error) if error.request_left else error
    if isinstance(error, UnexpectedAnswer):
        return _unknown(error)
    return error


def error_of_exchange(
    error: Exception, *, what: str, request_left: bool, proxy: str | None = None
) -> Unavailable:
    """What a broken exchange means: every aiohttp client error and timeout.

    Args:
        error: The error that aiohttp raised.
        what: What was requested, for the message.
        request_left: False if something else proves that no byte was sent.
        proxy: The URL of the proxy in use, or None. The message names it, so that its
            failure is not taken for the service's.
    """
    left = request_left and not isinstance(error, _NEVER_CONNECTED)
    status = 0
    named = f"the proxy {shown_proxy(proxy)}" if proxy else "the proxy"
    if isinstance(error, aiohttp.ClientHttpProxyError):
        status = error.status
        text = f"{named} answered HTTP {status} {error.message}"
    elif isinstance(error, asyncio.TimeoutError):
        text = "no connection in time" if not left else "no answer in time"
    else:
        text = str(error) or type(error).__name__
    hint = proxy_hint(status) if proxy else ""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        hint = "if a proxy intercepts TLS, set SSL_CERT_FILE to its certificate"
    through = f", through {named}" if proxy and not status else ""
    return Unavailable(f"{what}: {text}{through}", request_left=left, hint=hint)


def readable_excerpt(raw: bytes) -> str:
    """The beginning of a body that is not JSON, without markup."""
    text = re.sub(r"<[^>]*>", " ", raw[:4000].decode("utf-8", "replace"))
    return " ".join(text.split())[:200]


def _rate_limited(
    text: ErrorText, headers: Mapping[str, str], said: str
) -> PipelineError:
    details = text.fields.get("details")
    if not isinstance(details, dict):
        details = {}
    ceiling = _count(details.get("actionLimit"))
    remaining_s = _positive(text.fields.get("remainingSeconds"))
    is_about_requests = (
        ceiling is None
        and not remaining_s
        and _REQUEST_WORDS.search(text.reason) is not None
    )
    is_unexplained = ceiling is None and not remaining_s and not is_about_requests
    if is_unexplained and CREDIT_WORDS.search(text.reason):
        return BudgetReached(said, hint="buy or wait for credit, then run again")
    return RateLimited(
        said,
        ceiling=ceiling,
        in_flight=_count(details.get("actionValue")),
        scope=_first(details, "limitScope"),
        retry_after_s=remaining_s or _retry_after_s(headers),
        is_about_requests=is_about_requests,
        trace_id=text.trace_id,
    )


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _retry_after_s(headers: Mapping[str, str]) -> float:
    """``Retry-After`` in seconds, also if it is a date; 0 if there is none."""
    said = headers.get("Retry-After")
    if said is None or _positive(said):
        return _positive(said)
    try:
        until = parsedate_to_datetime(said)
        return _positive(
            (until - parsedate_to_datetime(headers["Date"])).total_seconds()
        )
    except (KeyError, ValueError, TypeError):
        return 0.0


def _positive(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return 0.0
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return 0.0
    return min(number, _LONGEST_WAIT_S) if 0 < number < math.inf else 0.0


def _access_hint(status: int, text: ErrorText) -> str:
    if status == 401:
        return "check SCENARIO_SDK_API_KEY and SCENARIO_SDK_API_SECRET"
    if text.fields.get("name") == "ModelAccessRestrictedError":
        details = text.fields.get("details")
        plans = details if isinstance(details, dict) else text.fields
        needed, ours = _first(plans, "requiredPlan"), _first(plans, "currentPlan")
        named = f" ({needed})" if needed else ""
        yours = f", yours is {ours}" if ours else ""
        return f"the model needs a higher plan{named}{yours}; choose another model"
    return text.hint or "check the key's scope and its project"


def _unknown(error: JobError) -> OutcomeUnknown:
    return OutcomeUnknown(error.message, trace_id=error.trace_id)


def _first(fields: Mapping[str, Any], *keys: str) -> str:
    for key in keys:
        value = fields.get(key)
        if isinstance(value, str) and value.strip():
            return value.strip()[:_LONGEST_TEXT]
    return ""
