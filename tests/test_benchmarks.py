"""The benchmarks: each still runs in its smallest form, and their arithmetic is right.

What they measure is never asserted: that depends on the machine.
"""

import sys
from dataclasses import asdict

import fair_shares
import pytest
import scale
import simulate_batch
from suite import benchmarks
from suite.bench import Bench
from suite.figures import greedy_makespan, percentile, rotated, spread_of
from suite.processes import ChildFailed, Usage, run_measured
from suite.report import (
    BEGIN,
    END,
    Report,
    fill_block,
    render_page,
    render_table,
    report_from,
    show,
)
from suite.results import DOCUMENT
from suite.service import ServedJob
from suite.shares import Scene, jain, play

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="the figures are taken from a Unix kernel"
)

MACHINE = {"processors": "2", "processor": "a processor", "python": "3.11"}


@pytest.fixture
def report():
    made = Report(name="walk", title="walking", setting="A mile.", peers=["we", "they"])
    for ours, theirs in ((1.0, 4.0), (2.0, 4.0), (9.0, 4.0)):
        made.add("wall", "s", "we", ours)
        made.add("wall", "s", "they", theirs)
    return made


# --- every benchmark ----------------------------------------------------------


@pytest.mark.parametrize("name", benchmarks.find_all())
def test_a_benchmark_runs_and_every_peer_has_every_sample(name, tmp_path):
    bench = Bench(folder=tmp_path, size="tiny", rounds=1)

    report = benchmarks.find_all()[name].run(bench)

    assert report.name == name
    assert report.samples.keys() == report.units.keys()
    first = next(iter(report.samples.values()))
    assert set(first) == set(report.peers)
    assert all(all(by_peer.values()) for by_peer in report.samples.values())
    assert len(render_table(report)) == len(report.units) + 2


def test_a_long_run_is_told_in_tenths(tmp_path):
    outcome = scale.run_long(Bench(folder=tmp_path, size="tiny"), 20, 60.0)

    assert outcome.counts == {"saved": 20}
    assert [tenth["saved"] for tenth in outcome.tenths] == list(range(2, 21, 2))
    assert len(scale.report_of(outcome, 20).peers) == 10


def test_a_long_run_that_was_cut_short_counts_what_it_made():
    tenth = {"rss_mb": 1.0, "median_ms": 1.0, "p99_ms": 1.0}
    outcome = scale.Outcome(
        usage=Usage(wall_s=9.0, cpu_s=3.0, rss_mb=1.0, began=0.0, output=""),
        tenths=[
            {"saved": 100, "at_s": 2.0, **tenth},
            {"saved": 200, "at_s": 6.0, **tenth},
        ],
        counts={"saved": 250, "not_submitted": 750},
        requests=500,
        refusals=0,
    )

    report = scale.report_of(outcome, 1000)

    assert report.samples["jobs"] == {"1/10": [50.0], "2/10": [25.0]}
    assert "12.00 ms CPU a job" in report.notes[0]
    assert "2.00 requests per asset" in report.notes[0]


# --- simulations ---------------------------------------------------------------


def test_a_sample_of_a_batch_makes_every_asset_within_the_limits():
    few, many = (simulate_batch.take_sample(ceiling, 300) for ceiling in (7, 40))

    assert few.assets == many.assets == 300
    assert few.per_minute < many.per_minute < 100
    assert few.per_minute < 7 / 30 * 60 * 1.1
    assert 1 < many.requests_each < few.requests_each


def test_batches_are_samples_so_many_times(capsys):
    sample = simulate_batch.Sample(
        assets=100, seconds=60.0, by_kind={"submit": 100, "list": 20}, refused=5
    )

    simulate_batch.show_batches(sample)

    days = 100_000_000 / 100 / 60 / 24
    row = f"| 100,000,000 | 125,000,000 | {days:,.0f} | 2,894 |"
    assert row in capsys.readouterr().out


def test_two_simulations_with_one_seed_are_equal():
    scene = Scene(runs=2, ceiling=5, apart_s=10.0)

    spans = play(scene, until_s=60.0, step_s=30.0)

    assert spans == play(scene, until_s=60.0, step_s=30.0)
    assert [span.ends_s for span in spans] == [30.0, 60.0]


def test_a_share_is_the_mean_of_jobs_in_flight():
    ours, theirs = (
        ServedJob(number=number, created=begun, ended=ended, asset_ids=())
        for number, begun, ended in ((0, 5.0, 15.0), (fair_shares.ITEMS, 0.0, 30.0))
    )

    assert fair_shares.shares_of([ours, theirs], 2, 10.0, 20.0) == [0.5, 1.0]
    assert jain([1.0, 1.0]) == 1.0
    assert jain([3.0, 0.0, 0.0]) == pytest.approx(1 / 3)


# --- processes ----------------------------------------------------------------


def test_a_process_is_measured_by_itself(tmp_path):
    command = [sys.executable, "-c", "x = bytearray(200_000_000); print(len(x))"]

    usage = run_measured(command, folder=tmp_path, environment={}, limit_s=60)

    assert usage.output == "200000000\n"
    assert 200 < usage.rss_mb < 400
    assert usage.wall_s > 0 < usage.cpu_s


def test_a_process_that_fails_is_no_measurement(tmp_path):
    command = [sys.executable, "-c", "raise SystemExit('no luck')"]

    with pytest.raises(ChildFailed, match=r"code 1\nno luck"):
        run_measured(command, folder=tmp_path, environment={}, limit_s=60)


def test_a_process_that_never_ends_is_killed(tmp_path):
    command = [sys.executable, "-c", "import signal; signal.pause()"]

    with pytest.raises(ChildFailed, match="code -9"):
        run_measured(command, folder=tmp_path, environment={}, limit_s=0.2)


def test_no_real_key_reaches_a_peer(tmp_path, monkeypatch):
    monkeypatch.setenv("SCENARIO_SDK_API_KEY", "real")
    monkeypatch.setenv("SCENARIO_PROJECT_ID", "real")
    bench = Bench(folder=tmp_path)

    environment = bench.environment("http://127.0.0.1:1/v1")

    assert "real" not in environment.values()
    assert environment["SCENARIO_SDK_API_KEY"] == "key"


# --- arithmetic ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("durations_s", "slots", "makespan_s"),
    [
        ([], 3, 0.0),
        ([2.0], 3, 2.0),
        ([1.0, 2.0, 3.0], 1, 6.0),
        ([3.0, 1.0, 1.0, 1.0], 2, 3.0),
        ([1.0, 1.0, 3.0], 2, 4.0),
    ],
    ids=["none", "one", "one slot", "the short ones share", "a long one last"],
)
def test_greedy_begins_each_job_when_a_slot_is_free(durations_s, slots, makespan_s):
    assert greedy_makespan(durations_s, slots) == makespan_s


def test_greedy_follows_a_ceiling_that_changes_and_stops_nothing_that_runs():
    taken_and_back = [(0.0, 2), (1.0, 1), (6.0, 2)]

    assert greedy_makespan([2.0] * 4, taken_and_back) == 6.0
    assert greedy_makespan([2.0] * 5, taken_and_back) == 8.0


def test_percentiles_are_samples():
    samples = [float(number) for number in range(100, 0, -1)]

    assert [percentile(samples, each) for each in (1, 50, 99, 100)] == [1, 50, 99, 100]
    assert percentile([7.0], 99) == 7.0


def test_a_spread_is_median_and_extremes():
    spread = spread_of([9.0, 1.0, 2.0])

    assert (spread.median, spread.low, spread.high, spread.count) == (2.0, 1.0, 9.0, 3)


def test_every_peer_is_first_in_turn():
    names = ["a", "b", "c"]

    assert [rotated(names, turn)[0] for turn in range(4)] == ["a", "b", "c", "a"]
    assert sorted(rotated(names, 2)) == names


# --- reports ------------------------------------------------------------------


def test_a_table_shows_medians_spread_and_ratios(report):
    report.limits = {"wall": "≤ 1"}

    assert render_table(report) == [
        "| Figure | we | they | ÷ they | Wanted |",
        "| --- | --- | --- | --- | --- |",
        "| wall, s | 2 (1-9) | 4 | 0.5 | ≤ 1 |",
    ]


def test_a_peer_without_a_figure_has_an_empty_cell(report):
    report.add("lag", "ms", "we", 1.0)

    assert render_table(report)[-1] == "| lag, ms | 1 |  |  |"


@pytest.mark.parametrize(
    ("value", "text"),
    [(1234.5, "1,234"), (99.94, "99.9"), (1.0349, "1.03"), (0.0123, "0.0123")],
)
def test_numbers_show_the_digits_that_count(value, text):
    assert show(value) == text


def test_a_report_comes_back_from_its_record(report):
    assert report_from(asdict(report)) == report


def test_the_page_says_how_busy_the_machine_was(report):
    report.moment = {"date": "a day", "load": "1 / 2 / 3"}
    report.note("half of it uphill")

    page = render_page([report], MACHINE)

    assert "1 / 2 / 3" in page
    assert "- half of it uphill\n" in page


def test_only_the_block_of_the_document_is_replaced():
    page = f"above\n{BEGIN}\nold\n{END}\nbelow\n"

    filled = fill_block(page, ["new"])

    assert filled == f"above\n{BEGIN}\n\nnew\n\n{END}\nbelow\n"
    assert fill_block(filled, ["new"]) == filled


def test_a_document_without_the_block_is_left_alone():
    with pytest.raises(ValueError, match="no block"):
        fill_block("above\nbelow\n", ["new"])


def test_the_document_has_the_block():
    assert fill_block(DOCUMENT.read_text("utf-8"), [])
