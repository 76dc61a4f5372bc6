"""A folder that may be read and not written: readers read, a run refuses first."""

import os
import shutil
import sqlite3
import sys
from contextlib import closing

import pytest
from doubles.shell import typed

from pipeline.ledger.ledger import LEDGER_NAME
from pipeline.settings import KEY_VARIABLE, SECRET_VARIABLE

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or (os.geteuid() == 0 and not shutil.which("setpriv")),
    reason="takes away the right to write everywhere, as Linux does",
)
# Root writes everywhere, unless it has given up that right.
AS_ANYBODY = "setpriv --bounding-set -all" if os.geteuid() == 0 else "env"


@pytest.fixture
async def locked(real):
    """A shell with a finished output folder that cannot be written."""
    made = await real.run("run", "trees.yaml", "--yes")
    assert made.code == 0, made.err
    real.output.chmod(0o555)
    yield real
    real.output.chmod(0o755)


def leave_wal(shell):
    """As a killed run leaves its ledger: the newest is in the WAL alone."""
    shell.output.chmod(0o755)
    ledger = shell.output / LEDGER_NAME
    with closing(sqlite3.connect(ledger, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("UPDATE jobs SET charged = '100'")
        names = (ledger.name, f"{ledger.name}-wal")
        kept = {name: (shell.output / name).read_bytes() for name in names}
    for name, content in kept.items():
        (shell.output / name).write_bytes(content)
    shell.output.chmod(0o555)


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("status trees.yaml", "4  saved"),
        ("plan trees.yaml", "4 done"),
        ("why trees.yaml oak", "oak: done"),
        ("spend trees.yaml", "total"),
        ("verify output/trees", "4 ok"),
    ],
)
async def test_readers_read(locked, command, says):
    done = await typed(locked, f"{AS_ANYBODY} $pipeline {command}")

    assert (done.code, done.err) == (0, "")
    assert says in done.out


async def test_what_a_killed_run_has_left_in_the_wal_is_read(locked):
    leave_wal(locked)

    done = await typed(locked, f"{AS_ANYBODY} $pipeline status trees.yaml")

    assert (done.code, done.err) == (0, "")
    assert "400  compute units charged" in done.out


@pytest.mark.parametrize("command", ["run --yes", "fetch", "rerun --yes"])
async def test_a_run_refuses_before_anything_is_paid(locked, emulator, command):
    line = f"{AS_ANYBODY} $pipeline {command} trees.yaml --quiet"

    done = await typed(locked, line)

    assert done.code == 11
    assert "make the folder writable" in done.err
    assert "space" not in done.err
    assert len(done.err.splitlines()) == 2
    assert emulator.counters()["jobs_made"] == 4


async def test_a_ledger_that_cannot_be_read_is_not_taken_for_no_spending(locked):
    (locked.output / LEDGER_NAME).chmod(0)

    done = await typed(locked, f"{AS_ANYBODY} $pipeline spend")

    assert done.code == 11
    assert "nothing has been spent" not in done.out
    assert "cannot read" in done.err


async def test_a_folder_that_cannot_be_looked_into_is_said(locked):
    locked.output.chmod(0)

    spend = await typed(locked, f"{AS_ANYBODY} $pipeline spend")
    status = await typed(locked, f"{AS_ANYBODY} $pipeline status trees.yaml")
    prune = await typed(locked, f"{AS_ANYBODY} $pipeline prune trees.yaml --yes")

    assert prune.code == 11
    assert "Traceback" not in prune.err
    assert len(prune.err.splitlines()) == 2
    assert (spend.code, spend.out) == (11, "")
    assert "cannot read output/trees" in spend.err
    assert status.code == 11
    assert "cannot read output/trees" in status.err


async def test_without_credentials_a_folder_that_cannot_be_read_does_not_matter(locked):
    locked.output.chmod(0)
    for name in (KEY_VARIABLE, SECRET_VARIABLE):
        del locked.environment[name]

    done = await typed(locked, f"{AS_ANYBODY} $pipeline run trees.yaml --yes")

    assert done.code == 6
    assert len(done.err.splitlines()) == 2
    assert done.err.startswith("error: no credentials")
