"""A notebook's running loop, a program and the shell leave the same ledger."""

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
from doubles.shell import TREES, credentials_of, manifest_of

import pipeline
from pipeline.settings import DEFAULT_BASE_URL, KEY_VARIABLE, find_credentials

PROGRAM = """\
import asyncio, sys, pipeline
result = asyncio.run(pipeline.run("trees.yaml", output=sys.argv[1]))
print(result.exit_code, result.submitted, sorted(result.counts.items()))
"""
SAME = (
    "SELECT item_id, attempt, job_key, request_key, model_id, status, request, seed,"
    " derived_seed, base_url, project_id, author_id != '', charged, failure_class,"
    " failure_reason, echo FROM jobs ORDER BY item_id"
)
FILES = (
    "SELECT item_id, output_index, path, sha256, assets.size_bytes, media_type,"
    " width_px, height_px FROM assets JOIN jobs USING (row_id) ORDER BY path"
)
TEXT = TREES + "  - {id: fir, prompt: 'a fir [fail]'}\n"
COUNTS = {"saved": 4, "failed": 1}


def rows_in(output: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(output / "ledger.sqlite3")) as ledger:
        return [*ledger.execute(SAME), *ledger.execute(FILES)]


async def test_notebook_program_and_shell_leave_the_same_ledger(
    shell, start_emulator, monkeypatch
):
    # Each has a key of its own, or the others would take over what the first has made.
    emulator = await start_emulator(keys_share_jobs=False)
    shell.use(emulator)
    shell.write(TEXT)
    monkeypatch.chdir(shell.folder)
    for name, value in credentials_of(emulator).items():
        monkeypatch.setenv(name, value)

    # As in a notebook's cell: the loop is running already.
    notebook = await pipeline.run("trees.yaml", output="notebook")
    lock = shell.folder / "trees.yaml.lock"
    locks = [lock.read_text(encoding="utf-8")]
    lock.unlink()  # else the others would fetch what it names
    shell.environment[KEY_VARIABLE] = "key of the program"
    async with shell.start("program", program=("-c", PROGRAM)) as running:
        program = await running.end()
    locks.append(lock.read_text(encoding="utf-8"))
    lock.unlink()
    shell.environment[KEY_VARIABLE] = "key of the shell"
    typed = await shell.run("run", "trees.yaml", "--yes", "--output", "typed", "--json")

    assert (notebook.exit_code, notebook.counts) == (3, COUNTS)
    assert (program.out, program.err) == (f"3 5 {sorted(COUNTS.items())}\n", "")
    assert typed.events[-1]["counts"] == COUNTS
    expected = rows_in(shell.folder / "notebook")
    assert len(expected) == 5 + 4
    assert rows_in(shell.folder / "program") == expected
    assert rows_in(shell.folder / "typed") == expected
    assert emulator.counters()["jobs_made"] == 15
    assert all(text.count("- id: asset_") == 4 for text in locks)


async def test_one_after_the_other_they_go_on_with_one_ledger(
    shell, emulator, monkeypatch
):
    shell.use(emulator)
    monkeypatch.chdir(shell.folder)
    for name, value in credentials_of(emulator).items():
        monkeypatch.setenv(name, value)

    shell.write(manifest_of("an oak"))
    notebook = await pipeline.run("trees.yaml")
    shell.write(manifest_of("an oak", "an elm"))
    typed = await shell.run("run", "trees.yaml", "--yes", "--json")
    third = await pipeline.run("trees.yaml")

    assert notebook.counts == {"saved": 1}
    assert typed.events[-1]["counts"] == {"saved": 1, "done": 1}
    assert third.submitted == 0
    assert emulator.counters()["jobs_made"] == 2


async def test_plan_from_a_notebook_counts_without_sending(shell, emulator):
    path = shell.write(TEXT)
    seen = []

    made = await pipeline.estimate(
        path, output=shell.folder / "out", offline=True, on_item=seen.append
    )

    assert (made.plan.total, made.plan.to_submit) == (5, 5)
    assert [planned.item.item_id for planned in seen][-1] == "fir"
    assert emulator.counters()["requests"] == {}


async def test_faults_of_a_manifest_reach_a_program_as_one_error(shell):
    path = shell.write(TREES.replace("prompt:", "promt:"))

    with pytest.raises(pipeline.ManifestError) as caught:
        await pipeline.run(path, output=shell.folder / "out", emulate=True)

    assert caught.value.faults[0].line == 7
    assert not (shell.folder / "out").exists()


async def test_import_of_the_package_loads_no_client(shell):
    code = "import sys, pipeline; print(sorted({'aiohttp', 'rich'} & set(sys.modules)))"
    async with shell.start(program=("-c", code)) as running:
        done = await running.end()

    assert (done.out, done.err) == ("[]\n", "")


def test_base_url_of_a_dotenv_is_not_for_the_key_of_the_environment():
    environment = {"SCENARIO_SDK_API_KEY": "k", "SCENARIO_SDK_API_SECRET": "s"}
    strangers = {"SCENARIO_BASE_URL": "https://stranger.example/v1"}

    found = find_credentials(environment, strangers)

    assert found.base_url == DEFAULT_BASE_URL
    assert sys.modules["pipeline"] is pipeline
