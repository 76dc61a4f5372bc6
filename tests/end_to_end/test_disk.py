"""A bad disk or ledger: one clear message, nothing more is paid, nothing is lost."""

import os
import sqlite3
import sys

import anyio
import pytest

from pipeline.emulator import Emulator, EmulatorProfile
from pipeline.ledger.ledger import LEDGER_NAME
from pipeline.output.names import LOCK_NAME

pytestmark = pytest.mark.skipif(os.name != "posix", reason="uses ulimit")

ITEMS = 4
MANIFEST = """\
version: 1
name: disk
model: model_wan-2-7-image
params: {size: 1K}
items:
  - {id: "coin-${n}", prompt: "coin ${n}", matrix: {n: [1, 2, 3, 4]}}
"""


@pytest.fixture
async def emulator():
    profile = EmulatorProfile.of(seed=5, job_seconds=(0.05, 0.2))
    async with Emulator(profile=profile) as running:
        yield running


@pytest.fixture
def command(tmp_path, emulator):
    """Run the real command, with files of at most ``blocks`` KiB."""
    (tmp_path / "disk.yaml").write_text(MANIFEST, encoding="utf-8")
    environment = os.environ | {
        "SCENARIO_SDK_API_KEY": "key",
        "SCENARIO_SDK_API_SECRET": "secret",
        "SCENARIO_BASE_URL": emulator.base_url,
        "COVERAGE_PROCESS_CONFIG": "",  # its files would be cut short as well
    }

    async def run(*arguments: str, blocks: int | None = None):
        limit = "" if blocks is None else f"ulimit -f {blocks}; "
        with anyio.fail_after(60):
            return await anyio.run_process(
                [
                    *("bash", "-c", f'{limit}exec "$@"', "pipeline"),
                    *(sys.executable, "-m", "pipeline", *arguments),
                ],
                check=False,
                env=environment,
                cwd=tmp_path,
            )

    async def run_pipeline(blocks: int | None = None):
        return await run(
            *("run", "disk.yaml", "-o", "out", "-y", "--settle", "1"), blocks=blocks
        )

    return run_pipeline


@pytest.mark.parametrize("blocks", [10, 40, 60, 100, 150])
async def test_a_full_disk_stops_the_run_and_a_later_one_picks_everything_up(
    blocks, tmp_path, command, emulator
):
    full = await command(blocks=blocks)
    again = await command()

    assert full.returncode == 11
    assert b"cannot write" in full.stderr
    assert b"Traceback" not in full.stderr
    assert again.returncode == 0, again.stderr.decode()
    assert emulator.counters()["jobs_made"] == ITEMS
    assert len(list((tmp_path / "out").glob("*.png"))) == ITEMS


async def test_once_the_ledger_cannot_be_written_nothing_more_is_paid(
    command, emulator
):
    for _ in range(3):
        result = await command(blocks=40)
        assert result.returncode == 11

    assert emulator.counters()["jobs_made"] == 0


async def test_a_damaged_ledger_is_put_aside_and_nothing_is_paid_again(
    tmp_path, command, emulator
):
    await command()
    ledger = tmp_path / "out" / LEDGER_NAME
    ledger.write_bytes(b"this is no database at all" * 100)

    result = await command()

    assert result.returncode == 0, result.stderr.decode()
    assert emulator.counters()["jobs_made"] == ITEMS
    assert list((tmp_path / "out").glob(f"{LEDGER_NAME}.damaged-*"))


async def test_a_ledger_of_a_newer_version_is_refused_and_left_alone(
    tmp_path, command, emulator
):
    await command()
    ledger = tmp_path / "out" / LEDGER_NAME
    with sqlite3.connect(ledger) as connection:
        connection.execute("PRAGMA user_version = 999")
    connection.close()

    result = await command()

    assert result.returncode == 11
    assert b"newer version of pipeline" in result.stderr
    assert emulator.counters()["jobs_made"] == ITEMS


async def test_a_file_in_the_place_of_the_output_folder_is_one_message(
    tmp_path, command, emulator
):
    (tmp_path / "out").write_text("not a folder")

    result = await command()

    assert result.returncode == 2
    assert b"Traceback" not in result.stderr
    assert emulator.counters()["jobs_made"] == 0


async def test_the_lock_file_alone_holds_nothing(tmp_path, command, emulator):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / LOCK_NAME).write_text("left by a killed run")

    result = await command()

    assert result.returncode == 0
    assert emulator.counters()["jobs_made"] == ITEMS
