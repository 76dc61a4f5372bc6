"""The live picture: what limits the run, what it has spent, what went wrong."""

from dataclasses import dataclass
from decimal import Decimal

import pytest
from doubles.clock import FakeClock

from pipeline.activity import RequestBudget
from pipeline.api.rate_limiter import Priority, RateLimiter
from pipeline.cli.console.live_view import Canvas, LiveView
from pipeline.cli.console.money import parse_cu_price
from pipeline.cli.console.text import columns
from pipeline.job import Item, ItemOutput, JobStatus
from pipeline.planning import Lines
from pipeline.planning.lines import Parent
from pipeline.pricing import Budget
from pipeline.running.events import Blocked, JobChanged, Launched
from pipeline.running.line_progress import LineProgress
from pipeline.running.progress import Progress

S = JobStatus
WIDTHS = (20, 40, 80, 200)


def change(item_id, status, **named):
    return JobChanged(item_id=item_id, status=status, attempt=1, **named)


@dataclass
class Shown:
    """The lines of a picture."""

    lines: list[str]

    @property
    def text(self):
        return "\n".join(self.lines)


@pytest.fixture
def progress():
    made = Progress(clock=FakeClock())
    made.take(Launched(run_id=1, total=9, done=2, skipped=0, to_submit=7, ceiling=None))
    return made


@pytest.fixture
def draw(progress):
    def render(width=80, height=24, **named):
        view = LiveView(title="icons → output/icons", emulated=False, **named)
        canvas = Canvas(width=width, height=height)
        return Shown([line.plain for line in view.render(progress, canvas)])

    return render


def test_the_request_budget_is_shown_and_a_pause_of_all_requests(progress, draw):
    progress.activity.watch_requests(
        lambda: RequestBudget(used=62, limit=95, held_s=12.0)
    )

    assert "62 of 95 requests a minute, all requests pause for 12 s" in draw().text


def test_without_a_limit_no_request_budget_is_shown(draw):
    assert "requests" not in draw().text


async def test_a_rate_limiter_tells_what_it_has_sent_and_how_long_it_holds():
    clock = FakeClock()
    limiter = RateLimiter(clock, limit=10)
    for _ in range(3):
        await limiter.wait_for_turn(Priority.OTHER)
    before = limiter.budget()
    clock.jump(61.0)
    later = limiter.budget()
    limiter.note_refusal(7.0)

    assert before == RequestBudget(used=3, limit=10)
    assert later == RequestBudget(used=0, limit=10)
    # Others have used the minute: the least that is always allowed is left.
    assert limiter.budget() == RequestBudget(used=0, limit=1, held_s=7.0)


def test_spending_is_shown_in_units_and_money_and_against_the_budget(progress, draw):
    progress.budget = Budget(Decimal(400), [(1, S.SAVED, Decimal(40))])
    progress.take(change("a", S.SUBMITTED, charged=Decimal(12)))

    shown = draw(price=parse_cu_price("0.012EUR"), width=120).text

    assert "12 units (0.14 EUR) charged  ·  budget  █░░░░░░░░░" in shown
    assert "40 of 400 units (4.80 EUR)" in shown


def test_failures_have_their_place_and_their_hint_the_latest_last(progress, draw):
    progress.take(
        change("a", S.FAILED, reason="bad size", hint="try 1K", place="icons.yaml:7")
    )
    progress.take(Blocked(item_id="b", reason="blocked by a", place="icons.yaml:9"))
    progress.take(change("c", S.UNKNOWN, reason="no answer", place="icons.yaml:12"))

    assert draw(on_hint=lambda hint, item_id="": f"{item_id}: {hint}").lines[-4:] == [
        "  ✗ a (icons.yaml:7): bad size",
        "    a: try 1K",
        "  ✗ b (icons.yaml:9): blocked by a",
        "  ! c (icons.yaml:12): no answer",
    ]


@pytest.mark.parametrize("height", [8, 12, 24])
def test_the_picture_fits_its_terminal_and_keeps_the_latest_failure(
    progress, draw, height
):
    for number in range(10):
        progress.take(
            change(f"item-{number}", S.FAILED, reason="bad " * 20, hint="look " * 20)
        )

    shown = draw(height=height)

    assert len(shown.lines) < height
    assert ("item-9" in shown.text) == (height > 8)


@pytest.mark.parametrize("width", WIDTHS)
def test_no_line_is_wider_than_the_terminal_and_no_word_is_cut(progress, draw, width):
    progress.budget = Budget(Decimal(400), [])
    progress.activity.watch_requests(lambda: RequestBudget(used=62, limit=95))
    for status in (S.SUBMITTING, S.SUBMITTED, S.SUCCEEDED):
        progress.take(change(f"{status}", status, charged=Decimal(1)))
    progress.take(change("a", S.FAILED, reason="a bad size", hint="try another one"))

    shown = draw(width=width)

    assert max(map(columns, shown.lines)) <= width
    words = set(shown.text.split())
    assert {"icons", "submitting", "downloading", "requests", "another"} <= words


def test_without_unicode_the_picture_is_of_ascii(progress):
    progress.take(change("a", S.FAILED, reason="bad size"))
    view = LiveView(title="icons", emulated=True)

    lines = view.render(progress, Canvas(width=80, height=24, is_unicode=False))

    assert "  x a: bad size" in [line.plain for line in lines]
    assert any("##" in line.plain for line in lines)


# --- lines of a chain


def item(item_id, *parents, is_saved=True):
    return Item(
        item_id=item_id,
        model_id="model_x",
        params={f"image-{one}": ItemOutput(item_id=one, index=1) for one in parents},
        template_id=item_id,
        file="f.yaml",
        line=1,
        parents=parents,
        is_saved=is_saved,
    )


def lines_of(*children, coming=True):
    """The lines of a plan whose parents come, or not."""
    lines = Lines()
    for child in children:
        lines.add(child)
    lines.link(lambda item_id: item_id, lambda _item_id: 0)
    for root in lines.root_ids():
        lines.roots[root] = item(root)
    for item_id in (*lines.roots, *lines.children):
        lines.parents[item_id] = Parent(is_coming=coming)
    return lines


@pytest.fixture
def hero(progress):
    """A hero, a pose of it that is kept at the service, and its cutout."""
    progress.lines = LineProgress(
        {
            "": lines_of(
                item("pose", "hero", is_saved=False),
                item("pose+cutout", "pose"),
                item("flag+cutout", "flag"),
            )
        }
    )
    return progress


def test_a_line_at_work_is_shown_with_what_is_made_of_it(hero, draw):
    hero.take(change("hero", S.SUBMITTED))
    begun = draw().text
    hero.take(change("hero", S.SAVED))
    hero.take(change("pose", S.SUCCEEDED))

    assert "line of hero  ░░░  0 of 3  hero in flight" in begun
    assert "0 of 2 lines complete" in begun
    assert "line of hero  ██░  2 of 3  pose is made" in draw().text
    assert "line of flag" not in draw().text


def test_what_stays_at_the_service_is_finished_and_not_downloading(hero, draw):
    hero.take(change("pose", S.SUBMITTED))
    hero.take(change("pose", S.SUCCEEDED))

    assert (hero.made, hero.finished) == (1, 3)
    assert "1 made for later steps" in draw().text
    assert "downloading" not in draw().text


def test_a_line_that_is_complete_is_only_counted(hero, draw):
    for item_id in ("hero", "pose+cutout"):
        hero.take(change(item_id, S.SAVED))
    hero.take(change("pose", S.SUCCEEDED))

    assert "1 of 2 lines complete" in draw().text
    assert "line of" not in draw().text


def test_a_line_says_where_it_failed(hero, draw):
    hero.take(change("hero", S.FAILED, reason="moderated"))
    hero.take(Blocked(item_id="pose", reason="blocked by hero: moderated"))

    assert "line of hero  ░░░  0 of 3  pose failed" in draw().text


def test_lines_that_this_run_does_not_come_to_are_not_counted(progress, draw):
    progress.lines = LineProgress({"": lines_of(item("b", "a"), coming=False)})
    progress.take(change("a", S.SAVED))

    assert "line" not in draw().text
