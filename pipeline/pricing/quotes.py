"""Quotes: an item's exact payload → its price; each distinct price is asked for once.

A dry run is free, so it is retried until a deadline. An answer that is not a quote
stops the run, because money may have been spent.
"""

from collections.abc import Mapping
from contextlib import suppress

import anyio

from pipeline.api.interface import GenerationApi, Quote, UnexpectedJob
from pipeline.api.retry import retry_free
from pipeline.clock import Clock
from pipeline.errors import BudgetReached, Rejected
from pipeline.job import JsonValue, ParamValue
from pipeline.planning import PlannedItem
from pipeline.settings import Settings
from pipeline.stages.uploader import Uploader


class Quotes:
    """Asks for prices and keeps them for this run.

    Args:
        api: The service.
        clock: The clock to use.
        settings: How long a free call is retried.
        uploader: Uploads the references that a payload names.

    Attributes:
        asked: How many prices the service was asked for.
    """

    def __init__(
        self,
        api: GenerationApi,
        clock: Clock,
        settings: Settings,
        *,
        uploader: Uploader,
    ) -> None:
        self._api = api
        self._clock = clock
        self._settings = settings
        self._uploader = uploader
        self._known: dict[str, Quote] = {}
        self._asking: dict[str, anyio.Event] = {}
        self._first = anyio.Lock()
        self._has_quoted = False
        self._found_unexpected = False
        self.asked = 0

    def find(self, cost_key: str) -> Quote | None:
        """The price of all items with this cost key; None if it is not known."""
        return self._known.get(cost_key)

    async def price(self, planned: PlannedItem) -> Quote:
        """The price of an item; the service is asked once per cost key.

        Raises:
            Rejected: The service refuses the request.
            AccessDenied, BudgetReached: The service does not allow the request now.
            UnexpectedJob: The answer is not a quote.
            JobError: A reference cannot be uploaded, or no answer until the deadline.
        """
        key = planned.cost_key
        while key not in self._known:
            if key in self._asking:
                await self._asking[key].wait()
                continue
            self._asking[key] = anyio.Event()
            try:
                self._known[key] = await self._ask(planned)
            except UnexpectedJob as unexpected:
                unexpected.item_id = planned.item.item_id
                raise
            finally:
                self._asking.pop(key).set()
        return self._known[key]

    async def _ask(self, planned: PlannedItem) -> Quote:
        *others, last = planned.priced_as
        for form in others:
            with suppress(Rejected):
                return await self._ask_as(planned, form)
        return await self._ask_as(planned, last)

    async def _ask_as(
        self, planned: PlannedItem, params: Mapping[str, ParamValue]
    ) -> Quote:
        renewal = self._uploader.renewal_of(params)
        while True:
            inputs = await self._uploader.inputs_of(params)
            try:
                return await self._ask_with(planned, inputs)
            except Rejected as error:
                if not renewal.may_help(error, inputs):
                    raise
            await renewal.renew()

    async def _ask_with(
        self, planned: PlannedItem, inputs: Mapping[str, JsonValue]
    ) -> Quote:
        model_id = planned.item.model_id
        has_answered = self._api.answered_at_s is not None
        self.asked += 1
        try:
            return await retry_free(
                lambda: self._quote(model_id, inputs),
                clock=self._clock,
                deadline_s=self._settings.free_deadline_s
                if has_answered
                else self._settings.first_contact_s,
            )
        except UnexpectedJob as unexpected:
            unexpected.inputs = inputs
            raise

    async def _quote(self, model_id: str, inputs: Mapping[str, JsonValue]) -> Quote:
        """Ask for a quote; one at a time until the first one is answered as a dry run.

        If the service treats dry runs as submits, this starts only one job.
        """
        if not self._has_quoted:
            async with self._first:
                if not self._has_quoted:
                    quote = await self._ask_service(model_id, inputs)
                    self._has_quoted = True
                    return quote
        return await self._ask_service(model_id, inputs)

    async def _ask_service(
        self, model_id: str, inputs: Mapping[str, JsonValue]
    ) -> Quote:
        if self._found_unexpected:
            raise BudgetReached("no more quotes: a dry run may have started a job")
        try:
            return await self._api.quote(model_id, inputs)
        except UnexpectedJob:
            self._found_unexpected = True
            raise
