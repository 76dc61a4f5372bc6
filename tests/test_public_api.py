"""The public names: pinned, and imported when they are first used."""

import asyncio
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import pipeline


def test_the_public_names_are_these():
    assert pipeline.__all__ == sorted(pipeline.__all__)
    assert set(pipeline.__all__) >= {
        *("Credentials", "Estimate", "ExitCode", "Manifest", "ManifestError"),
        *("PipelineError", "Plan", "RunResult", "Selection", "Settings"),
        *("__version__", "estimate", "load_manifest", "plan", "run"),
    }


def test_every_event_and_every_record_of_a_result_is_public():
    from typing import get_args

    from pipeline.running.events import Event

    events = {one.__name__ for one in get_args(Event)}
    assert events <= set(pipeline.__all__)
    assert {"ItemRecord", "JobRecord", "SavedFile", "RunCost"} <= set(pipeline.__all__)


def test_dir_shows_every_public_name():
    code = "import pipeline; print(*dir(pipeline))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(pipeline.__file__).parent.parent,
        capture_output=True,
        text=True,
        check=True,
    )

    assert set(pipeline.__all__) <= set(done.stdout.split())


@pytest.mark.parametrize("name", pipeline.__all__)
def test_every_public_name_resolves_and_is_documented(name):
    value = getattr(pipeline, name)

    is_alias = name == "Event"  # the union of all events
    assert isinstance(value, str) or is_alias or inspect.getdoc(value)


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        pipeline.nothing  # noqa: B018 - the look-up is the point


def test_public_functions_stay_functions_when_modules_were_imported():
    """A submodule of the same name would take the place of the function."""
    import pipeline.operations.run
    import pipeline.planning.plan
    import pipeline.running.run

    assert inspect.iscoroutinefunction(pipeline.run)
    assert inspect.iscoroutinefunction(pipeline.estimate)
    assert pipeline.run is pipeline.operations.run.run


def test_no_module_is_named_like_a_public_name():
    folder = Path(pipeline.__file__).parent
    modules = {path.stem for path in folder.glob("*.py")}
    modules |= {path.name for path in folder.iterdir() if path.is_dir()}

    assert not modules & set(pipeline.__all__)


def test_importing_the_package_loads_nothing():
    code = (
        "import sys; before = set(sys.modules); import pipeline;"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(pipeline.__file__).parent.parent,
        capture_output=True,
        text=True,
        check=True,
    )

    loaded = done.stdout.split()
    assert {name for name in loaded if name.startswith("pipeline")} == {
        "pipeline",
        "pipeline.version",
    }
    assert not {"asyncio", "aiohttp", "anyio", "yaml", "rich"} & set(loaded)


def test_the_package_says_that_it_is_typed():
    assert (Path(pipeline.__file__).parent / "py.typed").is_file()


def test_a_program_can_plan_and_is_told_what_a_run_lacks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # no .env here
    manifest = tmp_path / "one.yaml"
    manifest.write_text(
        "version: 1\nmodel: model_wan-2-7-image\nitems:\n- {id: oak, prompt: an oak}\n"
    )

    made = asyncio.run(
        pipeline.estimate(manifest, output=tmp_path / "out", emulate=True, offline=True)
    )
    with pytest.raises(pipeline.PipelineError) as caught:
        asyncio.run(pipeline.run(manifest, output=tmp_path / "real"))

    assert made.plan.total == 1
    assert not (tmp_path / "out").exists()
    assert caught.value.exit_code is pipeline.ExitCode.ACCESS  # no credentials


ICONS = {
    "version": 1,
    "name": "icons",
    "model": "model_wan-2-7-image",
    "params": {"size": "1K"},
    "items": [
        {"id": "oak", "prompt": "an oak"},
        {"id": "elm", "prompt": "an elm [moderate]"},
    ],
}


@pytest.fixture
async def made(tmp_path, monkeypatch):
    """A mapping, run with the emulator: the result and what was told about it."""
    monkeypatch.chdir(tmp_path)
    told = {"events": [], "items": [], "estimates": []}

    async def on_event(event):
        told["events"].append(type(event).__name__)

    async def on_item(planned):
        told["items"].append(planned.item.item_id)

    async def approve(estimate):
        told["estimates"].append([one.item.item_id for one in estimate.entries()])

    result = await pipeline.run(
        ICONS, emulate=True, on_event=on_event, on_item=on_item, approve=approve
    )
    return result, told


async def test_a_result_has_its_items(made):
    result, _ = made
    oak = result.items["oak"]

    assert list(result.items) == ["oak", "elm"]
    assert oak.files[0].path.is_file()
    assert oak.files[0].sidecar.is_file()
    assert (oak.status, oak.cost > 0) == (pipeline.ItemStatus.SAVED, True)
    assert result.items["elm"].status == "failed"
    assert "moderat" in result.items["elm"].worst.reason
    with pytest.raises(KeyError, match="did you mean 'oak'"):
        result.items["oka"]


async def test_so_has_the_result_of_a_run_with_nothing_to_do(made):
    again = await pipeline.run(
        ICONS, emulate=True, selection=pipeline.Selection(globs=("oak",))
    )

    assert (again.submitted, again.items["oak"].files[0].path.is_file()) == (0, True)


async def test_callbacks_may_be_async(made):
    _, told = made

    assert told["events"][0] == "Launched"
    assert told["events"].count("JobChanged") > 2
    assert told["items"] == ["oak", "elm"]
    assert told["estimates"] == [["oak", "elm"]]


async def test_an_exception_of_approve_ends_the_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    class TooExpensive(Exception):
        pass

    async def approve(_estimate):
        raise TooExpensive

    with pytest.raises(TooExpensive):
        await pipeline.run(ICONS, emulate=True, approve=approve)

    assert not list(tmp_path.rglob("*.png"))


async def test_the_entries_of_a_plan_can_be_read_after_the_call(made):
    before = await pipeline.plan(ICONS, emulate=True)

    entries = list(before.entries())

    assert (entries[0].item.item_id, entries[0].action) == ("oak", "done")
    assert [one.item.item_id for one in before.plan.entries()] == ["oak", "elm"]


async def test_a_result_and_a_plan_show_themselves_as_html(made):
    result, _ = made

    shown = result._repr_html_()
    planned = (await pipeline.plan(ICONS, emulate=True))._repr_html_()

    assert shown.count("<img ") == 1
    assert "data:image/webp;base64," in shown
    assert "failed" in shown
    assert "done" in planned
    assert planned.count("<tr>") == 3
