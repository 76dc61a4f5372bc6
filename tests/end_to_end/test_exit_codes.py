"""Exit codes: what a script learns of how a run ended."""

from dataclasses import replace

import pytest
from doubles.clock import ScaledClock
from doubles.shell import KEY, SECRET, TREES, manifest_of, sidecars_in

from pipeline import Credentials, ExitCode, PipelineError, Settings, run
from pipeline.emulator import Emulator, EmulatorProfile
from pipeline.running.events import Launched

QUICK = Settings(first_contact_s=0.2)


async def test_all_saved_is_0_and_a_failed_item_is_3(real):
    fine = await real.run("run", "trees.yaml", "--yes")
    real.write(TREES + "  - {id: fir, prompt: 'a fir [fail]'}\n")
    failed = await real.run("run", "trees.yaml", "--yes")

    assert (fine.code, failed.code) == (0, 3)
    assert "x fir (trees.yaml:" in failed.err
    assert "The provider could not generate the image" in failed.err
    assert "pipeline rerun" in failed.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("run",),
        ("run", "trees.yaml", "--yes", "--no-such-option"),
        ("run", "trees.yaml", "--yes", "--limit", "0"),
        ("fly", "trees.yaml"),
        ("emulator", "--job-seconds", "3-1"),
        ("emulator", "--fault", "submit-dorp-after=0.1"),
    ],
    ids=" ".join,
)
async def test_usage_that_cannot_be_obeyed_is_2(arguments, real, emulator):
    done = await real.run(*arguments)

    assert (done.code, done.out) == (2, "")
    assert done.err
    assert "Traceback" not in done.err
    assert emulator.counters()["requests"] == {}


async def test_out_of_credit_is_4_with_everything_paid_saved(real, start_emulator):
    poor = await start_emulator(credits_cu=12)
    real.use(poor)
    done = await real.run("run", "trees.yaml", "--yes", "--json")

    assert done.code == done.events[-1]["exit_code"] == 4
    assert done.events[-1]["counts"] == {"saved": 2, "not_submitted": 2}
    assert len(done.of("halt")) == 1
    assert not [line for line in done.of("job") if line["status"] == "failed"]
    assert len(sidecars_in(real.output)) == poor.counters()["jobs_made"] == 2


async def test_submit_whose_outcome_stays_unknown_is_5(tmp_path):
    (tmp_path / "trees.yaml").write_text(manifest_of("an oak"))
    clock = ScaledClock()
    async with Emulator(
        profile=EmulatorProfile.of(seed=7, fixed_size_px=16),
        clock=clock,
    ) as emulator:
        emulator.faults.next("submit-504-after")

        def break_list(event):
            if isinstance(event, Launched):  # what was listed before is known
                emulator.faults.rates["list-500"] = 1.0

        settings = replace(QUICK, settle_s=1.0, free_deadline_s=5.0)
        where = {
            "output": tmp_path / "out",
            "credentials": credentials(emulator.base_url),
            "clock": clock,
            "settings": settings,
        }
        unsure = await run(tmp_path / "trees.yaml", **where, on_event=break_list)
        emulator.faults.clear()
        sure = await run(tmp_path / "trees.yaml", **where)

        assert (unsure.exit_code, unsure.counts) == (
            ExitCode.UNKNOWN_OUTCOME,
            {"unknown": 1},
        )
        assert (sure.exit_code, sure.counts) == (ExitCode.OK, {"saved": 1})
        assert emulator.counters()["jobs_made"] == 1


async def test_wrong_key_and_no_key_are_6_and_no_item_fails(real, start_emulator):
    strict = await start_emulator(accepted_keys={"another": "pair"})
    real.use(strict)
    wrong = await real.run("run", "trees.yaml", "--yes", "--json")
    missing = await real.run("run", "trees.yaml", "--yes", SCENARIO_SDK_API_SECRET="")

    assert wrong.code == wrong.events[-1]["exit_code"] == 6
    assert wrong.of("job") == []
    assert "SCENARIO_SDK_API_KEY" in wrong.err
    assert strict.counters()["submits_received"] == 0
    assert missing.code == 6
    assert "SCENARIO_SDK_API_SECRET not set" in missing.err
    assert "--emulate" in missing.err


async def test_second_run_at_once_is_7_while_readers_work(real, start_emulator):
    slow = await start_emulator(job_seconds=(60.0, 60.0))
    real.use(slow)
    async with real.start("run", "trees.yaml", "--yes", "--json") as running:
        await running.until('"submitted"')
        second = await real.run("run", "trees.yaml", "--yes")
        status = await real.run("status", "trees.yaml")
        lines = await real.run("status", "trees.yaml", "--json")
        plan = await real.run("plan", "trees.yaml", "--json")

    assert second.code == 7
    assert "another run is in progress" in second.err
    assert (status.code, lines.code, plan.code) == (0, 0, 0)
    assert "in flight" in status.out
    counts = lines.events[-1]["counts"]
    assert counts["in_flight"] >= 1
    assert plan.events[-1]["counts"]["done"] == 0
    assert slow.counters()["jobs_made"] <= 4


async def test_killed_run_frees_its_lock_and_the_next_one_pays_nothing_twice(
    real, start_emulator
):
    emulator = await start_emulator(job_seconds=(1.0, 1.5))
    real.use(emulator)
    async with real.start("run", "trees.yaml", "--yes", "--json") as running:
        await running.until('"submitted"')
        running.process.kill()
        await running.end()
    done = await real.run("run", "trees.yaml", "--yes", "--settle", "1")

    assert done.code == 0, done.err
    assert emulator.counters()["jobs_made"] == 4
    assert len(sidecars_in(real.output)) == 4


async def test_output_that_cannot_be_made_is_11_before_anything_is_priced(
    real, emulator
):
    (real.folder / "taken").write_text("a file")
    done = await real.run("run", "trees.yaml", "--yes", "--output", "taken/here")

    assert done.code == 11
    assert "Traceback" not in done.err
    assert emulator.counters()["requests"] == {"model": 1}


async def test_service_that_cannot_be_reached_is_12(tmp_path, emulator):
    closed = emulator.base_url
    await emulator._stop()
    (tmp_path / "trees.yaml").write_text(TREES)

    with pytest.raises(PipelineError) as caught:
        await run(
            tmp_path / "trees.yaml",
            output=tmp_path / "out",
            credentials=credentials(closed),
            settings=QUICK,
        )

    assert caught.value.exit_code is ExitCode.UNREACHABLE
    assert "SCENARIO_BASE_URL" in caught.value.hint


def credentials(base_url: str) -> Credentials:
    return Credentials(key=KEY, secret=SECRET, base_url=base_url)
