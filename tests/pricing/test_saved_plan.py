"""SavedPlan: exactly what was agreed to is carried out, or nothing."""

import dataclasses
import json
from contextlib import contextmanager
from decimal import Decimal

import pytest
from doubles.outcome import Outcome
from doubles.pictures import png_bytes
from doubles.rows import FakeMemory

from pipeline.errors import ExitCode, OutputError, PlanMoved, Rejected, UsageError
from pipeline.ledger.ledger import IN_MEMORY, LEDGER_NAME, Ledger
from pipeline.manifest import load_manifest
from pipeline.planning import Selection, make_plan
from pipeline.pricing import CostGroups, Estimate, Quotes, find_cost
from pipeline.pricing.saved_plan import PlanRecorder, read_plan, save_plan
from pipeline.record import replace
from pipeline.settings import Service
from pipeline.stages.uploader import Uploader
from pipeline.storage.folder import Folder

SERVICE = Service(base_url="https://api.example/v1", project_id="proj_1")
MANIFEST = """\
references: {style: style.png}
items:
  - {id: oak, prompt: oak, params: {images: [ref:style]}}
  - {id: "tree-${n}", prompt: "a ${kind}", rows: trees.csv}
"""
TREES = b"n,kind\n1,elm\n2,fir\n"


class Planner:
    """Plans the workshop's manifest with its prices, again and again."""

    def __init__(self, workshop, finish):
        self.workshop = workshop
        self.path = workshop.folder / "plan.json"
        self._finish = finish

    @contextmanager
    def planned(self, selection, expected=()):
        shop = self.workshop
        path = shop.output / LEDGER_NAME
        there = path.is_file()
        with Ledger(path if there else IN_MEMORY, read_only=there) as ledger:
            groups, recorder = CostGroups(), PlanRecorder(expected)

            def take(planned):
                groups.add(planned)
                recorder.add(planned)

            plan = make_plan(
                load_manifest(shop.folder / "icons.yaml", models=shop.models),
                Folder(shop.output),
                ledger=ledger,
                selection=selection,
                on_item=take,
            )
            yield plan, groups, recorder

    async def _price(self, groups):
        shop = self.workshop

        uploader = Uploader(
            shop.api,
            shop.transfer,
            shop.clock,
            shop.settings,
            memory=FakeMemory(),
        )
        quotes = Quotes(shop.api, shop.clock, shop.settings, uploader=uploader)
        return await self._finish(lambda: find_cost(groups, quotes))

    async def save(self, **selection):
        with self.planned(Selection(**selection)) as (plan, groups, recorder):
            cost = await self._price(groups)
            estimate = Estimate(plan=plan, cost=cost, service=SERVICE)
            save_plan(self.path, estimate, recorder)
        return read_plan(self.path)

    async def check(self, saved, service=SERVICE):
        with self.planned(saved.selection, saved.items) as (plan, groups, recorder):
            cost = await self._price(groups)
            estimate = Estimate(plan=plan, cost=cost, service=service)
            saved.check(estimate, groups, recorder)
            return cost


@pytest.fixture
def planner(workshop, style, finish):
    workshop.write(MANIFEST, files={"style.png": style, "trees.csv": TREES})
    return Planner(workshop, finish)


async def assert_moved(planner, saved, match, **named):
    with pytest.raises(PlanMoved, match=match) as caught:
        await planner.check(saved, **named)
    assert caught.value.exit_code is ExitCode.PLAN_MOVED == 8  # type: ignore[comparison-overlap]


# --- nothing has moved ----------------------------------------------------------------------


async def test_what_was_saved_is_read_and_holds(planner):
    saved = await planner.save()

    cost = await planner.check(saved)

    assert cost.units == 18
    assert set(saved.items) == {"oak", "tree-1", "tree-2"}
    assert set(saved.prices.values()) == {Decimal(6)}
    assert set(saved.models) == {"model_wan-2-7-image"}
    assert saved.service == SERVICE


async def test_nothing_but_the_file_is_left_beside_the_manifest(planner):
    before = {path.name for path in planner.path.parent.iterdir()}

    await planner.save()

    after = {path.name for path in planner.path.parent.iterdir()}
    assert after - before == {"plan.json"}


async def test_a_price_is_kept_to_the_last_digit(planner):
    planner.workshop.api.price = Decimal("0.1000000001")

    saved = await planner.save()

    assert {str(units) for units in saved.prices.values()} == {"0.1000000001"}
    await planner.check(saved)


async def test_a_plan_that_is_half_done_goes_on(planner):
    saved = await planner.save()
    await planner.workshop.run(globs=("oak",))

    cost = await planner.check(saved)

    assert cost.units == 12


async def test_a_plan_that_is_done_costs_nothing_more(planner):
    saved = await planner.save()
    await planner.workshop.run()

    cost = await planner.check(saved)

    assert cost.units == 0


async def test_a_plan_of_some_items_is_about_the_same_items_when_it_goes_on(planner):
    saved = await planner.save(limit=2)
    await planner.workshop.run(limit=1)

    cost = await planner.check(saved)

    assert cost.items == 1
    assert set(saved.items) == {"oak", "tree-1"}


async def test_a_selection_comes_back(planner):
    saved = await planner.save(globs=("tree-*",))

    assert saved.selection.globs == ("tree-*",)
    assert set(saved.items) == {"tree-1", "tree-2"}
    await planner.check(saved)


# --- something has moved --------------------------------------------------------------------


async def test_an_edited_manifest_has_moved(planner, style):
    saved = await planner.save()
    planner.workshop.write(MANIFEST + "# a comment\n")

    await assert_moved(planner, saved, "icons.yaml was edited")


async def test_an_item_more_is_named(planner):
    saved = await planner.save()
    planner.workshop.write(MANIFEST + "  - {id: yew, prompt: yew}\n")

    await assert_moved(planner, saved, "yew would be paid for but is not in the plan")


async def test_a_changed_reference_file_has_moved(planner):
    saved = await planner.save()
    (planner.workshop.folder / "style.png").write_bytes(png_bytes("red", 16, 16))

    await assert_moved(planner, saved, "the request of oak has changed")


async def test_a_changed_row_has_moved(planner):
    saved = await planner.save()
    changed = TREES.replace(b"fir", b"yew")
    (planner.workshop.folder / "trees.csv").write_bytes(changed)

    await assert_moved(planner, saved, "the request of tree-2 has changed")


async def test_a_row_more_has_moved(planner):
    saved = await planner.save()
    (planner.workshop.folder / "trees.csv").write_bytes(TREES + b"3,yew\n")

    await assert_moved(planner, saved, "tree-3 would be paid for")


async def test_a_row_less_has_moved(planner):
    saved = await planner.save()
    (planner.workshop.folder / "trees.csv").write_bytes(b"n,kind\n1,elm\n")

    await assert_moved(planner, saved, "tree-2 is in the plan but no longer")


async def test_what_failed_and_was_paid_is_not_paid_again_by_the_same_plan(planner):
    saved = await planner.save()
    planner.workshop.api.script("oak", Outcome(ends="failure", refunds=False))
    await planner.workshop.run()

    await assert_moved(planner, saved, "oak has been submitted since")


async def test_a_changed_table_has_moved(planner):
    saved = await planner.save()
    models = planner.workshop.models

    def changed(model_id):
        schema = models(model_id)
        seed = replace(schema.inputs["seed"], maximum=7_000_000)
        return replace(schema, inputs={**schema.inputs, "seed": seed})

    planner.workshop.models = changed

    await assert_moved(planner, saved, "the inputs of model_wan-2-7-image have changed")


async def test_the_same_table_from_another_source_has_not_moved(planner):
    saved = await planner.save()
    models = planner.workshop.models
    planner.workshop.models = lambda model_id: replace(
        models(model_id), source="cached", read_at=planner.workshop.clock.utc_now()
    )

    await planner.check(saved)


@pytest.mark.parametrize("price", ["6.000001", "5", "0"])
async def test_a_changed_price_has_moved(planner, price):
    saved = await planner.save()
    planner.workshop.api.price = Decimal(price)

    await assert_moved(planner, saved, f"the price of .* was 6 and is now {price}")


async def test_a_price_that_is_not_given_any_more_has_moved(planner):
    saved = await planner.save()
    planner.workshop.api.break_down(
        "quote", error=Rejected("it is too odd", status=400)
    )

    await assert_moved(planner, saved, "was 6 and is now unknown")


async def test_another_service_or_project_is_another_plan(planner):
    saved = await planner.save()

    other = dataclasses.replace(SERVICE, project_id="proj_2")
    await assert_moved(planner, saved, "it was made for", service=other)
    other = dataclasses.replace(SERVICE, base_url="https://other.example")
    await assert_moved(planner, saved, "it was made for", service=other)


async def test_another_output_folder_is_another_plan(planner, tmp_path):
    saved = await planner.save()
    planner.workshop.output = tmp_path / "elsewhere"

    await assert_moved(planner, saved, "it was made for the output folder")


async def test_what_was_made_again_by_a_plan_is_not_made_again_twice(planner):
    await planner.workshop.run()
    saved = await planner.save(force=True)
    await planner.check(saved)
    await planner.workshop.run(force=True, globs=("oak",))

    await assert_moved(planner, saved, "oak has been submitted since the plan was made")


async def test_many_differences_are_not_all_named(planner):
    saved = await planner.save()
    rows = b"".join(b"%d,elm\n" % number for number in range(3, 40))
    (planner.workshop.folder / "trees.csv").write_bytes(TREES + rows)

    with pytest.raises(PlanMoved) as caught:
        await planner.check(saved)

    assert caught.value.message.count("tree-") == 10
    assert "27 more" in caught.value.message


# --- files that are none --------------------------------------------------------------------


DAMAGED = {
    "empty": b"",
    "no JSON": b"plan",
    "no UTF-8": b'{"schema": "\xff"}',
    "a list": b"[]",
    "a number": b"7",
    "another object": b"{}",
    "very deep": b"[" * 100_000,
    "a picture": png_bytes(),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_file_that_is_no_plan_is_refused(tmp_path, content):
    path = tmp_path / "plan.json"
    path.write_bytes(content)

    with pytest.raises(UsageError, match="not a saved plan") as caught:
        read_plan(path)

    assert "pipeline plan --out" in caught.value.hint
    assert caught.value.exit_code is ExitCode.USAGE


async def test_every_part_of_a_plan_is_needed(planner):
    await planner.save()
    whole = json.loads(planner.path.read_bytes())

    for key in ("schema", "manifest", "selection", "models", "prices", "items"):
        record = {name: value for name, value in whole.items() if name != key}
        planner.path.write_text(json.dumps(record))
        with pytest.raises(UsageError, match="not a saved plan"):
            read_plan(planner.path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("items", {"oak": "ab"}),
        ("items", {"oak": ["key"]}),
        ("items", ["oak"]),
        ("prices", {"key": "cheap"}),
        ("prices", {"key": "NaN"}),
        ("prices", {"key": "sNaN"}),
        ("prices", {"key": "Infinity"}),
        ("prices", {"key": None}),
        ("selection", {"colour": 1}),
        ("selection", {"globs": "tree", "force": False, "limit": None}),
        ("selection", {"globs": [7], "force": False, "limit": None}),
        ("selection", None),
        ("models", 7),
    ],
)
async def test_a_part_of_another_kind_is_refused(planner, key, value):
    await planner.save()
    record = json.loads(planner.path.read_bytes()) | {key: value}
    planner.path.write_text(json.dumps(record))

    with pytest.raises(UsageError, match="not a saved plan"):
        read_plan(planner.path)


async def test_a_plan_of_another_version_says_so(planner):
    await planner.save()
    record = json.loads(planner.path.read_bytes())
    planner.path.write_text(json.dumps(record | {"schema": "scenario-pipeline/plan/9"}))

    with pytest.raises(UsageError, match="another version"):
        read_plan(planner.path)


def test_a_plan_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        read_plan(tmp_path / "plan.json")


async def test_a_plan_that_cannot_be_written_is_a_fault_of_the_output(planner):
    (planner.workshop.folder / "file").touch()
    planner.path = planner.workshop.folder / "file" / "plan.json"

    with pytest.raises(OutputError):
        await planner.save()
