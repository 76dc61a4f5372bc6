"""``plan``: what would go stale, and what everything costs in money."""

from decimal import Decimal

import pytest
from knobs.world import HEAD

from pipeline.cli.console.money import parse_cu_price
from pipeline.cli.plan_view import with_price
from pipeline.cli.share_table import share_lines
from pipeline.pricing import Cost
from pipeline.pricing.cost import Share

LINES = f"""{HEAD}items:
  - id: hero
    prompt: a fox
  - id: pose
    prompt: the fox of image 1
    params: {{images: ["item:hero"]}}
  - id: crop
    prompt: the head of image 1
    params: {{images: ["item:pose"]}}
  - id: flag
    prompt: a flag
"""
PRICE = "0.5EUR"


@pytest.fixture
async def changed(place):
    """Everything is made, one of it approved; then the hero is changed."""
    manifest = place.folder / "knobs.yaml"
    manifest.write_text(LINES)
    assert (await place.type("run", "--yes")).code == 0
    assert (await place.type("approve", "crop")).code == 0
    manifest.write_text(LINES.replace("a fox", "a red fox"))
    return place


async def test_what_is_made_from_a_changed_item_is_named_with_its_decisions(changed):
    said = await changed.type("plan")

    assert "made again if hero changes: pose, crop" in said.out
    assert "  the decisions about crop would count no longer" in said.out
    assert "flag" not in said.out.partition("made again if hero")[2].partition("\n")[0]


async def test_in_json_each_such_item_says_what_it_is_made_again_with(changed):
    said = await changed.type("plan", "--json")

    assert {
        item["item_id"]: item["made_again_with"]
        for item in said.of("item")
        if "made_again_with" in item
    } == {"pose": "hero", "crop": "hero"}


async def test_new_items_make_nothing_stale(place):
    (place.folder / "knobs.yaml").write_text(LINES)

    assert "made again" not in (await place.type("plan")).out


async def test_money_is_shown_wherever_units_are(place, monkeypatch):
    monkeypatch.setenv("PIPELINE_CU_PRICE", PRICE)
    (place.folder / "knobs.yaml").write_text(LINES.replace("a flag", "a flag [fail]"))

    plan = await place.type("plan", "--max-cost", "99")
    run = await place.type("run", "--yes", "--max-cost", "99")
    status = await place.type("status")
    why = await place.type("why", "flag")

    total = Decimal(run.err.partition("units: ")[2].partition(" (")[0])
    money = f"({total / 2:.2f} EUR)"
    assert f"units {money}" in plan.out  # of the total
    assert (
        f"{total / 4:f}".rstrip("0").rstrip(".") + f" ({total / 8:.2f} EUR)" in plan.out
    )
    assert "99 units (49.50 EUR) taken, 99 (49.50 EUR) left" in plan.out
    assert f"{total:f} {money} charged" in run.err
    assert f"({total / 8:.2f} EUR) refunded" in run.err
    assert "EUR) of the budget left" in run.err
    assert f"compute units charged {money}" in status.out
    assert f"charged {total / 4:.0f} ({total / 8:.2f} EUR)" in why.out


async def test_a_failed_item_is_told_with_its_place_while_the_run_goes_on(place):
    played = await place.play(LINES.replace("a fox", "a fox [fail]"))

    places = {
        event.item_id: event.place.removeprefix(f"{place.folder}/")
        for event in played.events
        if getattr(event, "place", "")
    }
    line = 1 + LINES.splitlines().index("  - id: hero")
    assert places == {
        "hero": f"knobs.yaml:{line}",
        "pose": f"knobs.yaml:{line + 2}",
        "crop": f"knobs.yaml:{line + 5}",
    }


# --- on narrow terminals


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (
            None,
            [
                "+ oak: new and more words                                       6 (3.00 EUR)"
            ],
        ),
        (40, ["+ oak: new and more words   6 (3.00 EUR)"]),
        (30, ["+ oak: new and more words", "                  6 (3.00 EUR)"]),
        (21, ["+ oak: new and more", "  words  6 (3.00 EUR)"]),
    ],
)
def test_a_price_stands_at_the_right_or_below(width, lines):
    text = "+ oak: new and more words"

    shown = with_price(text, "6 (3.00 EUR)", width).split("\n")

    assert [line.split() for line in shown] == [line.split() for line in lines]
    assert all(len(line) <= (width or 79) for line in shown)
    assert len({len(shown[-1]), width or 79}) == 1


@pytest.mark.parametrize("width", [30, 40, 79])
def test_the_tables_of_a_plan_fit_and_keep_long_names_whole(width):
    name = "model_with-a-very-long-name-of-its-own"
    shares = {
        name: Share(items=1200, units=Decimal(7200)),
        "model_b": Share(items=1, units=Decimal("2.5")),
    }
    cost = Cost(units=Decimal(7203), items=1201, by_model=shares)

    lines = list(share_lines(cost, parse_cu_price("0.012EUR"), width))

    assert any(name in line for line in lines)
    assert max(len(line) for line in lines if name not in line) <= width
    assert any(line.endswith(" 7,200 (86.40 EUR)") for line in lines)
