"""Screens: to stderr, calm, and never steered by foreign text."""

import io
from datetime import timedelta
from decimal import Decimal

import pytest
from doubles.clock import FakeClock
from rich.console import Console

from pipeline.cli.console.live_screen import LiveScreen
from pipeline.cli.console.progress import Progress
from pipeline.cli.console.screen import PlainScreen, QuietScreen
from pipeline.job import JobStatus
from pipeline.running.events import (
    Halted,
    JobChanged,
    Launched,
    Paused,
    SlotsChanged,
    Warned,
)
from pipeline.stages.slots import SlotStatistics

S = JobStatus
NASTY = "\x1b[31m\x1b]0;owned\x07[bold]x[/bold]\r\u202e\x9b2J"
LAUNCHED = Launched(
    run_id=1, total=10_000, done=2, skipped=1, to_submit=9_997, ceiling=4
)


def change(item_id, status, **named):
    return JobChanged(item_id=item_id, status=status, attempt=1, **named)


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def progress(clock):
    return Progress(clock=clock)


@pytest.fixture
def tell(progress):
    """Hand events on as a run does: to the progress, then to the screen."""

    def take(screen, *events):
        for event in events:
            progress.take(event)
            screen.take(event)

    return take


EVERYTHING_NASTY = (
    LAUNCHED,
    change(NASTY, S.FAILED, reason=NASTY, hint=NASTY),
    change(NASTY, S.UNKNOWN, reason=NASTY, hint=NASTY),
    Warned(message=NASTY, item_id=NASTY),
    Warned(message=NASTY),
    Halted(reason=NASTY, hint=NASTY, in_flight=1),
)


@pytest.mark.parametrize("kind", [PlainScreen, LiveScreen])
def test_foreign_text_cannot_steer_the_terminal(progress, tell, capsys, kind):
    screen = kind(progress, title=f"{NASTY} → {NASTY}", emulated=True)
    with screen:
        tell(screen, *EVERYTHING_NASTY)

    shown = capsys.readouterr()
    assert shown.out == ""
    for char in ("\x1b", "\x07", "\x9b", "\u202e"):
        assert char not in shown.err
    assert "\\x1b[31m" in shown.err
    assert "[bold]" in shown.err  # no markup either


def test_the_live_picture_shows_no_control_character(progress, tell):
    screen = LiveScreen(progress, title=NASTY, emulated=False)
    tell(screen, *EVERYTHING_NASTY[:3])
    text = io.StringIO()

    Console(file=text, width=120, no_color=True).print(screen._render())

    for char in ("\x1b", "\x07", "\x9b", "\u202e", "\r"):
        assert char not in text.getvalue()


def test_a_quiet_screen_says_only_what_stops_the_run(progress, tell, capsys):
    screen = QuietScreen()
    with screen:
        tell(screen, *EVERYTHING_NASTY[:-1])
        assert capsys.readouterr().err == ""
        tell(screen, Halted(reason="no credit", hint="", in_flight=0))

    assert capsys.readouterr().err == "stopped submitting: no credit\n"


def test_plain_lines_tell_the_beginning_and_each_failure_at_once(
    progress, tell, capsys
):
    screen = PlainScreen(progress, title="icons → output/icons", emulated=True)
    with screen:
        tell(
            screen,
            LAUNCHED,
            change("a", S.SUBMITTED),
            change("b", S.FAILED, reason="bad\nsize"),
            change("c", S.UNKNOWN, reason="no answer"),
            Warned(message="fewer outputs", item_id="d"),
            Halted(reason="no credit", hint="buy some", in_flight=2),
        )

    assert capsys.readouterr().err.splitlines() == [
        "icons → output/icons",
        "EMULATED: nothing is real, nothing is spent",
        "10,000 items: 2 done, 9,997 to submit",
        "failed: b: bad size",
        "unsure: c: no answer",
        "warning: d: fewer outputs",
        "stopped submitting: no credit",
        "  next: buy some",
    ]


def test_plain_progress_is_told_every_five_seconds_at_most(
    progress, tell, clock, capsys
):
    screen = PlainScreen(progress, title="icons", emulated=False)
    with screen:
        tell(screen, LAUNCHED)
        for number in range(100):
            clock.jump(0.1)
            tell(screen, change(f"{number}", S.SUBMITTED))

    lines = capsys.readouterr().err.splitlines()[2:]
    assert len(lines) in {1, 2}
    assert "3 of 10,000, " in lines[0]
    assert "in flight, 5 s" in lines[0]


def test_the_live_picture_shows_counts_slots_and_charges(progress, tell, clock):
    screen = LiveScreen(progress, title="icons", emulated=True)
    slots = SlotStatistics(
        in_flight=2, held=2, limit=4, refusals=0, waiting=0, paused_s=7
    )
    tell(
        screen,
        LAUNCHED,
        SlotsChanged(slots=slots),
        change("a", S.SUBMITTED, charged=Decimal("7.25")),
        change("b", S.SUCCEEDED),
        change("c", S.SAVED, files=("c.png",)),
        change("d", S.FAILED, reason="bad size"),
    )
    text = io.StringIO()

    Console(file=text, width=120, no_color=True).print(screen._render())

    shown = text.getvalue()
    for part in (
        "icons  EMULATED",
        "5 of 10,000",
        "3 saved",
        "1 in flight",
        "1 downloading",
        "9,993 waiting",
        "2 failed",
        "■■□□  2 of 4 slots, paused for 7 s",
        "7.25 units charged",
        "✗ d  bad size",
    ):
        assert part in shown, part


def test_before_the_ceiling_is_known_the_picture_says_so(progress):
    screen = LiveScreen(progress, title="icons", emulated=False)
    text = io.StringIO()

    Console(file=text, width=120, no_color=True).print(screen._render())

    assert "finding out" in text.getvalue()
    assert "EMULATED" not in text.getvalue()


def paused(clock, left_s):
    return Paused(until=clock.utc_now() + timedelta(seconds=left_s), left_s=left_s)


def test_plain_lines_say_when_a_pause_ends(progress, tell, clock, capsys):
    event = paused(clock, 723)
    with PlainScreen(progress, title="t", emulated=False) as screen:
        tell(screen, event)

    local = event.until.astimezone()
    said = f"the service takes no submits until {local:%H:%M:%S} (another 12:03 min)"
    assert said in capsys.readouterr().err


def test_a_pause_that_ends_on_another_day_is_said_with_the_day(progress, tell, clock):
    event = paused(clock, 86_400)
    text = io.StringIO()
    screen = LiveScreen(progress, title="t", emulated=False)
    tell(screen, event)

    Console(file=text, width=120, no_color=True).print(screen._render())

    assert f"{event.until.astimezone():%Y-%m-%d %H:%M:%S}" in text.getvalue()


def test_the_live_picture_counts_a_pause_down_and_forgets_it(progress, tell, clock):
    screen = LiveScreen(progress, title="t", emulated=False)
    tell(screen, paused(clock, 90))
    shown = []
    for _ in range(2):
        clock.jump(60)
        text = io.StringIO()
        Console(file=text, width=120, no_color=True).print(screen._render())
        shown.append(text.getvalue())

    assert "another 30 s" in shown[0]
    assert "no submits" not in shown[1]


def test_the_live_picture_says_what_others_hold(progress, tell):
    screen = LiveScreen(progress, title="t", emulated=False)
    slots = SlotStatistics(
        in_flight=12,
        held=12,
        limit=15,
        refusals=1,
        waiting=3,
        paused_s=0.0,
        others=5,
        scope="team",
    )
    tell(screen, SlotsChanged(slots=slots))
    text = io.StringIO()

    Console(file=text, width=120, no_color=True).print(screen._render())

    assert "5 used by others in the team" in text.getvalue()
