"""A workshop, what it would pay for by price, and the quotes of a fake service."""

from collections.abc import Callable

import pytest
from doubles import workshop_fixtures
from doubles.rows import FakeMemory
from doubles.watched_loop import pytest_asyncio_loop_factories  # noqa: F401 - hook

from pipeline.ledger.ledger import IN_MEMORY, Ledger
from pipeline.models.record import load_shipped_model
from pipeline.models.schema import ModelSchema
from pipeline.pricing import CostGroups, Quotes
from pipeline.record import replace
from pipeline.stages.uploader import Uploader

workshop = workshop_fixtures.workshop
style = workshop_fixtures.style


@pytest.fixture
def flagged(workshop):
    """Let models say of some inputs whether the price depends on them."""

    def flag(**flags: bool) -> None:
        def models(model_id: str) -> ModelSchema | None:
            schema = load_shipped_model(model_id)
            if schema is None:
                return None
            inputs = {
                name: replace(entry, cost_impact=flags.get(name))
                for name, entry in schema.inputs.items()
            }
            return replace(schema, inputs=inputs)

        workshop.models = models

    return flag


@pytest.fixture
def groups_of(workshop) -> Callable[..., CostGroups]:
    """The items of the manifest by price, as a first run would find them."""

    def group(**selection) -> CostGroups:
        groups = CostGroups()
        with Ledger(IN_MEMORY) as ledger:
            workshop.plan(ledger, groups, **selection)
        return groups

    return group


@pytest.fixture
def quotes(workshop) -> Quotes:
    uploader = Uploader(
        workshop.api,
        workshop.transfer,
        workshop.clock,
        workshop.settings,
        memory=FakeMemory(),
    )
    return Quotes(workshop.api, workshop.clock, workshop.settings, uploader=uploader)


@pytest.fixture
def finish(workshop):
    """Call something and let time pass until it returns."""
    return workshop.clock.finish
