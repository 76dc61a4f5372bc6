"""What CI gets of a run and of a plan: JUnit, and GitHub's summary, log and outputs."""

import re
import subprocess
from pathlib import Path

import pytest
from doubles.place import items
from junitparser import Error, Failure, JUnitXml, Skipped

PRICE = 6


@pytest.fixture
def github(place, monkeypatch):
    """A step of GitHub Actions in a checkout at the place."""
    files = {name: place.folder / name for name in ("summary.md", "outputs")}
    for name, value in {
        "GITHUB_ACTIONS": "true",
        "GITHUB_STEP_SUMMARY": files["summary.md"],
        "GITHUB_OUTPUT": files["outputs"],
        "GITHUB_WORKSPACE": place.folder,
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_REPOSITORY": "o/n",
        "GITHUB_SHA": "abc123",
    }.items():
        monkeypatch.setenv(name, str(value))
    return files


def write(place, *prompts, more=""):
    path = place.folder / "knobs.yaml"
    path.write_text(items(*prompts) + more, encoding="utf-8")
    return path


def cases_of(path: Path):
    (suite,) = JUnitXml.fromfile(str(path))
    return {case.name: case for case in suite}


def outputs_of(path: Path) -> dict[str, str]:
    """As the runner reads them."""
    blocks = re.findall(r"^(.+)<<(.+)\n(?s:(.*?))\n\2$", path.read_text(), re.MULTILINE)
    return {name: value for name, _, value in blocks}


def commit(folder: Path, *names: str) -> None:
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    subprocess.run(["git", "add", *names], cwd=folder, check=True)


async def test_a_run_writes_a_case_for_each_item(place):
    write(place, "an oak", "an elm [fail]")

    said = await place.type("run", "--yes", "--junit", "reports/j.xml")

    cases = cases_of(place.folder / "reports/j.xml")
    assert said.code == 3
    assert cases["a"].is_passed
    (failure,) = cases["b"].result
    assert isinstance(failure, Failure)
    assert failure.type == "generation"
    assert failure.text.endswith(f"\n{place.folder / 'knobs.yaml'}:7")
    assert "next: " in failure.text
    assert not (place.folder / "reports/.partial").exists()


@pytest.mark.parametrize("verb", ["rerun", "fetch", "redo"])
async def test_so_do_the_commands_that_are_like_it(place, verb):
    write(place, "an oak", "an elm [fail]")
    await place.type("run", "--yes")
    words = {"rerun": ["--yes"], "fetch": [], "redo": ["a", "--yes"]}[verb]

    await place.type(verb, *words, "--junit", place.folder / "j.xml")

    cases = cases_of(place.folder / "j.xml")
    assert {name: case.is_passed for name, case in cases.items()} == {
        "a": True,
        "b": False,
    }
    assert cases["a"].time == 0 or verb == "redo"


async def test_an_item_whose_parent_failed_is_skipped(place):
    child = '  - {id: z, prompt: more, params: {images: "item:a"}}\n'
    write(place, "an oak [fail]", more=child)

    await place.type("run", "--yes", "--junit", "j.xml")

    cases = cases_of(place.folder / "j.xml")
    assert isinstance(cases["a"].result[0], Failure)
    (skipped,) = cases["z"].result
    assert isinstance(skipped, Skipped)
    assert (skipped.type, skipped.message[:12]) == ("blocked", "blocked by a")


async def test_a_run_that_stops_early_writes_all_items_and_why(place):
    write(place, "an oak", "an elm", "an ash")

    said = await place.type("run", "--yes", "--max-cost", PRICE, "--junit", "j.xml")

    cases = cases_of(place.folder / "j.xml")
    assert said.code == 4
    assert isinstance(cases["run"].result[0], Error)
    assert "stopped submitting" in cases["run"].result[0].message
    kinds = [type(case.result[0]) for case in cases.values() if case.result]
    assert kinds.count(Skipped) == 2


async def test_a_run_that_an_error_ends_writes_it(place, monkeypatch):
    write(place, "an oak")
    monkeypatch.delenv("SCENARIO_SDK_API_KEY")
    monkeypatch.delenv("SCENARIO_SDK_API_SECRET")

    said = await place.type("run", "--yes", "--junit", "j.xml")

    cases = cases_of(place.folder / "j.xml")
    assert said.code == 6
    assert "no credentials" in cases["run"].result[0].message
    assert isinstance(cases["a"].result[0], Skipped)


async def test_frozen_makes_what_would_be_paid_a_failure(place):
    write(place, "an oak")

    said = await place.type("run", "--frozen", "--junit", "j.xml")

    assert said.code == 8
    assert isinstance(cases_of(place.folder / "j.xml")["a"].result[0], Failure)


async def test_faults_of_the_manifest_are_cases_with_their_place(place):
    write(place, "an oak", more="sead: 7\n")

    said = await place.type("run", "--yes", "--junit", "j.xml")

    assert said.code == 2
    (case,) = cases_of(place.folder / "j.xml").values()
    assert case.name == f"run: {place.folder / 'knobs.yaml'}:7:1"
    assert "unknown key 'sead'" in case.result[0].message


async def test_on_gitlab_the_places_are_relative_to_the_repository(place, monkeypatch):
    monkeypatch.setenv("GITLAB_CI", "true")
    monkeypatch.setenv("CI_PROJECT_DIR", str(place.folder))
    write(place, "an oak [fail]")

    said = await place.type("run", "--yes", "--junit", "j.xml")

    (failure,) = cases_of(place.folder / "j.xml")["a"].result
    assert failure.text.endswith("\nknobs.yaml:6")
    assert "::" not in said.err


async def test_another_file_is_not_replaced_by_a_report(place):
    manifest = write(place, "an oak")
    before = manifest.read_bytes()

    said = await place.type("run", "--yes", "--junit", manifest)

    assert said.code == 2
    assert "exists and is not a JUnit report" in said.err
    assert (manifest.read_bytes(), place.submits) == (before, 0)


async def test_a_report_that_cannot_be_written_is_an_error_after_the_run(place):
    write(place, "an oak")
    (place.folder / "file").write_text("x")

    said = await place.type("run", "--yes", "--junit", place.folder / "file/j.xml")

    assert said.code == 11
    assert "choose another --junit" in said.err
    assert (place.output / "a.png").is_file()


async def test_github_gets_a_summary_annotations_and_outputs(place, github):
    write(place, "an oak", "an elm [fail] <b>@octocat</b>")
    github["summary.md"].write_text("before\n")

    said = await place.type("run", "--yes")

    summary = github["summary.md"].read_text()
    assert summary.startswith("before\n\n### ❌ <code>knobs</code>: 1 failed, 1 saved")
    assert summary.index("<code>b</code>") < summary.index("<code>a</code>")
    assert "<code>knobs&#46;yaml&#58;7</code>" in summary
    assert "<b>" not in summary
    assert said.err.count("::error file=knobs.yaml,line=7,title=b::b: ") == 1
    begins, ends = said.err.index("::group::knobs"), said.err.index("::endgroup::")
    assert begins < said.err.index("2 items: 0 done, 2 to submit") < ends
    assert ends < said.err.index("x b (")
    outputs = outputs_of(github["outputs"])
    assert outputs["exit-code"] == str(said.code) == "3"
    assert (outputs["saved"], outputs["in-place"], outputs["failed"]) == ("1", "1", "1")
    assert outputs["charged"] == str(2 * PRICE)
    assert outputs["output-folder"] == str(place.output)


@pytest.mark.parametrize("verb", ["validate", "plan", "run"])
async def test_faults_are_marked_once_where_they_are(place, github, command, verb):
    write(place, "an oak", more="sead: 7\n")
    (place.folder / "rows.csv").write_text("slug\n$bad/../x\n")
    rows = items() + "  - {id: '${slug}', prompt: x, rows: rows.csv}\n"
    (place.folder / "rows.yaml").write_text(rows)

    in_manifest = await command(verb, place.folder / "knobs.yaml")
    in_rows = await command(verb, place.folder / "rows.yaml")

    assert in_manifest.code == in_rows.code == 2
    start = "::error file=knobs.yaml,line=7,col=1,title=pipeline::unknown key 'sead'"
    assert in_manifest.err.count(start) == 1
    assert in_manifest.err.count("::error") == 1
    assert in_rows.err.count("::error file=rows.csv,line=2,col=1,title=pipeline::") == 1


async def test_pictures_are_shown_if_they_are_committed(place, github):
    from knobs.world import draw_references

    draw_references(place.folder)
    text = items("an oak", "an elm [fail]").replace(
        "items:", "references: {style: style.png}\nitems:"
    )
    text = text.replace('[fail]", params: {}', '[fail]", params: {images: "ref:style"}')
    (place.folder / "knobs.yaml").write_text(text)
    commit(place.folder, "style.png")

    await place.type("run", "--yes")

    url = "https://github.com/o/n/raw/abc123/style.png"
    assert f'<img src="{url}" width="96" alt="">' in github["summary.md"].read_text()


async def test_no_report_holds_a_secret(place, github, use):
    secret = "canarySecretOfOurs"
    use(place.emulator.base_url, key=secret)
    write(place, "an oak [fail]")
    manifest = (place.folder / "knobs.yaml").rename(place.folder / f"{secret}.yaml")
    where = ("--output", place.folder / secret)

    await place.command("plan", manifest, *where, "--markdown", "plan.md")
    await place.command("run", manifest, *where, "--yes", "--junit", "j.xml")

    files = [*github.values(), place.folder / "plan.md", place.folder / "j.xml"]
    texts = [file.read_text() for file in files]
    assert [text for text in texts if secret in text] == []
    assert "[secret]" in (place.folder / "j.xml").read_text()
    assert outputs_of(github["outputs"])["output-folder"].endswith("/[secret]")


async def test_a_full_summary_is_left_alone(place, github):
    write(place, "an oak")
    github["summary.md"].write_bytes(b"x" * (1024 * 1024 - 100))

    said = await place.type("run", "--yes")

    assert said.code == 0
    assert github["summary.md"].stat().st_size == 1024 * 1024 - 100


async def test_files_that_cannot_be_written_cost_no_run(place, github, monkeypatch):
    write(place, "an oak")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(place.folder / "none/summary.md"))

    said = await place.type("run", "--yes")

    assert said.code == 0
    assert "GitHub's file cannot be written" in said.err


async def test_without_github_nothing_changes(place):
    write(place, "an oak")

    said = await place.type("run", "--yes")

    assert "::" not in said.err


async def test_a_plan_says_what_a_change_costs(place, github):
    write(place, "an oak")
    base = await place.type("plan", "--json")
    (place.folder / "base.jsonl").write_text(base.out)
    write(place, "an oak", "an elm <b>", "an ash")
    github["summary.md"].unlink()

    said = await place.type("plan", "--markdown", "plan.md", "--base", "base.jsonl")

    text = (place.folder / "plan.md").read_text()
    assert said.code == 0
    assert f"this change concerns 2 items and costs {2 * PRICE} units" in text
    assert "<code>b</code>" in text
    assert "<code>a</code>" not in text
    assert "1 item to do without this change too." in text
    assert github["summary.md"].read_text().strip() == text.strip()
    again = await place.type("plan", "--markdown", "plan.md")
    assert again.code == 0
    assert f"3 items, {3 * PRICE} units" in (place.folder / "plan.md").read_text()


@pytest.mark.parametrize(
    ("base", "said"),
    [
        (None, "cannot be read"),
        ("", "does not hold"),
        ("{}\n", "does not hold"),
        ("version: 1\n", "does not hold"),
        ("[" * 9999 + "\n", "does not hold"),
        ('{"event": "item", "sign": "+"}\n', "does not hold"),
        ('{"event": "plan", "orphans": 0, "cost": {"bound": "6"}}\n', "does not hold"),
    ],
)
async def test_a_base_that_is_no_plan_is_refused(place, base, said):
    write(place, "an oak")
    if base is not None:
        (place.folder / "base.jsonl").write_text(base)

    done = await place.type("plan", "--markdown", "plan.md", "--base", "base.jsonl")

    assert done.code == 2
    assert said in done.err
    assert not (place.folder / "plan.md").exists()


async def test_a_base_without_markdown_is_refused(place):
    write(place, "an oak")

    assert (await place.type("plan", "--base", "base.jsonl")).code == 2


async def test_a_plan_shows_the_last_file_of_what_changes(place, github):
    write(place, "an oak")
    await place.type("run", "--yes")
    write(place, "another oak")
    commit(place.folder, "out/a.png")

    await place.type("plan", "--markdown", "plan.md")

    url = "https://github.com/o/n/raw/abc123/out/a.png"
    text = (place.folder / "plan.md").read_text()
    assert f'<img src="{url}" width="96" alt="">' in text
    assert "| changed | <code>a</code> |" in text


async def test_several_manifests_have_outputs_of_all_of_them(place, github):
    for name, prompt in (("icons", "an axe"), ("props", "a cart [fail]")):
        (place.folder / f"{name}.yaml").write_text(
            "version: 1\nmodel: model_wan-2-7-image\nparams: {size: 1K}\n"
            f"items:\n  - {{id: a, prompt: {prompt!r}}}\n  - {{id: b, prompt: {name}}}\n"
        )

    done = await place.command("run", "icons.yaml", "props.yaml", "--yes")

    outputs = outputs_of(github["outputs"])
    summary = github["summary.md"].read_text()
    assert done.code == 3
    assert (outputs["exit-code"], outputs["failed"], outputs["saved"]) == (
        "3",
        "1",
        "3",
    )
    assert outputs["charged"] == str(place.counters["charged_cu"])
    assert summary.count("\n### ") == 1
    assert "### ❌ <code>2 manifests</code>: 1 failed, 3 saved" in summary
    assert "| ✅ | <code>icons</code> | 2 saved | 12 |" in summary
    assert "| ❌ | <code>props</code> | 1 failed, 1 saved | 12 |" in summary
    assert summary.count("#### 1 failed") == 1
    assert "<code>props&#58; a</code>" in summary
    assert done.err.count("::group::2 manifests: progress") == 1
    assert done.err.count("::endgroup::") == 1
    assert "::error file=props.yaml,line=5" in done.out + done.err


async def test_several_manifests_have_ten_annotations_together(place, github):
    fails = "".join(f"  - {{id: i{n}, prompt: 'x [fail]'}}\n" for n in range(7))
    for name in ("icons", "props"):
        (place.folder / f"{name}.yaml").write_text(
            "version: 1\nmodel: model_wan-2-7-image\nparams: {size: 1K}\n"
            f"items:\n{fails}"
        )

    done = await place.command("run", "icons.yaml", "props.yaml", "--yes")

    assert (done.out + done.err).count("::error file=") == 10


async def test_what_stops_all_manifests_is_told_once(place, github):
    for name in ("icons", "props"):
        (place.folder / f"{name}.yaml").write_text("version: 1\nitems: 3\n")

    done = await place.command(
        "run", "icons.yaml", "props.yaml", "--yes", "--junit", "j.xml"
    )

    report = JUnitXml.fromfile(str(place.folder / "j.xml"))
    names = [case.name for suite in report for case in suite]
    assert done.code == 2
    assert len(names) == len(set(names)) == report.errors
    assert any("icons.yaml" in name for name in names)
    assert any("props.yaml" in name for name in names)
