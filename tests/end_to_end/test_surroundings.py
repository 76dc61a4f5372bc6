"""Odd surroundings: an error is one line and a next step, and no result is lost."""

import os
import sys

import pytest
from doubles.shell import KEY, SECRET, TREES, sidecars_in, typed

from pipeline.api.rate_limiter_state import STATE_VARIABLE
from pipeline.models.catalog import CACHE_VARIABLE
from pipeline.settings import KEY_VARIABLE, SECRET_VARIABLE

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="types for bash")

LINES = f"{KEY_VARIABLE}={KEY}\n{SECRET_VARIABLE}={SECRET}\n"
UNREADABLE = [
    LINES.encode("utf-16"),
    LINES.encode("utf-16-le"),
    f"{LINES}# caf\xe9\n".encode("cp1252"),
]
no_full_disk = pytest.mark.skipif(
    not os.path.exists("/dev/full"),  # noqa: PTH110 - no path of ours
    reason="stands for a full disk",
)


def assert_is_one_error(err):
    assert [line[:8] for line in err.splitlines()] == [err[:8], "  next: "]
    assert err.startswith("error: ")


# --- .env


@pytest.mark.parametrize("content", UNREADABLE, ids=["utf-16", "utf-16-le", "cp1252"])
async def test_a_dotenv_that_is_no_utf_8(shell, content):
    shell.write(TREES)
    (shell.folder / ".env").write_bytes(content)

    done = await shell.run("run", "trees.yaml", "--yes")

    assert done.code == 2
    assert_is_one_error(done.err)
    assert ".env cannot be read" in done.err
    assert "UTF-8" in done.err


@pytest.mark.parametrize("content", UNREADABLE, ids=["utf-16", "utf-16-le", "cp1252"])
async def test_a_dotenv_does_not_matter_where_the_environment_has_the_keys(
    real, content
):
    (real.folder / ".env").write_bytes(content)

    done = await real.run("run", "trees.yaml", "--yes", "--quiet")

    assert (done.code, done.err) == (0, "")


# --- no home, no folder, no keyring


@pytest.mark.parametrize("home", ["-u HOME", "HOME=relative"])
async def test_a_user_without_a_home(real, home, tmp_path):
    del real.environment[CACHE_VARIABLE], real.environment[STATE_VARIABLE]
    unknown = (
        "import pwd; pwd.getpwuid = {}.__getitem__;"
        " from pipeline.cli.main import main; main()"
    )
    before = sorted(tmp_path.iterdir())

    done = await typed(real, f'env {home} "$0" -c "{unknown}" plan trees.yaml')

    assert (done.code, done.err) == (0, "")
    assert "4 to submit; 4 files" in done.out
    assert sorted(tmp_path.iterdir()) == before


async def test_a_folder_that_is_gone(shell):
    line = "mkdir gone; cd gone; rmdir ../gone; $pipeline doctor --emulate"

    done = await typed(shell, line)

    assert done.code == 2
    assert_is_one_error(done.err)


async def test_a_keyring_backend_that_does_not_exist(shell):
    shell.write(TREES)
    module = shell.folder / "modules" / "keyring"
    module.mkdir(parents=True)
    # As the keyring package loads the backend that its variable names.
    (module / "__init__.py").write_text(
        "import importlib, os\n"
        "name = os.environ['PYTHON_KEYRING_BACKEND'].rpartition('.')[0]\n"
        "importlib.import_module(name)\n"
    )
    path = f"{module.parent}{os.pathsep}{shell.environment['PYTHONPATH']}"

    done = await shell.run(
        "run",
        "trees.yaml",
        "--yes",
        PYTHONPATH=path,
        PYTHON_KEYRING_BACKEND="nothing.Backend",
    )

    assert done.code == 6
    assert_is_one_error(done.err)
    assert "PYTHON_KEYRING_BACKEND" in done.err


# --- streams


@no_full_disk
@pytest.mark.parametrize("stdout", [">/dev/full", ">&-"])
async def test_a_run_whose_lines_are_lost_goes_on_and_says_so(real, emulator, stdout):
    done = await typed(real, f"$pipeline run trees.yaml --yes --json --quiet {stdout}")

    assert done.code == 11
    assert_is_one_error(done.err)
    assert "cannot write to stdout" in done.err
    assert len(sidecars_in(real.output)) == 4
    assert emulator.counters()["jobs_made"] == 4


@no_full_disk
@pytest.mark.parametrize("stdout", [">/dev/full", ">&-"])
@pytest.mark.parametrize(
    "command",
    [
        "plan trees.yaml",
        "plan trees.yaml --json",
        "plan trees.yaml --detailed-exitcode",
        "status trees.yaml",
        "spend --json",
        "schema",
        "validate trees.yaml",
        "doctor --emulate",
        "--help",
        "completion bash",
        "emulator --port 0",
    ],
)
async def test_a_result_that_is_lost_is_an_error(shell, command, stdout):
    shell.write(TREES)

    done = await typed(shell, f"$pipeline {command} {stdout}")

    assert done.code == 11
    assert "Traceback" not in done.err
    error, hint = done.err.splitlines()[-2:]
    assert error.startswith("error: cannot write to stdout: ")
    assert hint.startswith("  next: ")


@no_full_disk
@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-", "2> >(:)", "<&-"])
async def test_other_streams_take_no_result_along(shell, redirection):
    shell.write(TREES)

    done = await typed(shell, f"$pipeline plan trees.yaml {redirection}")

    assert done.code == 0
    assert done.out.endswith("4 items: 4 to submit; price not known\n")


@no_full_disk
async def test_a_log_on_a_full_disk_is_told_of_once(real):
    done = await typed(
        real, "$pipeline run trees.yaml --yes --quiet --log-file /dev/full"
    )

    assert done.code == 0
    assert done.err == (
        "warning: the log file cannot be written: No space left on device\n"
    )
    assert len(sidecars_in(real.output)) == 4


async def test_a_run_without_stdin_asks_nobody(real, emulator):
    done = await typed(real, "$pipeline run trees.yaml <&-")

    assert done.code == 2
    assert "--yes" in done.err
    assert emulator.counters()["jobs_made"] == 0


@no_full_disk
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
async def test_an_encoding_without_arrows_loses_nothing(shell, encoding):
    shell.write(TREES)
    shell.environment |= {"PYTHONIOENCODING": encoding, KEY_VARIABLE: KEY}

    said = await shell.run("status", "trees.yaml", "--output", f"with-{KEY}")
    lost = await typed(shell, "$pipeline status trees.yaml >/dev/full")

    assert said.code == 0
    assert "nothing has been submitted yet" in said.out
    assert KEY not in said.out  # no text goes past the filter
    assert lost.code == 11
    assert_is_one_error(lost.err)
