"""The faults that can be injected, by name.

A name begins with the class of endpoints that the fault belongs to. A fault with
``-after`` lets the request take effect and spoils its answer; the others stop the
request before it takes effect. How a fault looks on the wire is left to
``fault_answers``.
"""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Effect(StrEnum):
    """What the client sees."""

    STATUS = "status"  # a JSON error
    HTML = "html"  # an HTML page of a gateway
    DROP = "drop"  # the connection is closed, no answer
    RESET = "reset"  # the connection is reset
    HANG = "hang"  # no answer for a long time
    TRUNCATED = "truncated"  # half of the body, then the connection closes
    GARBAGE = "garbage"  # 200 with malformed JSON
    NO_ID = "no-id"  # 2xx without the job's id
    COOLDOWN = "cooldown"  # 429 with remainingSeconds
    EMPTY_PAGE = "empty-page"  # an empty page with a token for the same place
    REPEATED_TOKEN = "repeated-token"  # noqa: S105 - the request's own token again
    ENDLESS = "endless"  # a token on every page, even the last
    DENIED = "denied"  # the CDN's 403 in XML
    LONGER = "longer"  # more bytes than the file has
    WRONG_BYTES = "wrong-bytes"  # the right number of bytes, some of them wrong
    REDIRECT = "redirect"  # 302 to a foreign host
    SLOW = "slow"  # the body, very slowly


@dataclass(frozen=True, slots=True, kw_only=True)
class InjectedFault:
    """One thing that can go wrong with a request.

    Attributes:
        name: As in ``--fault NAME=P``.
        endpoint: The class of endpoints it belongs to.
        effect: What the client sees.
        after: The request takes effect first.
        status: The HTTP status, if there is one.
    """

    name: str
    endpoint: str
    effect: Effect
    after: bool = False
    status: int = 0


READS: Mapping[str, tuple[Effect, int]] = {
    "401": (Effect.STATUS, 401),
    "404": (Effect.STATUS, 404),
    "408": (Effect.STATUS, 408),
    "409": (Effect.STATUS, 409),
    "429": (Effect.STATUS, 429),
    "500": (Effect.STATUS, 500),
    "502-html": (Effect.HTML, 502),
    "503": (Effect.STATUS, 503),
    "504": (Effect.STATUS, 504),
    "drop": (Effect.DROP, 0),
    "reset": (Effect.RESET, 0),
    "hang": (Effect.HANG, 0),
    "truncated": (Effect.TRUNCATED, 0),
    "garbage": (Effect.GARBAGE, 0),
}
READ_ENDPOINTS = (
    "quote",
    "poll",
    "list",
    "bulk",
    "asset",
    "model",
    "account",
    "upload",
)
RESHAPING = frozenset({Effect.TRUNCATED, Effect.GARBAGE})
SUBMITS: Mapping[str, tuple[Effect, int, bool]] = {
    "400-after": (Effect.STATUS, 400, True),
    "401": (Effect.STATUS, 401, False),
    "401-after": (Effect.STATUS, 401, True),
    "402": (Effect.STATUS, 402, False),
    "402-after": (Effect.STATUS, 402, True),
    "403": (Effect.STATUS, 403, False),
    "403-after": (Effect.STATUS, 403, True),
    "404-after": (Effect.STATUS, 404, True),
    "413-after": (Effect.STATUS, 413, True),
    "422-after": (Effect.STATUS, 422, True),
    "429": (Effect.STATUS, 429, False),
    "429-after": (Effect.STATUS, 429, True),
    "503": (Effect.STATUS, 503, False),
    "cooldown": (Effect.COOLDOWN, 429, False),
    "500-before": (Effect.STATUS, 500, False),
    "500-after": (Effect.STATUS, 500, True),
    "502-html-after": (Effect.HTML, 502, True),
    "504-before": (Effect.STATUS, 504, False),
    "504-after": (Effect.STATUS, 504, True),
    "html-502": (Effect.HTML, 502, False),
    "408": (Effect.STATUS, 408, False),
    "408-after": (Effect.STATUS, 408, True),
    "409": (Effect.STATUS, 409, False),
    "409-after": (Effect.STATUS, 409, True),
    "drop-before": (Effect.DROP, 0, False),
    "drop-after": (Effect.DROP, 0, True),
    "reset-before": (Effect.RESET, 0, False),
    "reset-after": (Effect.RESET, 0, True),
    "hang-before": (Effect.HANG, 0, False),
    "hang-after": (Effect.HANG, 0, True),
    "truncated": (Effect.TRUNCATED, 0, True),
    "garbage": (Effect.GARBAGE, 0, True),
    "no-id": (Effect.NO_ID, 0, True),
}
LISTS: Mapping[str, Effect] = {
    "empty-page": Effect.EMPTY_PAGE,
    "repeated-token": Effect.REPEATED_TOKEN,
    "endless": Effect.ENDLESS,
}
FILES: Mapping[str, tuple[Effect, int]] = {
    "403": (Effect.DENIED, 403),
    "404": (Effect.DENIED, 404),
    "429": (Effect.DENIED, 429),
    "500": (Effect.HTML, 500),
    "503": (Effect.HTML, 503),
    "drop": (Effect.DROP, 0),
    "reset": (Effect.RESET, 0),
    "hang": (Effect.HANG, 0),
    "truncated": (Effect.TRUNCATED, 0),
    "longer": (Effect.LONGER, 0),
    "wrong-bytes": (Effect.WRONG_BYTES, 0),
    "redirect": (Effect.REDIRECT, 302),
    "slow": (Effect.SLOW, 0),
}
PARTS: Mapping[str, tuple[Effect, int]] = {
    "403": (Effect.DENIED, 403),
    "500": (Effect.HTML, 500),
    "503": (Effect.HTML, 503),
    "drop": (Effect.DROP, 0),
    "reset": (Effect.RESET, 0),
    "hang": (Effect.HANG, 0),
}


def _all_faults() -> Iterator[InjectedFault]:
    for word, (effect, status, after) in SUBMITS.items():
        yield InjectedFault(
            name=f"submit-{word}",
            endpoint="submit",
            effect=effect,
            after=after,
            status=status,
        )
    for endpoint in READ_ENDPOINTS:
        for word, (effect, status) in READS.items():
            yield InjectedFault(
                name=f"{endpoint}-{word}",
                endpoint=endpoint,
                effect=effect,
                after=effect in RESHAPING,
                status=status,
            )
    for word, effect in LISTS.items():
        yield InjectedFault(
            name=f"list-{word}", endpoint="list", effect=effect, after=True
        )
    for word in ("drop", "hang", "500"):
        effect, status = READS[word]
        yield InjectedFault(
            name=f"upload-{word}-after",
            endpoint="upload",
            effect=effect,
            after=True,
            status=status,
        )
    for endpoint, table in (("cdn", FILES), ("part", PARTS)):
        for word, (effect, status) in table.items():
            yield InjectedFault(
                name=f"{endpoint}-{word}",
                endpoint=endpoint,
                effect=effect,
                status=status,
            )


FAULTS: Mapping[str, InjectedFault] = {fault.name: fault for fault in _all_faults()}


def find_fault(name: str) -> InjectedFault:
    """The fault of this name.

    Raises:
        ValueError: There is none; the text names the closest one.
    """
    if name in FAULTS:
        return FAULTS[name]
    near = difflib.get_close_matches(name, FAULTS, n=1, cutoff=0.5)
    if near:
        raise ValueError(f"unknown fault '{name}'; did you mean '{near[0]}'?")
    endpoints = sorted({fault.endpoint for fault in FAULTS.values()})
    raise ValueError(
        f"unknown fault '{name}'; names begin with one of: {', '.join(endpoints)}"
    )


def parse_fault_rate(text: str) -> tuple[str, float]:
    """Read ``NAME=P``, such as ``poll-500=0.1``.

    Raises:
        ValueError: No such fault, or ``P`` is no probability from 0 to 1.
    """
    name, equals, number = text.partition("=")
    name = find_fault(name.strip()).name
    if not equals:
        raise ValueError(f"'{text}' has no probability; write '{name}=0.1'")
    try:
        probability = float(number)
    except ValueError as error:
        raise ValueError(f"'{number}' is no number; write '{name}=0.1'") from error
    if not 0 <= probability <= 1:
        raise ValueError(f"'{number}' is no probability; write a number from 0 to 1")
    return name, probability
