"""Help, version and completion."""

import asyncio
import shutil

import pytest

from pipeline.version import __version__

COMMANDS = (
    "accept",
    "approve",
    "check",
    "completion",
    "doctor",
    "emulator",
    "fetch",
    "gallery",
    "graph",
    "index",
    "init",
    "merge",
    "models",
    "pick",
    "plan",
    "prune",
    "redo",
    "reject",
    "rerun",
    "resolve",
    "restore",
    "run",
    "schema",
    "show",
    "spend",
    "status",
    "validate",
    "verify",
    "view",
    "why",
)


async def test_help_names_every_command_with_what_it_does(shell):
    done = await shell.run("--help")

    assert (done.code, done.err) == (0, "")
    listed = done.out.partition("Commands:")[2].splitlines()
    words = [line.split() for line in listed if line.strip()]
    assert [line[0] for line in words] == sorted(COMMANDS)
    assert all(len(line) > 3 for line in words)
    assert not [line for line in listed if line.endswith("...")]  # none is cut off


async def test_version_is_that_of_the_package(shell):
    done = await shell.run("--version")

    assert (done.code, done.out) == (0, f"scenario-pipeline {__version__}\n")


async def test_help_imports_neither_aiohttp_nor_rich(shell):
    code = (
        "import sys; from pipeline.cli.main import run_command\n"
        "run_command(['run', '--help'])\n"
        "print('loaded:', *sorted({'aiohttp', 'rich', 'PIL'} & set(sys.modules)))"
    )
    async with shell.start(program=("-c", code)) as running:
        done = await running.end()

    assert done.out.splitlines()[-1] == "loaded:"


@pytest.mark.parametrize("kind", ["bash", "zsh", "fish"])
async def test_completion_prints_a_script_of_that_shell(kind, shell):
    done = await shell.run("completion", kind)

    assert (done.code, done.err) == (0, "")
    assert f"_PIPELINE_COMPLETE={kind}_complete" in done.out


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
async def test_completion_of_bash_is_a_script_that_bash_takes(shell):
    done = await shell.run("completion", "bash")
    process = await asyncio.create_subprocess_exec(
        "bash", "-n", stdin=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    _, complaint = await process.communicate(done.out.encode())

    assert (process.returncode, complaint) == (0, b"")
