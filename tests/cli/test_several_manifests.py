"""Several manifests in one command: one question, one summary, one exit code."""

import click
import pytest

from pipeline.cli.ci.run_reports import RunReports
from pipeline.cli.options import _find_manifests
from pipeline.errors import ExitCode, OutputError, UsageError
from pipeline.running.events import Launched
from pipeline.running.joined_events import JoinedEvents

HEAD = "version: 1\nmodel: model_wan-2-7-image\nparams: {size: 1K}\nitems:\n"


@pytest.fixture
def three(place):
    """Three manifests of two items at 6 units each; one has a review file."""
    for name in ("birds", "icons", "props"):
        items = "".join(
            f"  - {{id: {item}, prompt: {name} {item}}}\n" for item in ("a", "b")
        )
        (place.folder / f"{name}.yaml").write_text(HEAD + items)
    (place.folder / "icons.review.yaml").write_text("version: 1\nitems: {}\n")
    return place


async def test_events_say_which_manifest_and_the_end_is_one(three):
    done = await three.command("run", "*.yaml", "--yes", "--json", "--quiet")

    names = ["birds.yaml", "icons.yaml", "props.yaml"]
    *events, last = done.events
    assert done.code == 0
    assert {event["manifest"] for event in events} == {*names}
    results = [event for event in events if event["event"] == "result"]
    assert [event["manifest"] for event in results] == names
    assert [event["counts"] for event in results] == [{"saved": 2}] * 3
    assert last["event"] == "done"
    assert "manifest" not in last
    assert last["counts"] == {"saved": 6}
    assert last["cost"]["charged"] == three.counters["charged_cu"] == 36


async def test_one_summary_says_what_each_has_made_and_the_next_command(three):
    done = await three.command(
        "run", "icons.yaml", "props.yaml", "--yes", "--max-cost", "20"
    )

    assert done.code == 4
    assert three.counters["charged_cu"] == 18
    assert "2 manifests → output/icons, output/props" in done.err
    assert "4 items: 0 done, 4 to submit" in done.err
    assert done.err.count("stopped submitting") == 1
    assert "3 saved, 1 not submitted in" in done.err
    assert "pipeline run icons.yaml props.yaml" in done.err


async def test_a_failed_item_is_named_with_its_manifest(three):
    path = three.folder / "props.yaml"
    path.write_text(path.read_text().replace("props b", "'[fail] b'"))

    done = await three.command("run", "icons.yaml", "props.yaml", "--yes")
    again = await three.command("rerun", "icons.yaml", "props.yaml", "--yes")
    fetched = await three.command("fetch", "icons.yaml", "props.yaml")

    assert (done.code, again.code) == (3, 3)
    assert "x props: b" in done.err
    assert "pipeline rerun icons.yaml props.yaml" in done.err
    assert again.err.count("x props: b") == 1
    assert fetched.code == 0


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (("run", "--output", "here"), "leave --output out"),
        (("run", "--plan", "saved.json"), "--plan is about one manifest"),
        (("plan", "--out", "saved.json"), "--out is about one manifest"),
        (("plan", "--profiles"), "--profiles is about one manifest"),
        (("status", "--output", "here"), "leave --output out"),
    ],
)
async def test_options_about_one_manifest_are_refused(three, typed, said):
    verb, *options = typed

    done = await three.command(verb, "icons.yaml", "props.yaml", *options)

    assert done.code == 2
    assert said in done.err
    assert three.counters["requests"] == {}


async def test_plan_shows_each_manifest_and_what_all_cost(three):
    text = await three.command("plan", "*.yaml", "--max-cost", "30")
    told = await three.command("plan", "*.yaml", "--json", "--detailed-exitcode")

    assert text.code == 0
    assert "props.yaml → output/props" in text.out
    assert "3 manifests, 6 items: 6 to submit; 6 files for 36 units" in text.out
    assert "budget: 0 of 30 units taken" in text.out
    *events, last = told.events
    assert told.code == 10
    assert (last["event"], last["cost"]["quoted"]) == ("plan", 36)
    assert "manifest" not in last
    assert {event["manifest"] for event in events} == {
        "birds.yaml",
        "icons.yaml",
        "props.yaml",
    }
    assert [e["cost"]["quoted"] for e in events if e["event"] == "plan"] == [12] * 3


async def test_status_counts_each(three):
    await three.command("run", "icons.yaml", "--yes", "--quiet")

    text = await three.command("status", "icons.yaml", "props.yaml")
    told = await three.command("status", "icons.yaml", "props.yaml", "--json")

    assert "icons: 2 items → output/icons" in text.out
    assert "props: 2 items → output/props" in text.out
    assert [(e["manifest"], e["counts"]["saved"]) for e in told.events] == [
        ("icons.yaml", 2),
        ("props.yaml", 0),
    ]


async def test_validate_lists_the_faults_of_all_of_them(three):
    for name in ("icons", "props"):
        path = three.folder / f"{name}.yaml"
        path.write_text(path.read_text().replace("prompt:", "promt:"))

    text = await three.command("validate", "*.yaml")
    told = await three.command("validate", "*.yaml", "--json")

    assert (text.code, told.code) == (2, 2)
    assert "birds.yaml: 2 items, no faults" in text.out
    assert "icons.yaml:5" in text.err
    assert "props.yaml:5" in text.err
    files = {event.get("file") for event in told.events if event["event"] == "fault"}
    assert files == {"icons.yaml", "props.yaml"}


async def test_a_shard_of_several_has_its_share_of_their_budget(three):
    codes, charged = [], 0
    for shard in ("1/2", "2/2"):
        done = await three.command(
            "run", "*.yaml", "--yes", "--quiet", "--shard", shard, "--max-cost", "36"
        )
        codes.append(done.code)
        status = await three.command("status", "icons.yaml", "--shard", shard)
        charged += int("2 items of" in status.out)

    assert codes == [0, 0]
    assert three.counters["charged_cu"] == 36
    assert charged <= 1  # they are divided


async def test_merge_joins_what_shards_have_made(three):
    for number in (1, 2):
        folder = three.folder / f"shard-{number}"
        await three.command(
            "run", "icons.yaml", "--yes", "-q", "--shard", f"{number}/2", "-o", folder
        )

    text = await three.command("merge", "shard-1", "shard-2", "-o", "output/icons")
    told = await three.command(
        "merge", "shard-1", "shard-2", "-o", "output/icons", "--json"
    )
    status = await three.command("status", "icons.yaml")

    assert text.code == told.code == 0
    assert "2 folders → output/icons: 2 items, 4 files copied" in text.out
    assert (told.events[-1]["event"], told.events[-1]["copied"]) == ("merge", 0)
    assert "2  saved" in status.out


def found(*paths):
    return [path.name for path in _find_manifests(None, None, tuple(paths))]  # type: ignore[arg-type]


def test_a_pattern_that_matches_nothing_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no file matches"):
        found(tmp_path / "*.yaml")


def test_review_files_are_left_out_where_a_shell_names_them(tmp_path):
    for name in ("a.yaml", "a.review.yaml", "a.review.final.yaml", "b.review.yaml"):
        (tmp_path / name).touch()

    assert found(tmp_path / "*.yaml") == ["a.yaml", "b.review.yaml"]
    assert found(tmp_path / "a.review.yaml") == ["a.review.yaml"]


def test_a_file_whose_name_looks_like_a_pattern_is_itself(tmp_path):
    (tmp_path / "[a].yaml").touch()

    assert found(tmp_path / "[a].yaml") == ["[a].yaml"]


async def test_one_junit_report_has_the_items_of_all(three):
    path = three.folder / "props.yaml"
    path.write_text(path.read_text().replace("props b", "'[fail] b'"))

    done = await three.command(
        "run", "icons.yaml", "props.yaml", "--yes", "-q", "--junit", "report.xml"
    )

    text = (three.folder / "report.xml").read_text()
    assert done.code == 3
    assert text.count("<testcase") == 4
    assert text.count("<failure") == 1
    assert text.count("<testsuite ") == 2
    assert [one.name for one in three.folder.glob(".*report*")] == []


async def test_a_fault_in_one_starts_nothing_and_is_printed_for_scripts(three):
    (three.folder / "props.yaml").write_text("version: 1\nitems: nothing\n")

    done = await three.command("run", "icons.yaml", "props.yaml", "--yes", "--json")

    kinds = [event["event"] for event in done.events]
    assert (done.code, three.counters["charged_cu"]) == (2, 0)
    assert kinds[-1] == "done"
    assert "fault" in kinds
    assert done.events[-1]["exit_code"] == 2


async def test_what_needs_a_failed_item_is_blocked_and_named_with_its_manifest(three):
    path = three.folder / "props.yaml"
    path.write_text(
        f"{HEAD}  - {{id: a, prompt: '[fail] a'}}\n"
        "  - {id: b, prompt: b, params: {images: ['item:a']}}\n"
    )

    done = await three.command("run", "icons.yaml", "props.yaml", "--yes", "--json")

    blocked = [one for one in done.events if one["event"] == "blocked"]
    assert done.code == 3
    assert [(one["manifest"], one["item_id"]) for one in blocked] == [
        ("props.yaml", "b")
    ]
    assert "x props: b" in done.err
    assert "props: 1 failed, 1 blocked → output/props" in done.err


async def test_the_galleries_of_all_are_named(three):
    done = await three.command("run", "icons.yaml", "props.yaml", "--yes", "--report")

    assert done.code == 0
    for name in ("icons", "props"):
        assert f"gallery: output/{name}/gallery/index.html" in done.err
        assert (three.folder / f"output/{name}/gallery/index.html").is_file()


async def test_a_report_that_would_replace_another_file_stops_all_before_they_pay(
    three,
):
    (three.folder / "report.xml").write_text("mine\n")

    done = await three.command(
        "run", "icons.yaml", "props.yaml", "--yes", "--junit", "report.xml"
    )

    assert (done.code, three.counters["charged_cu"]) == (2, 0)
    assert "report.xml" in done.err
    assert (three.folder / "report.xml").read_text() == "mine\n"


async def test_a_run_that_cannot_go_on_is_named_and_the_others_go_on(
    three, monkeypatch
):
    join = JoinedEvents.join

    def block(joined, manifest, event):
        if manifest == "icons.yaml" and isinstance(event, Launched):
            (three.folder / "output/icons/.partial").write_text("in the way")
        return join(joined, manifest, event)

    monkeypatch.setattr(JoinedEvents, "join", block)

    done = await three.command("run", "icons.yaml", "props.yaml", "--yes")

    assert done.code == ExitCode.STORAGE
    lines = done.err.splitlines()
    (at,) = (n for n, line in enumerate(lines) if line.startswith("x icons: "))
    assert lines[at + 1].startswith("    ")  # what to do about it
    assert "\nprops: 2 saved → output/props\n" in done.err


async def test_a_question_that_is_answered_with_no_pays_nothing(three, monkeypatch):
    def decline(_question):
        raise click.Abort

    monkeypatch.setattr("pipeline.cli.run_all.has_to_be_asked", lambda *_given: True)
    monkeypatch.setattr("pipeline.cli.run_all.agree", decline)

    done = await three.command("run", "icons.yaml", "props.yaml", "--json")

    assert done.code == ExitCode.INTERRUPTED
    assert done.events[-1]["exit_code"] == ExitCode.INTERRUPTED
    assert three.counters["submits_received"] == 0


@pytest.mark.parametrize("failing", [False, True])
async def test_a_report_that_is_lost_is_told_beside_a_graver_error_or_ends_the_run(
    three, monkeypatch, failing
):
    lost = OutputError("all.xml cannot be written")
    monkeypatch.setattr(RunReports, "write", lambda *_arguments: lost)
    if failing:
        path = three.folder / "props.yaml"
        path.write_text(path.read_text().replace("props b", "'[fail] b'"))

    done = await three.command("run", "icons.yaml", "props.yaml", "--yes")

    assert done.code == (ExitCode.ITEMS_FAILED if failing else ExitCode.STORAGE)
    assert done.err.count("all.xml cannot be written") == 1
    assert three.counters["jobs_made"] == 4


async def test_without_a_terminal_for_pictures_it_says_so_once(three):
    done = await three.command("run", "icons.yaml", "props.yaml", "--yes", "--pictures")

    assert done.code == 0
    assert done.err.count("there is no terminal that can show pictures") == 1
