"""A file system that cannot sync: everything is saved, and it is said once."""

import os

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="folders are not synced")

# Becomes the whole program: the real one on a file system that refuses.
PROGRAM = """
import errno, os, stat, sys
fsync = os.fsync
def refuse(descriptor):
    if {all_files} or stat.S_ISDIR(os.fstat(descriptor).st_mode):
        raise OSError(errno.{name}, os.strerror(errno.{name}))
    fsync(descriptor)
os.fsync = refuse
from pipeline.cli.main import main
main()
"""


@pytest.fixture
def type_in(real):
    async def run(name: str, *arguments: str, all_files: bool = False):
        program = PROGRAM.format(name=name, all_files=all_files)
        async with real.start(*arguments, program=("-c", program)) as running:
            return await running.end()

    return run


@pytest.mark.parametrize(
    ("name", "all_files"),
    [("EINVAL", False), ("ENOTSUP", False), ("ENOTTY", True), ("EPERM", True)],
)
async def test_everything_is_saved_and_it_is_said_once(
    real, emulator, type_in, name, all_files
):
    first = await type_in(name, "run", "trees.yaml", "-y", all_files=all_files)
    again = await type_in(name, "run", "trees.yaml", "-y", "--json")

    assert first.code == again.code == 0, first.err
    assert first.err.count("cannot be synced") == 1
    assert "free some space" not in first.err
    assert len(list(real.output.glob("*.png"))) == 4
    assert again.of("done")[0]["counts"] == {"done": 4, "skipped": 0}
    assert emulator.counters()["jobs_made"] == 4


async def test_in_json_it_is_a_warning(type_in, emulator):
    done = await type_in("EINVAL", "run", "trees.yaml", "-y", "--json")

    warnings = [line["message"] for line in done.of("warning")]
    assert sum("cannot be synced" in message for message in warnings) == 1
    assert emulator.counters()["jobs_made"] == 4


async def test_a_disk_that_fails_stops_the_run(type_in, emulator):
    done = await type_in("EIO", "run", "trees.yaml", "-y")

    assert done.code == 11
    assert "cannot write" in done.err
    assert "Traceback" not in done.err
