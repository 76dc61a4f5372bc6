"""Cost: groups of items and their quotes → the exact cost of a plan."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal

import anyio

from pipeline.api.interface import Quote, UnexpectedJob
from pipeline.counting import items_and_jobs, plural
from pipeline.errors import (
    AccessDenied,
    BudgetReached,
    JobError,
    PipelineError,
    RateLimited,
    Unavailable,
)
from pipeline.planning import Plan, PlannedItem
from pipeline.pricing.budget import left_of
from pipeline.pricing.groups import CostGroup, CostGroups
from pipeline.pricing.limits import unreachable
from pipeline.pricing.quotes import Quotes
from pipeline.record import Struct, field
from pipeline.report.notebook import Row, render_table
from pipeline.settings import Service
from pipeline.stages.uploader import references_in
from pipeline.storage.regular_file import RegularFile

ASKED_AT_A_TIME = 8
_WRONG_KEY = 401


class Share(Struct, frozen=True, kw_only=True):
    """The items of one model or template, and what they cost.

    Attributes:
        items: How many will be paid for.
        units: Compute units of the items that have a price.
    """

    items: int = 0
    units: Decimal = Decimal(0)

    def __add__(self, other: "Share") -> "Share":
        return Share(items=self.items + other.items, units=self.units + other.units)


class Cost(Struct, frozen=True, kw_only=True):
    """What a plan costs, by the service's quotes.

    Attributes:
        units: Compute units in total, add-ons included.
        waiting: Of ``units``, those of items that wait for others. They are bounds:
            priced with a placeholder, and charged only if the item has to be made.
        addons: Of ``units``, the units of each add-on, such as ``quality-gate``.
        items: How many items will be paid for.
        files: How many files they request.
        by_model: Shares by model id.
        by_template: Shares by the ``id`` as written in the manifest.
        by_key: The price of one item, by cost key.
        unpriced: Items without a price.
        problems: Why they have none; one sentence each.
    """

    units: Decimal = Decimal(0)
    waiting: Decimal = Decimal(0)
    addons: Mapping[str, Decimal] = field(default_factory=dict)
    items: int = 0
    files: int = 0
    by_model: Mapping[str, Share] = field(default_factory=dict)
    by_template: Mapping[str, Share] = field(default_factory=dict)
    by_key: Mapping[str, Quote] = field(default_factory=dict)
    unpriced: int = 0
    problems: tuple[str, ...] = ()


class Estimate(Struct, frozen=True, kw_only=True):
    """A plan with its price, for approval before anything is spent.

    Attributes:
        plan: What would be done.
        cost: What it costs; None if the service was not asked.
        team_left: Compute units that the team has left, or None if unknown.
        unsure: Compute units quoted for submits whose outcome is unknown. A submit that
            never arrived is sent again, and then paid for. 0 if nothing is paid.
        taken: Compute units that the ledger's jobs have taken of the budget so far.
        limit: The budget, or None.
        notes: What the user should know about this estimate; may be empty.
        service: The service that the prices are from; None if they cannot be saved.
    """

    plan: Plan
    cost: Cost | None
    team_left: Decimal | None = None
    unsure: Decimal = Decimal(0)
    taken: Decimal = Decimal(0)
    limit: Decimal | None = None
    notes: tuple[str, ...] = ()
    service: Service | None = None

    @property
    def left(self) -> Decimal | None:
        """Compute units left of the budget; None without a budget."""
        return left_of(self.limit, self.taken)

    def entries(self) -> Iterator[PlannedItem]:
        """Every selected item and what a run would do with it: see ``Plan.entries``."""
        return self.plan.entries()

    def _repr_html_(self) -> str:
        """The plan in a notebook: each item, and small pictures that are there."""
        price = "no price"
        if self.cost is not None:
            price = f"{plural(self.cost.units, 'unit')} to be paid"
        counted = items_and_jobs(self.plan.items, self.plan.total)
        return render_table(
            f"{self.plan.manifest.name}: {counted}; {price}",
            ("item", "what a run does", "why", "units"),
            map(self._row, self.entries()),
            total=self.plan.total,
        )

    def _row(self, planned: PlannedItem) -> Row:
        quote = self.cost.by_key.get(planned.cost_key) if self.cost else None
        files = map(self.plan.store.file, (one.path for one in planned.job.assets))
        references = (RegularFile(one.path) for one in references_in(planned.params))
        return Row(
            cells=(
                planned.item.item_id,
                planned.action,
                planned.reason,
                "" if quote is None else f"{quote.units:f}",
            ),
            pictures=(*files, *references),
        )


def asking_prices(groups: CostGroups, quotes: Quotes) -> Callable[[], str]:
    """``asking for prices: 3 of 40``: what :func:`find_cost` does, to be shown."""
    return lambda: f"asking for prices: {quotes.asked:,} of {len(groups.by_key):,}"


async def find_cost(groups: CostGroups, quotes: Quotes) -> Cost:
    """Ask for each price once and add the prices up.

    A group that the service refuses to price stays without a price; before one of its
    items is submitted, its own price is asked for.

    Raises:
        UnexpectedJob: An answer was not a quote.
        AccessDenied: The key is wrong.
        ServiceUnreachable: No answer until the deadline.
    """
    problems: dict[str, str] = {}
    errors: list[Exception] = []
    waiting: Iterator[tuple[str, CostGroup]] = iter(groups.by_key.items())

    async def ask() -> None:
        for key, group in waiting:
            try:
                problem = await _ask_for(group, quotes)
            except PipelineError as error:
                errors.append(error)
                tasks.cancel_scope.cancel()
                return
            if problem:
                problems[key] = problem

    async with anyio.create_task_group() as tasks:
        for _ in range(min(ASKED_AT_A_TIME, len(groups.by_key))):
            tasks.start_soon(ask)
    if errors:
        raise errors[0]
    return _sum(groups, quotes, problems)


async def _ask_for(group: CostGroup, quotes: Quotes) -> str:
    problem = ""
    for sample in group.samples:
        try:
            await quotes.price(sample)
        except UnexpectedJob:
            raise
        except RateLimited as error:
            return error.message
        except Unavailable as error:
            raise unreachable(error) from error
        except JobError as error:
            item = sample.item
            problem = f"{item.place}: no price for '{item.item_id}': {error.message}"
        except (AccessDenied, BudgetReached) as error:
            if isinstance(error, AccessDenied) and error.status == _WRONG_KEY:
                raise
            return error.message
        else:
            return ""
    return problem


def _left_out(groups: CostGroups) -> Iterator[str]:
    if groups.beyond:
        yield (
            f"{plural(groups.beyond, 'item has', 'items have')} too many different"
            " inputs to price them"
            " all in advance: their prices are asked for when they are submitted"
        )


def _sum(groups: CostGroups, quotes: Quotes, problems: Mapping[str, str]) -> Cost:
    addons: defaultdict[str, Decimal] = defaultdict(Decimal)
    by_model: dict[str, Share] = {}
    by_template: dict[str, Share] = {}
    units = waiting = Decimal(0)
    unpriced, files = groups.beyond, 0
    for key, group in groups.by_key.items():
        quote = quotes.find(key)
        price = quote.units if quote else Decimal(0)
        unpriced += 0 if quote else group.count
        units += price * group.count
        waiting += price * group.waiting
        files += group.files
        for name, part in (quote.addons if quote else {}).items():
            addons[name] += part * group.count
        share = Share(items=group.count, units=price * group.count)
        by_model[group.model_id] = by_model.get(group.model_id, Share()) + share
        for template, count in group.templates.items():
            share = Share(items=count, units=price * count)
            by_template[template] = by_template.get(template, Share()) + share
    return Cost(
        units=units,
        waiting=waiting,
        addons=dict(addons),
        items=groups.count,
        files=files,
        by_model=by_model,
        by_template=by_template,
        by_key={key: quote for key in groups.by_key if (quote := quotes.find(key))},
        unpriced=unpriced,
        problems=tuple(dict.fromkeys((*problems.values(), *_left_out(groups)))),
    )
