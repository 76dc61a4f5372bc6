"""What all probes share: exchanges are kept, and what they mean is noted."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import anyio

from pipeline.api.exchange import Exchange, Exchanges
from pipeline.clock import parse_utc
from pipeline.contract.assumptions import BY_KEY
from pipeline.job import JsonValue

# Seconds are reported in these steps, so that two inquiries of one service agree.
STEPS_S = (2, 5, 10, 30, 60, 120, 600)
REFUSALS = 8  # of a free question, before it stays unanswered
REFUSED_S = 10.0
TOO_MANY = 429
CLIENT_ERRORS = 4  # hundreds
NOT_FOUND = 404
_JSON_KINDS = {bool: "boolean", int: "number", float: "float", str: "text"}


@dataclass(slots=True, kw_only=True)
class Known:
    """What one probe has found and others need.

    Attributes:
        shipped: The model's input names in the table shipped with us; empty if there is
            none.
        is_loopback: Whether the service, and so its files, are on this machine.
        inputs: The names of the model's inputs.
        asset_id: The uploaded asset, or "".
        author_id: The author of the upload, or "".
    """

    shipped: frozenset[str]
    is_loopback: bool
    inputs: frozenset[str] = frozenset()
    asset_id: str = ""
    author_id: str = ""


class Prober:
    """Asks, keeps the answers, and notes what they mean.

    Args:
        exchanges: The service, or a recording of it.
        model_id: The model to ask about.
        now: Returns the time, in UTC, as text for the contract file.
        interval_s: The time between two looks at something that changes.

    Attributes:
        kept: Every exchange, in order.
        seen: What was observed and when, by the key of its assumption.
        models: Records of models, by id.
    """

    def __init__(
        self,
        exchanges: Exchanges,
        model_id: str,
        *,
        now: Callable[[], str],
        interval_s: float,
    ) -> None:
        self._exchanges = exchanges
        self._now = now
        self.model_id = model_id
        self.interval_s = interval_s
        self.kept: list[Exchange] = []
        self.seen: dict[str, tuple[JsonValue, str]] = {}
        self.models: dict[str, Mapping[str, Any]] = {}

    def note(self, key: str, value: JsonValue) -> None:
        """Note what was observed; None if nothing was."""
        assert key in BY_KEY, key
        if value is not None:
            self.seen[key] = (value, self._now())

    def value(self, key: str) -> JsonValue:
        """What was observed; None if nothing was."""
        return self.seen[key][0] if key in self.seen else None

    async def get(self, path: str, **query: str) -> Exchange:
        """Read something from the API; retry later if there were too many requests."""
        return await self._ask("GET", path, None, query)

    async def post(
        self, path: str, body: Mapping[str, object], **query: str
    ) -> Exchange:
        """Send something free to the API; retry as for ``get``."""
        return await self._ask("POST", path, body, query)

    async def pay(self, path: str, body: Mapping[str, object]) -> Exchange:
        """Send something that costs money, only once, whatever the answer."""
        return self._keep(await self._exchanges.call("POST", path, body=body))

    async def read_at_once(self, count: int, path: str, **query: str) -> list[Exchange]:
        """Read something ``count`` times at once, ignoring the rate limit; in order."""
        answers = [Exchange(method="GET", target=path)] * count

        async def read(number: int) -> None:
            answers[number] = await self._exchanges.call(
                "GET", path, query=query, is_hasty=True
            )

        async with anyio.create_task_group() as group:
            for number in range(count):
                group.start_soon(read, number)
        return [self._keep(answer) for answer in answers]

    async def pay_at_once(
        self, path: str, bodies: Sequence[Mapping[str, object]]
    ) -> list[Exchange]:
        """Send bodies that cost money at once, each only once; the answers in order."""
        answers = [Exchange(method="POST", target=path)] * len(bodies)

        async def send(number: int) -> None:
            answers[number] = await self._exchanges.call(
                "POST", path, body=bodies[number]
            )

        async with anyio.create_task_group() as group:
            for number in range(len(bodies)):
                group.start_soon(send, number)
        return [self._keep(answer) for answer in answers]

    async def fetch(self, method: str, url: str, **headers: str) -> Exchange:
        """Read a signed URL."""
        return self._keep(await self._exchanges.fetch(method, url, headers=headers))

    async def pause(self) -> None:
        """Suspend for the time between two looks."""
        await self._exchanges.sleep(self.interval_s)

    async def list_jobs(self, **query: str) -> list[Mapping[str, Any]]:
        """One page of the job list; empty if there is none."""
        answer = await self.get("/jobs", **query)
        return objects_in(answer.json, "jobs")

    async def _ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None,
        query: Mapping[str, str],
    ) -> Exchange:
        for _ in range(REFUSALS):
            answer = await self._exchanges.call(method, path, query=query, body=body)
            self._keep(answer)
            if answer.status != TOO_MANY:
                break
            await self._exchanges.sleep(REFUSED_S)
        return answer

    def _keep(self, exchange: Exchange) -> Exchange:
        self.kept.append(exchange)
        return exchange


def accepted(exchange: Exchange) -> JsonValue:
    """``accepted``, or the 4xx status of a refusal; None for any other failure."""
    if exchange.is_ok:
        return "accepted"
    return exchange.status if exchange.status // 100 == CLIENT_ERRORS else None


def step_of(duration_s: float, looks: int = 2) -> int:
    """The step within which something happened; 0 if the first look saw it."""
    if looks == 1:
        return 0
    return next((step for step in STEPS_S if duration_s <= step), STEPS_S[-1])


def kind_of(value: object) -> str:
    """The kind of a JSON value."""
    return _JSON_KINDS.get(type(value), "absent" if value is None else "other")


def ratio_of(value: object, of: object) -> JsonValue:
    """The ratio of two prices; an int if it is whole, None if there is none."""
    if not isinstance(value, int | float) or not isinstance(of, int | float) or not of:
        return None
    ratio = round(value / of, 3)
    return int(ratio) if ratio == int(ratio) else ratio


def inner(answer: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    """An object inside an object; empty if there is none."""
    for key in keys:
        value = answer.get(key)
        answer = value if isinstance(value, dict) else {}
    return answer


def list_in(answer: Mapping[str, Any], key: str) -> list[Any]:
    """A list inside an object; empty if there is none."""
    value = answer.get(key)
    return value if isinstance(value, list) else []


def objects_in(answer: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """The objects in a list inside an object; other entries are skipped."""
    return [entry for entry in list_in(answer, key) if isinstance(entry, dict)]


def word_in(record: Mapping[str, Any], key: str) -> str:
    """A text inside an object; empty if there is none."""
    value = record.get(key)
    return value if isinstance(value, str) else ""


def time_in(record: Mapping[str, Any], key: str) -> datetime | None:
    """A time from the service, or None."""
    try:
        return parse_utc(str(record.get(key)))
    except ValueError:
        return None


def date_of(exchange: Exchange) -> datetime | None:
    """The ``Date`` header, or None."""
    try:
        return parsedate_to_datetime(exchange.headers.get("date", ""))
    except ValueError:
        return None
