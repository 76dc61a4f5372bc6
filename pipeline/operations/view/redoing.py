"""Redoing: takes that are made again from a page, one run at a time.

A price is reserved before anything is sent. What is asked for while a run goes on is
made by the next one, because only one run at a time may hold the output folder.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from pipeline.clock import Clock
from pipeline.errors import ExitCode, PipelineError, PlanMoved
from pipeline.naming import TAKE_MARK, take_id
from pipeline.operations.event_fields import done_fields, event_fields
from pipeline.operations.redo import NewTake, estimate_redo, redo
from pipeline.operations.view.deciding import refused
from pipeline.operations.view.spending import QUOTE_LASTS_S, Quote, Quotes, Spending
from pipeline.output.folder import open_for_reading
from pipeline.pricing import Estimate
from pipeline.pricing.budget import budget_of, smaller
from pipeline.record import Struct
from pipeline.report.gallery.data import GalleryItem
from pipeline.report.review.refused import Refused
from pipeline.running.events import Event, JobChanged
from pipeline.running.joint import JointRun
from pipeline.running.result import RunResult
from pipeline.settings import Credentials, Settings
from pipeline.units import units_number

_STOPPING = "the server is about to stop, so nothing more is submitted"


@dataclass(frozen=True, slots=True, kw_only=True)
class RedoOptions:
    """What a redo and its price have in common; as for :func:`run`."""

    manifest: str | os.PathLike[str]
    output: Path
    store: str = ""
    emulate: bool
    allow_outside: bool
    profile: str
    settings: Settings
    clock: Clock
    credentials: Credentials | None = None

    @property
    def named(self) -> dict[str, Any]:
        """All but the manifest and the settings, as named arguments."""
        return {
            "output": self.output,
            "store": self.store,
            "emulate": self.emulate,
            "allow_outside": self.allow_outside,
            "profile": self.profile,
            "credentials": self.credentials,
            "clock": self.clock,
        }


class Order(Struct, frozen=True, kw_only=True):
    """A take that is to be made again.

    Attributes:
        item: The id of the item.
        take: The number of the take.
        meant: How a command names the take.
        units: What is reserved for it.
    """

    item: str
    take: int
    meant: str
    units: Decimal


class Redos:
    """Carries out the redos of one manifest.

    Args:
        options: How they are carried out.
        spending: What they may cost, with those of other manifests.
        tell: Sends the events of a run to the pages.

    Attributes:
        spending: As given.
        exit_code: That of the run that a stop has ended; OK without one.
    """

    def __init__(
        self,
        options: RedoOptions,
        spending: Spending,
        *,
        tell: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self._options = options
        self.spending = spending
        self._tell = tell
        self._quotes = Quotes()
        self._pricing = anyio.Lock()
        self._orders: list[Order] = []
        self._in_hand: set[tuple[str, int]] = set()
        self._changed = anyio.Event()
        self._run: JointRun | None = None
        self._unpaid: set[anyio.CancelScope] = set()
        self._is_stopping = False
        self.exit_code = ExitCode.OK

    # --- prices and orders ----------------------------------------------------

    async def price(self, item: GalleryItem, take: int) -> dict[str, Any]:
        """What a redo would cost, what is left, and a quote.

        Raises:
            Refused: It cannot be made again, or has no price.
        """
        self._check_going()
        self._check_free(item, take)
        options = self._options
        estimate: Estimate | None = None
        try:
            with self._until_stop():
                async with self._pricing:
                    estimate = await estimate_redo(
                        options.manifest,
                        [_meant(item, take)],
                        settings=options.settings,
                        **options.named,
                    )
        except PipelineError as error:
            raise refused(error, what="ask") from error
        if estimate is None:
            raise Refused(503, _STOPPING)
        cost = estimate.cost
        if cost is None or cost.unpriced or not cost.units:
            reasons = (*estimate.notes, *(cost.problems if cost is not None else ()))
            raise Refused(
                409,
                f"the service gives no price for this: {'; '.join(reasons)}"
                if reasons
                else "the service gives no price for this",
                f"pipeline redo {options.manifest} {_meant(item, take)}",
            )
        name = self._quotes.add(
            Quote(
                item=item.id,
                take=take,
                units=cost.units,
                until_s=options.clock.monotonic_s() + QUOTE_LASTS_S,
            )
        )
        return {
            "units": units_number(cost.units),
            "left": units_number(self.spending.left),
            "quote": name,
        }

    def accept(
        self, item: GalleryItem, take: int, *, quote: str, units: float
    ) -> dict[str, Any]:
        """Reserve the price of a redo, and start it in the background.

        The same quote a second time changes nothing.

        Raises:
            Refused: It is not started; with 402 if it costs more than what is left.
        """
        found = self._quotes.find(
            quote,
            item=item.id,
            take=take,
            units=units,
            now_s=self._options.clock.monotonic_s(),
        )
        if not found.is_used:
            self._check_going()
            self._check_free(item, take)
            self.spending.reserve(found.units)
            found.is_used = True
            self._in_hand.add((item.id, take))
            self._orders.append(
                Order(
                    item=item.id,
                    take=take,
                    meant=_meant(item, take),
                    units=found.units,
                )
            )
            self._wake()
        return {"left": units_number(self.spending.left)}

    def _check_going(self) -> None:
        if self._is_stopping:
            raise Refused(503, _STOPPING)

    def _check_free(self, item: GalleryItem, take: int) -> None:
        if (item.id, take) in self._in_hand:
            raise Refused(409, f"take {take} of {item.id} is being made again")

    # --- runs -----------------------------------------------------------------

    async def work(self) -> None:
        """Carry out what is asked for, until a stop has ended the last run."""
        while not self._is_stopping:
            if self._orders:
                orders, self._orders = self._orders, []
                await self._carry_out(orders)
            else:
                await self._changed.wait()
        for order in self._orders:
            self.exit_code = ExitCode.INTERRUPTED
            self.spending.settle(order.units, Decimal(0))

    def stop(self) -> float:
        """Submit nothing more; what is paid for is collected.

        Returns:
            The longest time that this takes, in seconds; 0 if there is nothing.
        """
        self._is_stopping = True
        self._wake()
        for scope in self._unpaid:
            scope.cancel()
        return 0.0 if self._run is None else self._run.stop()

    def abandon(self) -> None:
        """Leave at once; the ledger knows which jobs are in flight."""
        if self._run is not None:
            self._run.abandon()

    @property
    def in_flight(self) -> int:
        """How many jobs the service is working on."""
        return 0 if self._run is None else self._run.in_flight

    async def _carry_out(self, orders: Sequence[Order]) -> None:
        options = self._options
        reserved = sum((order.units for order in orders), Decimal(0))
        has_begun = False
        made: set[str] = set()
        refunds: dict[tuple[str, int], Decimal] = {}
        result: RunResult | None = None
        code = ExitCode.BUG

        def approve(estimate: Estimate) -> None:
            nonlocal has_begun
            check_price(estimate, reserved)
            has_begun = True

        def note_takes(takes: Sequence[NewTake]) -> None:
            made.update(take_id(one.item_id, one.take) for one in takes)

        def listen(event: Event) -> None:
            if isinstance(event, JobChanged) and event.item_id in made:
                refunds[event.item_id, event.attempt] = event.refunded or Decimal(0)
            self._pass_on(event)

        def begin(run: JointRun) -> None:
            self._run = run
            self._unpaid.discard(scope)  # from now on, a stop collects
            if self._is_stopping:
                run.stop()

        try:
            with self._until_stop() as scope:
                result = await redo(
                    options.manifest,
                    [order.meant for order in orders],
                    settings=await self._settings_for(reserved),
                    approve=approve,
                    on_event=listen,
                    on_takes=note_takes,
                    on_start=begin,
                    **options.named,
                )
            code = ExitCode.INTERRUPTED if result is None else result.exit_code
        except PipelineError as error:
            code = error.exit_code
            text = "; ".join(filter(None, (error.message, error.hint)))
            self._tell({"event": "warning", "message": text, "item_id": orders[0].item})
        finally:
            self._run = None
            self._in_hand -= {(order.item, order.take) for order in orders}
            refunded = sum(refunds.values(), Decimal(0))
            spent = spent_of(result, reserved, refunded=refunded, has_begun=has_begun)
            self.spending.settle(reserved, spent)
            if self._is_stopping:
                self.exit_code = code
            self._tell(done_fields(result, code))

    @property
    def is_at_work(self) -> bool:
        """Whether a redo is ordered or under way."""
        return bool(self._in_hand)

    @contextmanager
    def _until_stop(self) -> Iterator[anyio.CancelScope]:
        """A block in which nothing has been paid for yet: a stop cancels it."""
        with anyio.CancelScope() as scope:
            self._unpaid.add(scope)
            try:
                yield scope
            finally:
                self._unpaid.discard(scope)

    def _pass_on(self, event: Event) -> None:
        fields = event_fields(event)
        if fields is not None:
            self._tell(fields)

    async def _settings_for(self, reserved: Decimal) -> Settings:
        """With a limit on what all jobs of the ledger may cost after this run."""
        taken = await anyio.to_thread.run_sync(partial(_find_taken, self._options))
        settings = self._options.settings
        return replace(settings, max_cost=smaller(settings.max_cost, taken + reserved))

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


def check_price(estimate: Estimate, reserved: Decimal) -> None:
    """Refuse a run that costs more than what was agreed to.

    Raises:
        PlanMoved: It does.
    """
    cost = estimate.cost
    if cost is not None and not cost.unpriced and cost.units <= reserved:
        return
    now = "not known" if cost is None or cost.unpriced else f"{cost.units:,f} units"
    raise PlanMoved(
        f"the price is {now} now, not {reserved:,f}: nothing is submitted",
        hint="ask for the price again",
    )


def spent_of(
    result: RunResult | None,
    reserved: Decimal,
    *,
    refunded: Decimal,
    has_begun: bool,
) -> Decimal:
    """What a run has taken of the ceiling; all of it where that is not certain.

    A run also collects what earlier ones have left. Their refunds give nothing back.

    Args:
        result: None for a run that ended with an error.
        reserved: What was reserved for it.
        refunded: What was given back for its own takes.
        has_begun: Whether it could submit anything.
    """
    if not has_begun:
        return Decimal(0)
    if result is None:
        return reserved
    net = result.cost.charged - refunded
    return max(net, reserved) if result.counts.get("unknown") else net


def _find_taken(options: RedoOptions) -> Decimal:
    with open_for_reading(options.output) as ledger:
        return budget_of(ledger, Decimal(0)).taken


def _meant(item: GalleryItem, take: int) -> str:
    """How a command names a take."""
    wanted = [one.number for one in item.takes if one.is_wanted]
    # There, the number after ``@`` is that of an output.
    if item.chooses and wanted == [take]:
        return item.id
    return f"{item.id}{TAKE_MARK}{take}"
