"""--executor: the same files for the same money, whatever happens to the workers."""

import os
import signal

import pytest
from doubles import workers
from doubles.shell import BASIC, KEY, SECRET, TREES, sidecars_in

dask_address = workers.dask_address
pytestmark = pytest.mark.timeout(150)
SIXTY = TREES.replace(
    "{name: [oak, elm, ash, yew]}", f"{{name: {[f't{n}' for n in range(60)]}}}"
)


async def check_all_right(real, emulator, count):
    """Every file is there and whole, and each was paid for once."""
    assert len(sidecars_in(real.output)) == count
    done = await real.run("verify", str(real.output), "--json")
    counts = done.of("done")[0]["counts"]
    assert (counts["ok"], counts["stray"]) == (count, 0), done
    assert emulator.counters()["jobs_made"] == count
    assert not (real.output / ".partial").exists()


async def test_a_worker_of_a_dask_cluster_is_killed_half_way_through_sixty_downloads(
    real, start_emulator, dask_address
):
    import distributed

    # So that they do not come all at once, and each takes a while.
    emulator = await start_emulator(ceiling=4, cdn_bytes_per_second=1500)
    real.use(emulator)
    real.write(SIXTY)
    words = ("run", "trees.yaml", "--yes", "--json", "--executor")
    async with distributed.Client(dask_address, asynchronous=True) as cluster:
        victim, *_ = (await cluster.run(os.getpid)).values()
        async with real.start(*words, f"dask:{dask_address}") as running:
            await running.until('"status": "saved"', count=30)
            assert emulator.counters()["jobs_made"] < 60
            os.kill(victim, signal.SIGKILL)
            done = await running.end()
        told = f"{await cluster.get_worker_logs()} {await cluster.get_scheduler_logs()}"

    assert done.code == 0, done
    await check_all_right(real, emulator, 60)
    for secret in (KEY, SECRET, BASIC, "Signature", "Policy"):
        assert secret not in told
    again = await real.run(*words, f"dask:{dask_address}")
    assert again.code == 0
    assert emulator.counters()["jobs_made"] == 60


async def test_workers_in_processes_save_the_files_and_draw_for_the_gallery(
    real, emulator
):
    done = await real.run(
        *("run", "trees.yaml", "--yes", "--json", "--report"),
        PIPELINE_EXECUTOR="processes:2",
    )

    assert done.code == 0, done
    await check_all_right(real, emulator, 4)
    assert len(list((real.output / "gallery" / "thumbnails").iterdir())) == 4
    assert done.of("warning") == []


async def test_an_unknown_place_is_told_of_before_anything_is_paid(real, emulator):
    done = await real.run("run", "trees.yaml", "--yes", "--executor", "ray:local")

    assert done.code == 2, done
    assert "--executor 'ray:local' is not known" in done.err
    assert emulator.counters()["jobs_made"] == 0
