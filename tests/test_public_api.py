"""The public names: pinned, and imported when they are first used."""

import asyncio
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import pipeline


def test_the_public_names_are_these():
    assert pipeline.__all__ == [
        "Credentials",
        "Estimate",
        "ExitCode",
        "Manifest",
        "ManifestError",
        "PipelineError",
        "Plan",
        "RunResult",
        "Selection",
        "Settings",
        "__version__",
        "estimate",
        "load_manifest",
        "run",
    ]


@pytest.mark.parametrize("name", pipeline.__all__)
def test_every_public_name_resolves_and_is_documented(name):
    value = getattr(pipeline, name)

    assert isinstance(value, str) or inspect.getdoc(value)


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
