"""``doctor``: each line ok or what to do, and the exit code of the first that is not."""

import errno
import os
import sqlite3
import stat
from datetime import timedelta

import pytest
from doubles.place import items
from knobs.world import SECRET

from pipeline.clock import SystemClock
from pipeline.emulator import Emulator, EmulatorProfile
from pipeline.ledger.ledger import LEDGER_NAME


class WrongClock(SystemClock):
    """The machine's clock, so many seconds ahead."""

    def __init__(self, ahead_s: float) -> None:
        self._ahead = timedelta(seconds=ahead_s)

    def utc_now(self):
        return super().utc_now() + self._ahead


@pytest.fixture
def doctor(tmp_path, command, use):
    """One examination against a service with these answers; it changes nothing."""
    manifest = tmp_path / "trees.yaml"
    manifest.write_text(items("an oak"))
    output = tmp_path / "out"

    async def examine(*arguments, ahead_s=0.0, project_id="", **knobs):
        there = output.exists()
        profile = EmulatorProfile.of(seed=7, **knobs)
        async with Emulator(profile=profile, clock=WrongClock(ahead_s)) as emulator:
            use(emulator.base_url, project_id=project_id)
            said = await command("doctor", manifest, "-o", output, *arguments)
            assert emulator.counters()["submits_received"] == 0
        assert output.exists() == there
        assert SECRET not in said.out.replace("SECRET", "") + said.err
        assert "Traceback" not in said.err
        return said

    return examine


def refuse_folders(monkeypatch, code):
    """Let the file system answer the sync of a folder with this error."""
    fsync = os.fsync

    def answer(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(code, os.strerror(code))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", answer)


def lines_of(said):
    """Verdict by what was looked at."""
    lines = [line.split() for line in said.out.splitlines()]
    return {words[1]: words[0] for words in lines if words[0] != "next:"}


async def test_everything_that_is_in_order_is_ok(doctor):
    said = await doctor(ceiling=7)

    assert said.code == 0
    assert lines_of(said) == dict.fromkeys(
        (
            "versions",
            "executors",
            "manifest",
            "disk",
            "ledger",
            "credentials",
            "service",
            "clock",
            "project",
            "ceiling",
            "units",
        ),
        "ok",
    )
    assert "7 jobs in flight" in said.out
    assert "1,000,000 compute units left" in said.out
    assert "aiohttp" in said.out
    assert "dask:local (distributed 20" in said.out
    assert "GB free" in said.out


async def test_without_the_extra_it_is_said_how_to_get_dask(doctor, monkeypatch):
    monkeypatch.setattr("pipeline.cli.doctor.find_spec", lambda _name: None)

    said = await doctor()

    assert "for dask: pip install 'scenario-pipeline[dask]'" in said.out


async def test_a_ceiling_that_may_not_be_read_is_only_a_note(doctor):
    said = await doctor(limits_status=403)

    assert said.code == 0
    assert lines_of(said)["ceiling"] == lines_of(said)["units"] == "note"


@pytest.mark.parametrize("ahead_s", [3600, -3600])
async def test_a_clock_that_is_off_by_an_hour_is_noted_with_its_sign(doctor, ahead_s):
    said = await doctor(ahead_s=ahead_s)

    assert said.code == 0
    (line,) = [line for line in said.out.splitlines() if " clock " in line]
    assert line.startswith("note")
    seconds = int(line.split()[2])
    assert abs(seconds - ahead_s) < 60


async def test_a_clock_that_is_off_by_a_minute_is_ok(doctor):
    said = await doctor(ahead_s=60)

    assert lines_of(said)["clock"] == "ok"


async def test_without_credentials_it_is_6_and_says_what_to_set(
    doctor, monkeypatch, command, tmp_path
):
    monkeypatch.delenv("SCENARIO_SDK_API_KEY", raising=False)
    said = await command("doctor", tmp_path / "trees.yaml")

    assert said.code == 6
    assert lines_of(said)["credentials"] == "BAD"
    assert "next: set them in the environment" in said.out
    assert lines_of(said)["disk"] == "ok"  # it went on without them
    assert "service" not in lines_of(said)


async def test_a_wrong_key_is_6_and_says_where_to_look(doctor):
    said = await doctor(accepted_keys={"another": "pair"})

    assert said.code == 6
    assert lines_of(said)["service"] == "BAD"
    assert "check SCENARIO_SDK_API_KEY" in said.out


async def test_a_service_that_does_not_answer_is_12(command, tmp_path, use):
    async with Emulator() as emulator:
        use(emulator.base_url)

    said = await command("doctor", "--output", tmp_path)

    assert said.code == 12
    assert lines_of(said)["service"] == "BAD"


async def test_a_project_that_is_refused_is_not_ok(doctor):
    said = await doctor(project_id="proj_of_somebody_else")

    assert said.code == 6
    assert "ok" not in {
        verdict
        for what, verdict in lines_of(said).items()
        if what in {"service", "project"}
    }


async def test_a_damaged_ledger_is_11_and_left_as_it_is(doctor, tmp_path):
    (tmp_path / "out").mkdir()
    ledger = tmp_path / "out" / LEDGER_NAME
    ledger.write_bytes(b"this is no database at all" * 100)
    before = ledger.read_bytes()

    said = await doctor()

    assert said.code == 11
    assert lines_of(said)["ledger"] == "BAD"
    assert "rebuilt from the sidecars" in said.out
    assert lines_of(said)["service"] == "ok"
    assert ledger.read_bytes() == before


async def test_a_ledger_of_a_newer_version_is_11(doctor, tmp_path):
    (tmp_path / "out").mkdir()
    connection = sqlite3.connect(tmp_path / "out" / LEDGER_NAME)
    connection.execute("PRAGMA user_version = 999")
    connection.close()

    said = await doctor()

    assert said.code == 11
    assert "newer version" in said.out


async def test_a_broken_manifest_is_2_and_the_rest_is_looked_at(command, tmp_path, use):
    (tmp_path / "trees.yaml").write_text("items: [")
    async with Emulator() as emulator:
        use(emulator.base_url)
        said = await command("doctor", tmp_path / "trees.yaml")

    assert said.code == 2
    assert lines_of(said)["manifest"] == "BAD"
    assert lines_of(said)["service"] == "ok"


async def test_the_first_thing_that_is_wrong_gives_the_exit_code(
    command, tmp_path, use
):
    (tmp_path / LEDGER_NAME).write_bytes(b"no database" * 100)
    async with Emulator() as emulator:
        use(emulator.base_url)

    said = await command("doctor", "--output", tmp_path)

    assert [lines_of(said)[what] for what in ("ledger", "service")] == ["BAD", "BAD"]
    assert said.code == 11


async def test_emulated_needs_no_credentials(command, tmp_path):
    said = await command("doctor", "--emulate", "--output", tmp_path)

    assert said.code == 0
    assert "BAD" not in said.out


@pytest.mark.skipif(os.name != "posix", reason="folders are not synced")
@pytest.mark.parametrize("name", ["EINVAL", "ENOTSUP", "ENOTTY", "EPERM"])
async def test_a_folder_that_cannot_be_synced_is_a_note(doctor, monkeypatch, name):
    refuse_folders(monkeypatch, getattr(errno, name))

    said = await doctor()

    assert said.code == 0
    assert lines_of(said)["disk"] == "ok"
    assert lines_of(said)["sync"] == "note"
    assert "files are saved there" in said.out
    assert said.err == ""


@pytest.mark.skipif(os.name != "posix", reason="folders are not synced")
async def test_a_disk_that_breaks_while_syncing_is_bad(doctor, monkeypatch):
    refuse_folders(monkeypatch, errno.EIO)

    said = await doctor()

    assert said.code != 0
    assert lines_of(said)["disk"] == "BAD"
