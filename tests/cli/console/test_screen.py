"""Screens: to stderr, calm, and never steered by foreign text."""

import io
from datetime import timedelta
from decimal import Decimal

import pytest
from doubles.clock import FakeClock
from rich.console import Console

from pipeline.cli.console.heartbeat import with_heartbeat
from pipeline.cli.console.live_screen import LiveScreen
from pipeline.cli.console.screen import PhaseScreen, PlainScreen, QuietScreen
from pipeline.errors import RateLimited, Rejected, Unavailable
from pipeline.job import JobStatus
from pipeline.running.events import (
    Halted,
    JobChanged,
    Launched,
    Paused,
    SlotsChanged,
    Warned,
)
from pipeline.running.progress import Progress
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


def test_a_quiet_screen_says_what_else_was_not_done(progress, tell, capsys):
    screen = QuietScreen()
    with screen:
        tell(
            screen,
            Warned(message="2 of 4 outputs were made", item_id="oak", has_failed=True),
            Warned(message="the reference is large"),
        )

    assert capsys.readouterr().err == "warning: oak: 2 of 4 outputs were made\n"


def test_plain_lines_tell_the_beginning_and_what_goes_wrong(progress, tell, capsys):
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
        "unsure: c: no answer; looking for its job",
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
    assert lines[0].endswith("waiting, 5 s")


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
        "■■□□  2 of 4 slots  ·  submits pause for 7 s",
        "7.25 units charged",
        "✗ d: bad size",
    ):
        assert part in shown, part


def test_before_the_ceiling_is_known_the_picture_says_so(progress):
    screen = LiveScreen(progress, title="icons", emulated=False)
    text = io.StringIO()

    Console(file=text, width=120, no_color=True).print(screen._render())

    assert "finding out" in text.getvalue()
    assert "EMULATED" not in text.getvalue()


@pytest.mark.parametrize(
    ("status", "end"),
    [
        (S.SUBMITTED, "its job was found"),
        (S.PLANNED, "the service made no job of it, so nothing was paid"),
        (S.FAILED, "it has failed"),
    ],
)
def test_an_unsure_item_is_followed_by_how_it_ended(
    progress, tell, capsys, status, end
):
    with PlainScreen(progress, title="t", emulated=False) as screen:
        tell(
            screen,
            change("c", S.UNKNOWN, reason="no answer"),
            change("c", S.UNKNOWN, reason="not settled"),
            change("c", status),
            change("d", status),
        )

    assert capsys.readouterr().err.splitlines() == [
        "t",
        "unsure: c: no answer; looking for its job",
        f"settled: c: {end}",
    ]


# --- silence


@pytest.fixture
def beats(clock):
    """So many seconds go by without an event; the screen is asked each second."""

    def go(screen, seconds, at=lambda _second: None):
        for second in range(seconds):
            clock.jump(1.0)
            at(second)
            screen.beat()

    return go


def test_a_plain_run_is_never_silent_for_ten_seconds(
    progress, tell, clock, capsys, beats
):
    with PlainScreen(progress, title="t", emulated=False) as screen:
        tell(screen, LAUNCHED, change("a", S.SUBMITTED))
        capsys.readouterr()
        beats(screen, 60)

    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "3 of 10,000, 1 in flight, 9,996 waiting, 8 s"
    assert len(lines) == 60 // 8


def test_what_is_said_for_another_reason_breaks_the_silence_too(
    progress, tell, capsys, beats
):
    with PlainScreen(progress, title="t", emulated=False) as screen:
        tell(screen, LAUNCHED)
        beats(screen, 7)
        tell(screen, Warned(message="odd"))
        capsys.readouterr()
        beats(screen, 7)

    assert capsys.readouterr().err == ""


def test_before_the_plan_is_known_the_phase_is_said(progress, clock, capsys, beats):
    screen = PhaseScreen(progress)
    asked = iter(range(100))
    progress.activity.begin(lambda: f"asking for prices: {next(asked)} of 40")
    with progress.activity.request("pricing model_a"):
        beats(screen, 4)
    beats(screen, 12)

    assert capsys.readouterr().err.splitlines() == [
        "asking for prices: 0 of 40, 8 s",
        "asking for prices: 1 of 40, 16 s",
    ]


def test_after_the_last_item_the_phase_is_said(progress, tell, capsys, beats):
    launched = Launched(run_id=1, total=1, done=0, skipped=0, to_submit=1, ceiling=None)
    with PlainScreen(progress, title="t", emulated=False) as screen:
        tell(screen, launched, change("a", S.SAVED))
        progress.activity.begin("comparing the service's job list with this run")
        capsys.readouterr()
        beats(screen, 8)

    text = "1 of 1, comparing the service's job list with this run, 8 s"
    assert capsys.readouterr().err == f"{text}\n"


def test_an_upload_is_named_while_nothing_else_is_going_on(
    progress, tell, capsys, beats
):
    with PlainScreen(progress, title="t", emulated=False) as screen:
        tell(screen, LAUNCHED)
        capsys.readouterr()
        beats(screen, 7)
        with progress.activity.request("uploading oak.png"):
            beats(screen, 1)

    assert "9,997 waiting, uploading oak.png, 8 s" in capsys.readouterr().err


@pytest.mark.parametrize("kind", [PlainScreen, LiveScreen])
def test_a_lost_network_is_said_within_seconds_and_its_end_too(
    progress, tell, capsys, *, beats, kind
):
    def fail(_second):
        with (
            pytest.raises(Unavailable),
            progress.activity.request("listing jobs"),
        ):
            raise Unavailable("listing jobs: no route")

    with kind(progress, title="t", emulated=False) as screen:
        tell(screen, LAUNCHED, change("a", S.SUBMITTED), change("b", S.SUBMITTED))
        beats(screen, 3, at=fail)
        said = capsys.readouterr().err
        beats(screen, 3, at=fail)
        more = capsys.readouterr().err
        with progress.activity.request("listing jobs"):
            pass
        beats(screen, 1)

    said = " ".join(said.split())
    assert "the service cannot be reached: listing jobs: no route; retrying" in said
    assert "2 jobs in flight are safe" in said
    assert "cannot be reached" not in more
    assert "the service answers again, after 6 s" in capsys.readouterr().err


def test_a_service_that_does_not_answer_at_all_is_said_before_the_timeout(
    progress, tell, capsys, beats
):
    with PlainScreen(progress, title="t", emulated=False) as screen:
        tell(screen, LAUNCHED)
        with progress.activity.request("listing jobs"):
            beats(screen, 5)

    text = "the service has not answered for 5 s (listing jobs); still waiting\n"
    assert text in capsys.readouterr().err


def test_one_lost_request_is_no_outage(progress, tell, capsys, beats):
    with PlainScreen(progress, title="t", emulated=False) as screen:
        tell(screen, LAUNCHED)
        capsys.readouterr()
        with (
            pytest.raises(Unavailable),
            progress.activity.request("listing jobs"),
        ):
            raise Unavailable("listing jobs: connection reset")
        beats(screen, 1)
        with progress.activity.request("listing jobs"):
            pass
        beats(screen, 3)

    assert capsys.readouterr().err == ""


def test_a_server_error_is_said_as_an_answer(progress, tell, capsys, beats):
    with PlainScreen(progress, title="t", emulated=False) as screen:
        with (
            pytest.raises(Unavailable),
            progress.activity.request("listing jobs"),
        ):
            raise Unavailable("listing jobs: busy (HTTP 503)", status=503)
        beats(screen, 2)

    assert "the service answers with an error: listing jobs" in capsys.readouterr().err


@pytest.mark.parametrize("refusal", [RateLimited("wait"), Rejected("no", status=400)])
def test_a_refusal_is_an_answer(progress, refusal):
    activity = progress.activity
    activity.trouble = "gone"
    with pytest.raises(type(refusal)), activity.request("x"):
        raise refusal

    assert activity.trouble == ""


def test_a_quiet_screen_is_quiet_about_waiting(progress, capsys, beats):
    screen = QuietScreen()
    with progress.activity.request("listing jobs"):
        beats(screen, 60)

    assert capsys.readouterr().err == ""


async def test_the_heart_beats_each_second_and_stops_with_the_work(clock):
    beats = []

    async def work():
        await clock.sleep(10.5)
        return "done"

    result = await clock.finish(
        lambda: with_heartbeat(work(), lambda: beats.append(1), clock)
    )
    clock.jump(5)
    await clock.settle()

    assert (result, len(beats)) == ("done", 10)


# --- narrow terminals, no colours


def drawn(screen, width, **named):
    """The live picture on a terminal of this width, as text."""
    text = io.StringIO()
    console = Console(file=text, width=width, **named)
    screen._console = console
    console.print(screen._render())
    return text.getvalue()


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_bar_is_visible_without_colours_at_any_width(progress, tell, width):
    half = Launched(run_id=1, total=4, done=2, skipped=0, to_submit=2, ceiling=4)
    screen = LiveScreen(progress, title="icons → output/icons", emulated=True)
    tell(screen, half, change("a", S.SUBMITTED))

    shown = drawn(screen, width, no_color=True)

    bar = next(line for line in shown.splitlines() if "█" in line)
    assert bar.count("█") == bar.count("░") > 5
    assert all(len(line.rstrip()) <= width for line in shown.splitlines())
    words = {"icons", "EMULATED", "nothing", "spent", "saved", "flight", "waiting"}
    assert words <= set(shown.replace(",", " ").replace(":", " ").split())


def paused(clock, left_s):
    return Paused(until=clock.utc_now() + timedelta(seconds=left_s), left_s=left_s)


def test_plain_lines_say_when_a_pause_ends(progress, tell, clock, capsys):
    event = paused(clock, 723)
    with PlainScreen(progress, title="t", emulated=False) as screen:
        tell(screen, event)

    local = event.until.astimezone()
    said = f"submits pause until {local:%H:%M:%S} (another 12:03 min)"
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
    assert "submits pause" not in shown[1]


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
