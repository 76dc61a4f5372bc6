"""The service's own table of a model: read once, kept, and its drift said.

The emulator's counters are the judge: what they charged is what was paid.
"""

from doubles.shell import TREES


async def test_table_of_the_service_counts_and_its_drift_is_said(shell, start_emulator):
    drifted = {"size": {"allowedValues": ["1K", "8K"]}}
    shell.use(await start_emulator(input_changes=drifted))
    shell.write(TREES.replace("size: 1K", "size: 8K"))
    taken = await shell.run("plan", "trees.yaml")
    shell.write(TREES.replace("size: 1K", "size: 2K"))
    refused = await shell.run("plan", "trees.yaml")

    assert taken.code == 0, taken.err
    assert "the service's table, which differs from the one shipped" in taken.err
    assert "'size' also takes 8K" in taken.err
    assert refused.code == 2
    assert "trees.yaml:4:16" in refused.err


async def test_table_is_read_once_kept_and_used_when_offline(real, emulator):
    cached = {"PIPELINE_CACHE_DIR": str(real.folder / "cache")}
    first = await real.run("plan", "trees.yaml", **cached)
    second = await real.run("plan", "trees.yaml", **cached)
    asked = dict(emulator.counters()["requests"])
    offline = await real.run("plan", "trees.yaml", "--offline", **cached)
    nothing_kept = await real.run(
        "plan",
        "trees.yaml",
        "--offline",
        PIPELINE_CACHE_DIR=str(real.folder / "elsewhere"),
    )

    assert (first.err, second.err) == ("", "")
    assert asked["model"] == 1
    assert emulator.counters()["requests"] == asked
    assert offline.code == nothing_kept.code == 0
    assert "used the table shipped with this version" not in offline.err
    assert "used the table shipped with this version" in nothing_kept.err
