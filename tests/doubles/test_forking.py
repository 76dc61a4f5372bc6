"""A forked command is what a new interpreter would be."""

import signal
import sys

import pytest

from doubles.forking import ForkedProcess, can_fork
from doubles.shell import INTERPRETER, PROGRAM, TREES, Running
from pipeline.fault_points import VARIABLE

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks on Linux alone")

# Another command line, which means the same: a new interpreter.
NEW = ("-B", *PROGRAM)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("validate", "trees.yaml"), 0),
        (("plan", "trees.yaml", "--emulate", "--json"), 0),
        (("plan", "nothing.yaml"), 2),
        (("run", "trees.yaml", "--rate", "5"), 2),
        (("run", "trees.yaml"), 6),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
async def test_it_says_the_same_and_ends_the_same(shell, arguments, code):
    shell.write(TREES)

    forked = await shell.run(*arguments)
    async with shell.start(*arguments, program=NEW) as running:
        new = await running.end()

    assert (forked.code, new.code) == (code, code)
    assert forked == new


async def test_it_is_a_process_of_the_server_and_its_end_is_reported(shell):
    shell.write(TREES)

    process = await shell.launch(("run", "trees.yaml", "--emulate", "--yes"), {})
    running = Running(process)
    await running.until("EMULATED", err=True)
    process.kill()
    done = await running.end()

    assert isinstance(process, ForkedProcess)
    assert done.code == process.returncode == -signal.SIGKILL


async def test_it_has_the_environment_and_the_fault_point_of_its_own(shell):
    shell.write(TREES)
    arguments = ("run", "trees.yaml", "--emulate", "--yes")

    killed = await shell.run(*arguments, **{VARIABLE: "job-recorded"})
    again = await shell.run(*arguments)

    assert (killed.code, again.code) == (-signal.SIGKILL, 0)


async def test_modules_of_its_folder_come_first_as_they_do_for_a_new_one(shell):
    (shell.folder / "openpyxl.py").write_text("raise SystemExit(77)")
    (shell.folder / "rows.xlsx").write_bytes(b"PK")
    shell.write(
        "version: 1\nmodel: model_wan-2-7-image\n"
        "items: [{id: '${n}', prompt: '${n}', rows: rows.xlsx}]\n"
    )

    forked = await shell.run("validate", "trees.yaml")
    async with shell.start("validate", "trees.yaml", program=NEW) as running:
        new = await running.end()

    assert forked == new


@pytest.mark.parametrize(
    "name", ["PYTHONIOENCODING", "PYTHONPATH", "LC_ALL", "LANG", "SSL_CERT_FILE"]
)
def test_what_is_read_at_the_start_needs_a_new_interpreter(name):
    assert can_fork({**INTERPRETER, "HOME": "/", "TERM": "dumb"}, INTERPRETER)
    assert not can_fork({**INTERPRETER, name: "other"}, INTERPRETER)


def test_what_is_missing_of_it_needs_a_new_interpreter_too():
    assert not can_fork({}, INTERPRETER)
